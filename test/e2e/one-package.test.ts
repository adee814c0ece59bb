/**
 * What is bundled shares its classes: the engine in a worker, the job module's `import 'tidemark'` and `tidemark/shared-map`
 * are one instance of the package, however the job module is loaded. Two would not know each other's errors.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { makeDirectory, runCli } from '../support/cli.ts';

const JOB = fileURLToPath(new URL('jobs/own-error.mjs', import.meta.url));

/** Here import() finds the package by its name; elsewhere on disk only jiti does. */
it.each([
  ['import()', () => JOB],
  ['jiti', () => 'job.mjs'],
])('package: an error that a job module loaded with %s makes is the engine’s own', async (_loader, jobFile) => {
  const directory = makeDirectory({ 'job.mjs': readFileSync(JOB, 'utf8') });
  const run = await runCli(directory, ['run', '--json', jobFile()]);
  expect(run.json()['error']).toMatchObject({ code: 'ERR_SINK_FAILED', message: 'made by the job module' });
});

it('package: an error of the shared map is one for isTidemarkError', async () => {
  const { isTidemarkError } = await import('tidemark');
  const { createSharedMap } = await import('tidemark/shared-map');
  let thrown: unknown;
  try {
    createSharedMap({ limitBytes: -1 });
  } catch (error) {
    thrown = error;
  }
  expect(isTidemarkError(thrown)).toBe(true);
});
