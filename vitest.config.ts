import { defineConfig } from 'vitest/config';

/**
 * Five projects, by what a test needs:
 *
 * - unit    imports from `src/*.ts`, runs in this process. Seconds.
 * - engine  starts workers, the command line or examples from `dist`, since Vitest does not transform worker threads.
 * - long    as engine: many whole jobs for one statement. Not in `npm test`, which is to take less than five minutes on two cores.
 * - model   explores the states of a model; with MODEL_CHECK=full further.
 * - crash   kills processes and looks at what they left behind.
 *
 * Three test processes, also on two cores: much of the time they wait for processes that they started. With two the suite took 388 s
 * there, of 236 s of CPU time a core.
 */
const engine = ['test/engine/**/*.test.ts', 'test/e2e/**/*.test.ts'];
const long = [
  'benchmarks',
  'chosen-formats',
  'generations',
  'hanging-sinks',
  'merged-tables',
  'random-life',
  'recovery',
  'rescaling',
  'same-result',
  'schema-change',
].map((name) => `test/e2e/${name}.test.ts`);
const model = ['test/model/**/*.test.ts'];
const crash = ['test/crash/**/*.test.ts', 'test/e2e/kill-loop.test.ts'];

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 3,
    globalSetup: ['test/support/build.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...engine, ...model, ...crash],
          // Modules are loaded once for all files, which have no state of their own: two thirds of the CPU time. Mocks end with their test.
          isolate: false,
          restoreMocks: true,
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        test: { name: 'engine', include: engine, exclude: [...crash, ...long], testTimeout: 60_000, hookTimeout: 60_000 },
      },
      {
        extends: true,
        test: { name: 'long', include: long, testTimeout: 60_000, hookTimeout: 60_000 },
      },
      {
        extends: true,
        test: { name: 'model', include: model, testTimeout: 600_000 },
      },
      {
        extends: true,
        test: { name: 'crash', include: crash, testTimeout: 600_000, hookTimeout: 60_000 },
      },
    ],
  },
});
