/** A job that has come to its end, for tests that go on from its last checkpoint. Those of a file share one run, each with a copy. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, expect } from 'vitest';
import { makeDirectory, runCli } from './cli.ts';

export interface FinishedRun {
  /** With the job as `job.mjs`, what it wrote, and its checkpoints. */
  readonly directory: string;
  readonly checkpoint: string;
}

/**
 * To be called once in a file.
 *
 * @param options  of `tidemark run`; checkpoints go to a directory below the working directory, and are retained
 * @returns        what gives a run of a job, by its text
 */
export function finishedRuns(options: readonly string[]): (text: string) => Promise<FinishedRun> {
  const originals = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
  afterAll(() => rmSync(originals, { recursive: true, force: true }));
  const runs = new Map<string, Promise<FinishedRun>>();

  async function runOnce(text: string): Promise<FinishedRun> {
    const working = makeDirectory({ 'job.mjs': text });
    const run = await runCli(working, ['run', '--json', '-p', '1', ...options, 'job.mjs']);
    expect(run.code, run.stderr).toBe(0);
    const directory = mkdtempSync(join(originals, 'run-'));
    cpSync(working, directory, { recursive: true });
    return { directory, checkpoint: relative(working, run.json()['lastCheckpoint'] as string) };
  }

  return async (text) => {
    const run = runs.get(text) ?? runOnce(text);
    runs.set(text, run);
    const original = await run;
    const directory = makeDirectory();
    cpSync(original.directory, directory, { recursive: true });
    return { directory, checkpoint: join(directory, original.checkpoint) };
  };
}
