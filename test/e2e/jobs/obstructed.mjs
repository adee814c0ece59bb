/**
 * A counting job whose checkpoints are obstructed by files in its directory: `persist-throws`, `persist-exits`, `prepare-hangs`,
 * `prepare-breaks` (returns what is no JSON), and `operator-throws`, which is removed as it does so. Operators and the sink write a
 * line into `log` for each checkpoint that they are told of, and whether it is there by then; the sink writes into `sink-log` what it
 * has made durable and committed. Arguments: directory, records, records per second.
 */
import { appendFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { generate, job, map, t, value } from 'tidemark';

const Tick = t.record({ n: t.int, key: t.i32 });

export default job('obstructed', (flow, [directory, count, ratePerSecond]) => {
  const isThere = (name) => existsSync(join(directory, name));
  const isPublished = (id) =>
    readdirSync(join(directory, 'checkpoints')).some((jobId) => isThere(`checkpoints/${jobId}/chk-${id}/_metadata`));
  const listener = (name) => {
    let opened = 0;
    return {
      onOpen: () => (opened = Math.random()),
      onCheckpoint: ({ checkpointId, status }) =>
        appendFileSync(
          join(directory, 'log'),
          `${name}${opened} ${status} ${checkpointId} ${isPublished(checkpointId) ? 'published' : 'absent'}\n`,
        ),
    };
  };
  flow
    .from(
      generate({
        count: Number(count),
        ratePerSecond: Number(ratePerSecond),
        schema: Tick,
        make: (n) => ({ n, key: n % 10 }),
      }),
    )
    .process({ ...listener('free'), onRecord: (record, { emit }) => emit(record) })
    .returns(Tick)
    .keyBy('key')
    .process({
      ...listener('keyed'),
      state: { records: value(t.int, 0), byDigit: map(t.i32, t.int) },
      onRecord(record, { state, emit }) {
        if (record.n % 10 === 0 && isThere('operator-throws')) {
          rmSync(join(directory, 'operator-throws'));
          throw new Error('on purpose');
        }
        state.records.update((n) => n + 1);
        state.byDigit.set(record.n % 7, (state.byDigit.get(record.n % 7) ?? 0) + 1);
        emit(record);
      },
    })
    .uid('counts')
    .to({
      name: 'obstructed',
      open({ subtask }) {
        const { onOpen, onCheckpoint } = listener('sink');
        onOpen();
        return {
          onCheckpoint,
          write() {},
          prepare(id) {
            if (isThere('prepare-hangs')) for (;;);
            return isThere('prepare-breaks') ? () => id : { id, subtask };
          },
          close() {},
        };
      },
      persist({ id, subtask }) {
        if (isThere('persist-exits')) process.exit(9);
        if (isThere('persist-throws')) throw new Error('no space');
        appendFileSync(join(directory, 'sink-log'), `persisted ${id} of ${subtask}\n`);
      },
      commit({ id, subtask }) {
        appendFileSync(join(directory, 'sink-log'), `committed ${id} of ${subtask}\n`);
      },
    });
});
