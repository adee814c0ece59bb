/** Periodic checkpoints while sources read a backlog. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JobHandle } from 'tidemark';
import { expect, it } from 'vitest';
import { makeDirectory, until } from '../support/cli.ts';
import { startStanding } from '../support/standing-job.ts';

/** Two splits, each of which reads a backlog until its file is there. */
function writeJob(directory: string): string {
  const file = join(directory, 'job.mjs');
  writeFileSync(
    file,
    `
import { existsSync } from 'node:fs';
import { count, discard, job } from 'tidemark';
const caughtUp = (split) => ${JSON.stringify(join(directory, 'caught-up-'))} + split;
const source = {
  name: 'late',
  bounded: false,
  splits: () => [0, 1].map((split) => ({ id: 'split-' + split, data: split })),
  open(split, position) {
    let next = position ?? 0;
    return {
      read(limit, out) {
        out.emit({ key: 'key ' + split.data });
        next++;
        return 2;
      },
      position: () => next,
      backlog: () => !existsSync(caughtUp(split.data)),
      close() {},
    };
  },
};
export default job('late', (flow) => {
  flow.from(source).uid('in').keyBy('key').aggregate({ n: count() }).uid('counts').to(discard());
});
`,
  );
  return file;
}

/** Each split is read so many times more, far longer than the interval. */
async function readMore(handle: JobHandle): Promise<void> {
  const from = handle.progress().records;
  await until(() => handle.progress().records > from + 400, 'records');
}

it.each([
  ['none', '0'],
  ['a longer interval', '1 h'],
])('while one source reads a backlog there is %s, and when all have caught up the usual one', async (_, during) => {
  const directory = makeDirectory();
  const handle = await startStanding(writeJob(directory), {
    directory,
    config: {
      'execution.checkpointing.interval': '100 ms',
      'execution.checkpointing.interval-during-backlog': during,
    },
  });
  const completed: number[] = [];
  handle.on('checkpoint', ({ checkpointId }) => completed.push(checkpointId));
  // One that was due when the backlog began may come.
  await readMore(handle);
  const first = await handle.checkpoint();
  await readMore(handle);
  const second = await handle.checkpoint();
  expect(second.checkpointId).toBe(first.checkpointId + 1);
  writeFileSync(join(directory, 'caught-up-0'), '');
  await readMore(handle);
  const third = await handle.checkpoint();
  expect(third.checkpointId).toBe(second.checkpointId + 1);
  writeFileSync(join(directory, 'caught-up-1'), '');
  await until(() => (completed.at(-1) ?? 0) >= third.checkpointId + 3, 'periodic checkpoints');
  await handle.cancel();
});
