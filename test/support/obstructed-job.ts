/** Runs `test/e2e/jobs/obstructed.mjs`, in which checkpoints fail as files in its directory say. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type JobHandle, run, type RunOptions } from 'tidemark';
import { onTestFinished } from 'vitest';
import { until } from './cli.ts';
import { projectRoot } from './sources.ts';

const JOB = pathToFileURL(join(projectRoot, 'test/e2e/jobs/obstructed.mjs'));

export interface ObstructedOptions extends RunOptions {
  /** Default: it does not end. */
  readonly records?: number;
  readonly ratePerSecond?: number;
}

/** Checkpoints when they are asked for, kept whatever happens; no restarts. It runs when this returns. */
export async function startObstructed(directory: string, options: ObstructedOptions = {}): Promise<JobHandle> {
  const { records = Infinity, ratePerSecond = 2000, config, ...others } = options;
  const handle = await run(JOB, {
    parallelism: 2,
    threads: 2,
    ...others,
    args: [directory, String(records), String(ratePerSecond)],
    config: {
      'execution.checkpointing.dir': join(directory, 'checkpoints'),
      'execution.checkpointing.interval': '1 h',
      'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
      'restart-strategy.type': 'none',
      ...config,
    },
  });
  onTestFinished(() => handle.cancel());
  await until(() => handle.progress().records > 100, 'some records');
  return handle;
}

/** Obstructs one phase of checkpoints; the function that it returns clears the way. */
export type Obstruct = (directory: string, handle: JobHandle, checkpointIds: readonly number[]) => () => void;

/** The asynchronous part fails: the sink cannot make durable what it prepared. */
export const partCannotBeWritten: Obstruct = (directory) => {
  writeFileSync(join(directory, 'persist-throws'), '');
  return () => rmSync(join(directory, 'persist-throws'));
};

/** Every part is durable, and the checkpoint cannot be published: a file has its name. */
export const manifestCannotBeWritten: Obstruct = (directory, { jobId }, checkpointIds) => {
  const files = checkpointIds.map((id) => join(directory, 'checkpoints', jobId, `chk-${id}`));
  mkdirSync(join(directory, 'checkpoints', jobId), { recursive: true });
  for (const file of files) writeFileSync(file, '');
  return () => files.forEach((file) => rmSync(file));
};
