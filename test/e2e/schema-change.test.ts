/** A job whose state has another schema than in the checkpoint: migrated where that can be done, else refused before anything runs. */
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Preflight } from '../../src/main/preflight.ts';
import { makeDirectory, runCli } from '../support/cli.ts';
import { digestsOf, listCheckpoints, readManifest } from '../support/checkpoint-reader.mjs';
import { finishedRuns } from '../support/finished-run.ts';

const CHECKPOINTED = [
  '-D',
  'state.checkpoints.dir=chk',
  '-D',
  'execution.checkpointing.interval=1 h',
  '-D',
  'execution.checkpointing.externalized-checkpoint-retention=RETAIN_ALWAYS',
];

/**
 * Per user the last visit, all visits, visits by page, and their sum, with values of type `V`; at the end they are written. The
 * first argument says how many of 3,000 visits there are.
 */
const job = (fields: string, value: string): string => `
  import { appendFileSync } from 'node:fs';
  import { isMainThread } from 'node:worker_threads';
  import { files, generate, job, list, map, reducing, t, value } from 'tidemark';
  if (!isMainThread) appendFileSync('workers', '.');
  const V = t.record(${fields});
  const make = (ms) => (${value});
  export default job('visits', (flow, [count = '3000']) =>
    flow
      .from(generate({ count: Number(count), schema: t.record({ i: t.i32, user: t.string }), make: (i) => ({ i, user: 'user-' + (i % 3) }) }))
      .keyBy('user')
      .process({
        state: { last: value(V, make(0)), all: list(V), pages: map(t.i32, V), sum: reducing(V, (a, b) => make(a.ms + b.ms)) },
        onRecord({ i }, { state }) {
          state.last.set(make(i));
          state.all.add(make(i));
          state.pages.set(i % 50, make(i));
          state.sum.add(make(i));
        },
        onEnd({ key, state, emit }) {
          emit({ key, last: state.last.get(), all: state.all.get(), pages: [...state.pages.entries()], sum: state.sum.get() });
        },
      })
      .uid('visits')
      .to(files.jsonl('out')),
  );
`;

const FIRST = job('{ ms: t.i32, note: t.string }', "{ ms, note: 'n' }");
const WIDER = job("{ ms: t.f64, level: t.withDefault(t.enum('low', 'high'), 'low') }", "{ ms, level: 'low' }");

/** Per user the visits, the different pages, and the two longest visits. */
const aggregateJob = (page: string, fields: string, value: string): string => `
  import { appendFileSync } from 'node:fs';
  import { isMainThread } from 'node:worker_threads';
  import { count, distinct, files, generate, job, t, topN } from 'tidemark';
  if (!isMainThread) appendFileSync('workers', '.');
  const Visit = t.record({ user: t.string, page: ${page}, ${fields} });
  const make = (i) => ({ user: 'user-' + (i % 3), ${value} });
  export default job('pages', (flow) =>
    flow
      .from(generate({ count: 3000, schema: Visit, make }))
      .keyBy('user')
      .aggregate({ visits: count(), pages: distinct('page'), longest: topN(2, 'ms') })
      .uid('pages')
      .to(files.jsonl('out')),
  );
`;

const COUNTED = aggregateJob('t.i32', 'ms: t.i32, note: t.string', "page: (i * 7) % 200, ms: i % 1000, note: 'n'");
const COUNTED_WIDER = aggregateJob(
  't.optional(t.int)',
  "ms: t.f64, level: t.withDefault(t.enum('low', 'high'), 'low')",
  "page: (i * 7) % 200, ms: i % 1000, level: 'low'",
);

/** A directory with a finished run of the first version, and its last checkpoint. */
const finishedRun = finishedRuns(CHECKPOINTED);

describe('a job whose state has another schema than in the checkpoint', () => {
  it.each([
    ['values, lists and maps', FIRST, WIDER, ['visits/all', 'visits/last', 'visits/pages', 'visits/sum']],
    [
      'map keys',
      FIRST,
      FIRST.replace('map(t.i32, V)', 'map(t.f64, V)'),
      ['visits/all', 'visits/last', 'visits/pages', 'visits/sum'],
    ],
    ['distinct and topN', COUNTED, COUNTED_WIDER, ['pages/accumulator', 'pages/distinct(page)', 'pages/topN(longest)']],
  ])(
    'is migrated, state by state: %s have the digests of a run that always had the new schema, and plan says so before',
    async (_, first, second, states) => {
      const { directory, checkpoint } = await finishedRun(first);
      writeFileSync(join(directory, 'job.mjs'), second);
      const plan = await runCli(directory, ['plan', '--json', '--from', checkpoint, 'job.mjs']);
      expect(plan.code, plan.stderr).toBe(0);
      const outcomes = (plan.json() as unknown as Preflight).operators.flatMap((operator) => operator.states);
      expect(outcomes.filter(({ outcome }) => outcome === 'migrated').length).toBeGreaterThan(0);
      const restored = await runCli(directory, ['run', '--json', '-p', '3', '-s', checkpoint, ...CHECKPOINTED, 'job.mjs']);
      expect(restored.code, restored.stderr).toBe(0);

      const fresh = makeDirectory({ 'job.mjs': second });
      const whole = await runCli(fresh, ['run', '--json', '-p', '1', ...CHECKPOINTED, 'job.mjs']);
      expect(whole.code, whole.stderr).toBe(0);
      const digests = [restored, whole].map((run) =>
        digestsOf(readManifest(join(run.json()['lastCheckpoint'] as string, '_metadata'))),
      );
      expect(Object.keys(digests[0]).sort()).toEqual(states);
      expect(digests[0]).toEqual(digests[1]);
      expect(listCheckpoints(join(directory, 'chk'))).toHaveLength(2);
    },
  );

  it.each([
    [
      'a field that narrows',
      FIRST.replace('ms: t.i32', 'ms: t.string').replaceAll('{ ms, note', '{ ms: String(ms), note'),
      /Field 'ms' of state 'last' of operator 'visits' .*was i32 and is string/,
    ],
    [
      'a field without a default',
      FIRST.replace('note: t.string', 'note: t.string, n: t.i32').replace("note: 'n'", "note: 'n', n: 1"),
      /Field 'n' of state 'last' of operator 'visits' .*new, of type i32, and has no default/,
    ],
    [
      'another kind of state',
      FIRST.replace('last: value(V, make(0))', 'last: list(V)').replace('last.set(', 'last.add('),
      /State 'last' of operator 'visits' .*it is a list state, and was a value state/,
    ],
    [
      'keys of a map',
      FIRST.replace('map(t.i32, V)', 'map(t.string, V)').replaceAll('i % 50', 'String(i % 50)'),
      /The value of the map keys of state 'pages' of operator 'visits' .*was i32 and is string.*another name/,
    ],
    [
      'another key',
      FIRST.replace(".keyBy('user')", ".keyBy('i')"),
      /State 'last' of operator 'visits' .*its key is i32, and was string/,
    ],
    [
      'the field of a distinct',
      COUNTED.replace('page: t.i32', 'page: t.string').replace('page: (i * 7) % 200', 'page: String(i)'),
      /Field 'page' of state 'distinct\(page\)' of operator 'pages' .*was i32 and is string.* Give the operator another uid and start with -n/,
      COUNTED,
    ],
    [
      'a field of the records of a topN',
      COUNTED.replace('note: t.string', 'note: t.i32').replace("note: 'n'", 'note: 1'),
      /Field 'note' of state 'topN\(longest\)' of operator 'pages' .*was string and is i32.* Give the operator another uid and start with -n/,
      COUNTED,
    ],
  ])('is refused before any worker runs, and by plan: %s', async (_, text, message, first = FIRST) => {
    const { directory, checkpoint } = await finishedRun(first);
    writeFileSync(join(directory, 'job.mjs'), text);
    const plan = await runCli(directory, ['plan', '--json', '--from', checkpoint, 'job.mjs']);
    expect(plan.code, plan.stderr).toBe(3);
    const { problems } = plan.json() as unknown as Preflight;
    expect(problems.map((problem) => problem.message)).toContainEqual(expect.stringMatching(message));
    rmSync(join(directory, 'workers'));
    const refused = await runCli(directory, ['run', '--json', '-s', checkpoint, ...CHECKPOINTED, 'job.mjs']);
    expect(refused.stderr).toMatch(message);
    expect(refused.code).toBe(3);
    expect(refused.json()).toMatchObject({ status: 'failed', restarts: 0, error: { code: 'ERR_STATE_INCOMPATIBLE' } });
    expect(existsSync(join(directory, 'workers'))).toBe(false);
    // The checkpoint is as it was, and nothing of the refused job is left.
    expect(readdirSync(join(directory, 'chk'))).toHaveLength(1);
  });
});
