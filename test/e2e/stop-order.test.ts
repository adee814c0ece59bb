/** The order of what happens when a job stops, as operators and sinks see it, and what follows when a sink cannot commit. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type JobHandle, run } from 'tidemark';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listCheckpoints } from '../support/checkpoint-reader.mjs';
import { makeDirectory, until } from '../support/cli.ts';
import { manifestAt } from '../support/standing-job.ts';

/** Two operators and a sink that write a line for whatever they are told. A file `refuse` beside the log lets commits fail. */
const JOB = `
  import { appendFileSync, existsSync, readdirSync } from 'node:fs';
  import { generate, job, t } from 'tidemark';
  export default job('told', (flow, [directory]) => {
    const log = (...words) => appendFileSync(directory + '/log', words.join(' ') + '\\n');
    const savepoints = () => readdirSync(directory + '/savepoints').filter((name) => !name.startsWith('.')).length;
    const told = (name) => ({
      state: {},
      onRecord(record, { emit }) { emit(record); },
      onEnd({ subtask }) { log('end', name, subtask); },
    });
    const sink = {
      name: 'told',
      open: ({ subtask }) => {
        let records = [];
        return {
          write(record) { records.push(record.n); },
          prepare(id) {
            log('prepare', id, subtask);
            const committable = { id, subtask, records };
            records = [];
            return committable;
          },
          close() {},
        };
      },
      persist({ id, subtask }) { log('persist', id, subtask); },
      commit({ id, subtask, records }) {
        if (existsSync(directory + '/refuse')) throw new Error('not now');
        log('commit', id, subtask, savepoints(), records.join());
      },
      recover(committables) { for (const committable of committables) this.commit(committable); },
    };
    const Tick = t.record({ n: t.int });
    flow
      .from(generate({ count: Infinity, ratePerSecond: 2000, schema: Tick, make: (n) => ({ n }) }))
      .process(told('first')).returns(Tick).uid('first')
      .rebalance()
      .process(told('second')).returns(Tick).uid('second')
      .to(sink);
  });
`;

async function start(directory: string): Promise<JobHandle> {
  const handle = await run(pathToFileURL(join(directory, 'job.mjs')), {
    parallelism: 2,
    threads: 2,
    args: [directory],
    config: {
      'state.checkpoints.dir': join(directory, 'checkpoints'),
      'state.savepoints.dir': join(directory, 'savepoints'),
      'execution.checkpointing.interval': '1 h',
      'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.delay': '1 ms',
    },
  });
  onTestFinished(() => handle.cancel());
  await until(() => handle.progress().records > 200, 'some records');
  return handle;
}

/**
 * Two sources, of which each is read by one free operator, joined behind an exchange by key, and three branches to sinks. Each operator
 * writes a line for what it is told, but of its records only the last before the barrier counts.
 */
const GRAPH = `
  import { appendFileSync } from 'node:fs';
  import { generate, job, t, value } from 'tidemark';
  export default job('graph', (flow, [directory]) => {
    const log = (...words) => appendFileSync(directory + '/log', words.join(' ') + '\\n');
    const Tick = t.record({ n: t.int });
    const told = (name, state, atEnd) => {
      let own = name;
      return {
        state,
        onOpen({ subtask }) { own = name + '/' + subtask; },
        onRecord(record, { state, emit }) { log('record', own); state.seen?.set(record.n); emit(record); },
        onEnd(context) {
          log('end', own);
          atEnd?.(context);
        },
        onCheckpoint: ({ checkpointId, status }) => log(status, own, checkpointId),
      };
    };
    const sink = (name) => ({
      name,
      open({ subtask }) {
        const own = name + '/' + subtask;
        return {
          write() { log('record', own); },
          prepare(id) { log('prepare', own, id); return { own, id }; },
          onCheckpoint: ({ checkpointId, status }) => log(status, own, checkpointId),
          close() { log('close', own); },
        };
      },
      commit({ own, id }) { log('commit', own, id); },
    });
    const source = (name) =>
      flow
        .from(generate({ count: Infinity, ratePerSecond: 1000, schema: Tick, make: (n) => ({ n: n % 50 }) }))
        .process(told(name, {}))
        .returns(Tick)
        .uid(name);
    const joined = source('left').union(source('right')).keyBy('n').process(told('keyed', { seen: value(t.int, 0) })).returns(Tick).uid('keyed');
    joined.to(sink('first'));
    joined.rebalance().process(told('free', {}, ({ emit }) => emit({ n: -1 }))).returns(Tick).uid('free').to(sink('second'));
    joined.keyBy('n').reduce((a) => a).to(sink('third'));
  });
`;

interface Line {
  readonly what: string;
  readonly id: string;
  readonly subtask: string;
  readonly savepoints: string;
  readonly records: readonly number[];
}

function linesOf(directory: string): Line[] {
  const lines = readFileSync(join(directory, 'log'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [what, id, subtask, savepoints = '', records = ''] = line.split(' ');
    return { what, id, subtask, savepoints, records: records === '' ? [] : records.split(',').map(Number) };
  });
}

/** Committed is what the savepoint counts; a part that was committed again counts once, for sinks are idempotent. */
function expectEachOnce(directory: string, savepoint: string): void {
  const commits = linesOf(directory).filter(({ what }) => what === 'commit');
  const parts = new Map(commits.map((line) => [`${line.id}/${line.subtask}`, line.records]));
  const records = [...parts.values()].flat();
  expect(records).toHaveLength(manifestAt(savepoint).counters['records']);
  expect(new Set(records).size).toBe(records.length);
}

describe('stop', () => {
  it.for([false, true])(
    'drain %s: end of input, then the barrier in every subtask, then the savepoint, then the commits',
    async (drain) => {
      const directory = makeDirectory({ 'job.mjs': JOB });
      const handle = await start(directory);
      const { checkpointId, path } = (await handle.stop({ drain })) as { checkpointId: number; path: string };
      const lines = linesOf(directory);
      const ends = drain ? 4 : 0;
      expect(lines.slice(0, ends).map(({ what, id }) => `${what} ${id}`)).toEqual(
        ['first', 'first', 'second', 'second'].map((name) => `end ${name}`).slice(0, ends),
      );
      // A subtask may pass the barrier when another is durable already.
      expect(
        lines
          .slice(ends, -2)
          .map(({ what }) => what)
          .toSorted(),
      ).toEqual(['persist', 'persist', 'prepare', 'prepare']);
      expect(lines.slice(-2).map(({ what }) => what)).toEqual(['commit', 'commit']);
      const phase = (what: string): Line[] => lines.filter((line) => line.what === what);
      // All on the same barrier, each subtask once.
      for (const what of ['prepare', 'persist', 'commit']) {
        expect(phase(what).map(({ id }) => id)).toEqual([String(checkpointId), String(checkpointId)]);
        expect(new Set(phase(what).map(({ subtask }) => subtask)).size).toBe(2);
      }
      expect(phase('commit').map(({ savepoints }) => savepoints)).toEqual(['1', '1']);
      expectEachOnce(directory, path);
    },
  );

  it('when a sink cannot commit after the savepoint is durable: the job goes on from the same barrier, nothing twice', async () => {
    const directory = makeDirectory({ 'job.mjs': JOB, refuse: '' });
    const handle = await start(directory);
    const restored: number[] = [];
    handle.on('restored', ({ checkpointId }) => restored.push(checkpointId));
    const failure = await handle.stop().catch((error: unknown) => error);
    const [name] = readdirSync(join(directory, 'savepoints'));
    expect(failure).toMatchObject({ code: 'ERR_SAVEPOINT_FAILED', message: expect.stringContaining(name) });
    rmSync(join(directory, 'refuse'));
    await until(() => restored.length > 0 && handle.state === 'running', 'restarted');
    const { checkpointId } = manifestAt(join(directory, 'savepoints', name));
    expect(restored).toEqual([checkpointId]);
    expect(listCheckpoints(join(directory, 'checkpoints')).map((found) => found.checkpointId)).toEqual([checkpointId]);
    const { path } = (await handle.stop()) as { path: string };
    expectEachOnce(directory, path);
    expect(existsSync(join(directory, 'savepoints', name, '_metadata'))).toBe(true);
  });

  it.for([false, true])(
    'drain %s, in a graph of two sources and three branches: each part ends, passes the barrier, and is told, in this order',
    async (drain) => {
      const directory = makeDirectory({ 'job.mjs': GRAPH });
      const handle = await start(directory);
      const { checkpointId } = (await handle.stop({ drain })) as { checkpointId: number };
      const lines = readFileSync(join(directory, 'log'), 'utf8').trimEnd().split('\n');
      const parts = new Map<string, string[]>();
      for (const line of lines) {
        const [what, own, argument = ''] = line.split(' ');
        const told = parts.get(own) ?? [];
        // Of records the last of a run counts.
        if (what !== 'record' || told.at(-1) !== 'record') told.push(argument === '' ? what : `${what} ${argument}`);
        parts.set(own, told);
      }
      const operators = ['left', 'right', 'keyed', 'free'];
      const sinks = ['first', 'second', 'third'];
      expect([...parts.keys()].toSorted()).toEqual(
        [...operators, ...sinks].flatMap((name) => [`${name}/0`, `${name}/1`]).toSorted(),
      );
      for (const [own, told] of parts) {
        const [name] = own.split('/');
        const after = told.slice(told.lastIndexOf('record') + 1);
        if (operators.includes(name)) {
          // A keyed operator is told of the end once for each key.
          const ended = after.filter((what) => what.startsWith('end'));
          if (drain && name !== 'keyed') expect(ended, own).toHaveLength(1);
          expect(ended.length > 0, own).toBe(drain);
          expect(after.slice(ended.length), own).toEqual([`completed ${checkpointId}`]);
        } else {
          expect(after, own).toEqual([`prepare ${checkpointId}`, `commit ${checkpointId}`, `completed ${checkpointId}`, 'close']);
        }
      }
      // Whoever is upstream has ended before what is behind it.
      const lastEnd = (name: string): number => lines.findLastIndex((line) => line.startsWith(`end ${name}/`));
      const firstEnd = (name: string): number => lines.findIndex((line) => line.startsWith(`end ${name}/`));
      if (drain) {
        expect(Math.max(lastEnd('left'), lastEnd('right'))).toBeLessThan(firstEnd('keyed'));
        expect(lastEnd('keyed')).toBeLessThan(firstEnd('free'));
        expect(lastEnd('free')).toBeLessThan(lines.findIndex((line) => line.startsWith('prepare')));
      }
    },
  );
});
