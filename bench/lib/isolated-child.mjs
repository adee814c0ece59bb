/**
 * The child of `isolated.mjs`: `<module URL> <function> <options as JSON>`. A file of its own, so that a module whose function is
 * called may itself import `isolated.mjs`.
 */

// Without its parent nobody wants the result, and a job without end would go on for ever.
process.once('disconnect', () => process.exit());
const [moduleUrl, name, options] = process.argv.slice(2);
const functions = await import(moduleUrl);
const result = await functions[name](JSON.parse(options));
process.send(result, () => process.disconnect());
