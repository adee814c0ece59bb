/**
 * Jobs whose input does not end: they read all there is of four splits and then stand still, so that their state can be compared.
 * Versions of one differ in their graph.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type JobHandle, run, type RunOptions } from 'tidemark';
import { onTestFinished } from 'vitest';
import type { Manifest } from '../../src/format/manifest.ts';
import { readManifest } from './checkpoint-reader.mjs';
import { until } from './cli.ts';

const RECORDS_OF_A_SPLIT = 250;
export const RECORDS = 4 * RECORDS_OF_A_SPLIT;

/**
 * @param graph    operators behind `records`, a stream of `{ key, n }`
 * @param pauseMs  between two records of a split
 */
export function writeJob(directory: string, file: string, graph: string, pauseMs = 0): string {
  const path = join(directory, file);
  writeFileSync(
    path,
    `
import { count, discard, job, list, map, operatorList, sum, t, value } from 'tidemark';
const Count = t.record({ key: t.string, n: t.int });
const standing = {
  name: 'standing',
  bounded: false,
  splits: () => [0, 1, 2, 3].map((split) => ({ id: 'split-' + split, data: split })),
  open(split, position) {
    let next = position ?? 0;
    return {
      read(limit, out) {
        const end = ${pauseMs > 0 ? 'Math.min(next + 1, ' : '('}${RECORDS_OF_A_SPLIT});
        for (; next < end && !out.full; next++) out.emit({ key: 'key ' + split.data + ' ' + (next % 20), n: next });
        return next === ${RECORDS_OF_A_SPLIT} ? 60_000 : ${pauseMs > 0 ? pauseMs : "'more'"};
      },
      position: () => next,
      close() {},
    };
  },
};
export default job('standing', (flow) => {
  const records = flow.from(standing).returns(Count).uid('in');
  ${graph}
});
`,
  );
  return path;
}

export interface StandingOptions extends RunOptions {
  readonly directory: string;
}

/** Starts one and waits until it stands still. */
export async function startStill(file: string, options: StandingOptions): Promise<JobHandle> {
  const handle = await startStanding(file, options);
  await Promise.race([handle.done, standingStill(handle)]);
  return handle;
}

export function standingStill(handle: JobHandle): Promise<void> {
  return until(() => handle.state === 'running' && handle.progress().records >= RECORDS, 'all records');
}

export async function startStanding(file: string, { directory, config, ...options }: StandingOptions): Promise<JobHandle> {
  const handle = await run(pathToFileURL(file), {
    parallelism: 2,
    // What is compared is the state of subtasks: threads would only cost time, a tenth of a second for each attempt.
    threads: 1,
    ...options,
    config: {
      'state.checkpoints.dir': join(directory, 'checkpoints'),
      'state.savepoints.dir': join(directory, 'savepoints'),
      'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
      ...config,
    },
  });
  onTestFinished(() => handle.cancel());
  return handle;
}

export function manifestAt(path: string): Manifest {
  return readManifest(join(path, '_metadata')) as Manifest;
}

/** Every file of the checkpoints or savepoints in a directory, with its content. The history beside them is not a part of them. */
export function treeHash(directory: string): string {
  const hash = createHash('sha256');
  for (const name of (readdirSync(directory, { recursive: true }) as string[]).toSorted()) {
    if (name.startsWith('catalog')) continue;
    hash.update(`${name}\0`);
    if (statSync(join(directory, name)).isFile()) hash.update(readFileSync(join(directory, name)));
  }
  return hash.digest('hex');
}
