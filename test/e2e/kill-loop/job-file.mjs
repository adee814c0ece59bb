/**
 * An example as a job file without types. Where Node does not strip them, every process and each of its threads would load jiti first: half
 * of the time of a life that is killed at its first checkpoint. `examples.test.ts` runs the examples as they are.
 */
import { mkdirSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** @returns {Promise<string>} path of the new file; the package is in its reach as one that is installed would be */
export async function withoutTypes(example, directory) {
  const modules = join(directory, 'node_modules');
  mkdirSync(modules, { recursive: true });
  symlinkSync(root, join(modules, 'tidemark'));
  const file = join(directory, `${basename(example, '.ts')}.mjs`);
  const bundle = await rolldown({ input: join(root, example), platform: 'node', external: ['tidemark', /^node:/] });
  await bundle.write({ file, format: 'es' });
  await bundle.close();
  return file;
}
