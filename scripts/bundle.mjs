/**
 * Makes `dist/bundle` of what tsc wrote: the package's entry, and what a process or a thread begins with. The module loader takes half a
 * millisecond for each file, and a start loads some 150 of them in the runtime process, in every worker, and once more for the job
 * module's `import 'tidemark'`. A worker is ready after 48 ms instead of 110.
 *
 * The entries share their chunks, so that a thread has one `TidemarkError`, whether the engine or the job module asks for it.
 *
 * Everything else in dist stays as tsc made it. The bundle is one folder below dist, as `main`, `worker` and `job` are: a URL that goes
 * through the parent folder (`../worker/x.js`) means the same file from either. Nothing is minified: stack traces keep their names.
 */
import { readdirSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../dist/', import.meta.url);
const ENTRIES = {
  index: 'index.js',
  'shared-map': 'worker/state/shared-map.js',
  'pool-entry': 'worker/pool-entry.js',
  'runtime-process': 'main/runtime-process.js',
};

const pathOf = (name) => fileURLToPath(new URL(name, root));
const modifiedMs = (name) => statSync(pathOf(name), { throwIfNoEntry: false })?.mtimeMs ?? 0;

// tsc rewrites its build information whenever it writes anything.
const built = modifiedMs('.tsbuildinfo');
if (Object.keys(ENTRIES).some((name) => modifiedMs(`bundle/${name}.js`) <= built)) {
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({
    input: Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, pathOf(file)])),
    platform: 'node',
    external: (id) => !id.startsWith('.') && !id.startsWith('/') && !/^[a-z]:/i.test(id),
  });
  const { output } = await bundle.write({
    dir: pathOf('bundle'),
    format: 'es',
    minify: false,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
  });
  await bundle.close();

  // Chunks of an earlier division of the code.
  const written = new Set(output.map(({ fileName }) => fileName));
  for (const name of readdirSync(pathOf('bundle'))) if (!written.has(name)) rmSync(pathOf(`bundle/${name}`));
}
