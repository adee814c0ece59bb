/**
 * How long is it from the start of the process to the first record? `tidemark run` of a small job, again and again.
 *
 *     npm run bench startup               10 seconds
 *     npm run bench startup -- --quick    three starts
 *     npm run bench startup -- --json     one JSON document on stdout; --out <file>: into a file
 *
 * The disk cache is warm. What the time consists of is told in docs/benchmarks.md.
 */
import { benchProgram } from './lib/program.mjs';
import { startup } from './scenarios/startup.mjs';

await benchProgram({ bench: 'startup', scenarios: [startup], quick: { startups: 3 }, full: { startups: 20 } });
