/** Memory that a job's state gives back, of versions that were replaced. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type JobHandle, run } from 'tidemark';
import { expect, it, onTestFinished } from 'vitest';
import { makeDirectory, until } from '../support/cli.ts';
import { projectRoot } from '../support/sources.ts';

const JOB = pathToFileURL(join(projectRoot, 'test/e2e/jobs/bursts.mjs'));
const KEYS = 100_000;
const BURSTS = 20;
const BURST_KEYS = 20_000;
const PAUSE_MS = 40;
/** A key and a value of 8 bytes each, and a header of 16. */
const LIVE_BYTES = KEYS * 32;

function stateBytes(handle: JobHandle): number {
  return handle.progress().stages.reduce((sum, stage) => sum + stage.stateBytes, 0);
}

it('a job that has nothing to do gives back what its state does not need', async () => {
  const handle = await run(JOB, {
    parallelism: 2,
    threads: 2,
    args: [KEYS, BURSTS, BURST_KEYS, PAUSE_MS].map(String),
    config: {
      'execution.checkpointing.dir': join(makeDirectory(), 'checkpoints'),
      'execution.checkpointing.interval': '20 ms',
      'restart-strategy.type': 'none',
    },
  });
  onTestFinished(() => handle.cancel());
  let most = 0;
  await until(() => {
    most = Math.max(most, stateBytes(handle));
    return handle.progress().records === KEYS + BURSTS * BURST_KEYS;
  }, 'all records');
  expect(most).toBeGreaterThan(LIVE_BYTES * 1.4);
  await until(() => stateBytes(handle) < LIVE_BYTES * 1.4, 'little more than the entries');
});
