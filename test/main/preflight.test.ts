import { describe, expect, test } from 'vitest';
import type { KeyedStateInfo, Manifest } from '../../src/format/manifest.ts';
import type { JobGraph } from '../../src/job/graph.ts';
import { collection, discard } from '../../src/job/collections.ts';
import { count, distinct, topN } from '../../src/job/built-ins.ts';
import { job } from '../../src/job/job.ts';
import { map, type StateDescriptor, value } from '../../src/job/state.ts';
import * as t from '../../src/job/types.ts';
import { planJob } from '../../src/main/plan.ts';
import { preflight } from '../../src/main/preflight.ts';
import { declaredStates } from '../../src/job/keyed-states.ts';
import { recordedMaxParallelism } from '../../src/main/restore-plan.ts';
import { manifestOf } from '../snapshot/job-tools.ts';

const Visit = t.record({ user: t.string, ms: t.i32 });

type States = Readonly<Record<string, StateDescriptor<unknown>>>;

/** A job with one process operator `time`, whose states differ from version to version. */
function version(state: States): JobGraph {
  return job('visits', (flow) =>
    flow
      .from(collection([{ user: 'a', ms: 1 }], Visit))
      .keyBy('user')
      .process({ state, onRecord: () => undefined })
      .uid('time')
      .to(discard())
      .uid('out'),
  );
}

function stateInfo(name: string, changed: Partial<KeyedStateInfo> = {}): KeyedStateInfo {
  return {
    name,
    kind: 'value',
    keyType: 'string',
    keySchema: null,
    schema: { type: 'i32' },
    digest: '0'.repeat(32),
    entries: 5,
    ...changed,
  };
}

const TABLE = { hash: 'a'.repeat(32), sizeBytes: 1000, entries: 5, tombstones: 0, createdBy: 1 };

function checkpointWith(states: readonly KeyedStateInfo[], uid = 'time'): Manifest {
  const base = manifestOf(7, [TABLE], new Map());
  return {
    ...base,
    operators: [{ uid, name: 'time', kind: 'process', maxParallelism: 128, keyedStates: states }],
    stages: [{ ...base.stages[0], operators: [uid], subtasks: [{ ...base.stages[0].subtasks[0], operatorState: {} }] }],
  };
}

function ask(graph: JobGraph, manifest: Manifest, options: { allow?: boolean; maxParallelism?: number } = {}) {
  const plan = planJob(graph, {
    parallelism: 4,
    maxParallelism: options.maxParallelism,
    recordedMaxParallelism: recordedMaxParallelism(manifest),
    slotBytes: 65536,
  });
  return preflight(graph, plan, manifest, {
    allowNonRestoredState: options.allow === true,
    maxParallelism: options.maxParallelism,
    path: '/chk-7',
  });
}

describe('preflight', () => {
  test('states are the same, migrated, new or dropped, and what is read is summed up', () => {
    const graph = version({ total: value(t.f64), seen: map(t.string, t.i32), fresh: value(t.string) });
    const manifest = checkpointWith([
      stateInfo('total'),
      stateInfo('seen', { kind: 'map', keySchema: { type: 'string' } }),
      stateInfo('old'),
    ]);
    expect(ask(graph, manifest).problems).toMatchObject([{ code: 'ERR_STATE_UNMATCHED' }]);
    const answer = ask(graph, manifest, { allow: true });
    expect(answer).toMatchObject({ ok: true, problems: [], restore: { tables: 1, bytes: 1000, entries: 10 } });
    const time = answer.operators.find(({ uid }) => uid === 'time');
    expect(time).toMatchObject({ outcome: 'matched', parallelism: [1, 4], maxParallelism: [128, 128] });
    expect(time?.states.map(({ name, outcome }) => `${name} ${outcome}`)).toEqual([
      'total migrated',
      'seen same',
      'fresh new',
      'old dropped',
    ]);
  });

  test.each<[string, Partial<KeyedStateInfo>]>([
    ['a schema that narrows', { schema: { type: 'f64' } }],
    ['another kind', { kind: 'list' }],
    ['another type of key', { keyType: '(string, i32)' }],
  ])('what cannot be migrated is a problem before the job starts: %s', (_, changed) => {
    const answer = ask(version({ total: value(t.i32) }), checkpointWith([stateInfo('total', changed)]));
    expect(answer.ok).toBe(false);
    expect(answer.problems).toMatchObject([{ code: 'ERR_STATE_INCOMPATIBLE', message: expect.stringContaining("'total'") }]);
    expect(answer.operators.flatMap(({ states }) => states)).toMatchObject([{ outcome: 'incompatible' }]);
  });

  test('state without an operator is a problem unless it may be dropped', () => {
    const manifest = checkpointWith([stateInfo('total')], 'former');
    expect(ask(version({ total: value(t.i32) }), manifest).problems).toMatchObject([{ code: 'ERR_STATE_UNMATCHED' }]);
    const allowed = ask(version({ total: value(t.i32) }), manifest, { allow: true });
    expect(allowed).toMatchObject({ ok: true, restore: { entries: 0 } });
    expect(allowed.operators.map(({ uid, outcome }) => `${uid} ${outcome}`)).toContain('former dropped');
    expect(allowed.operators.map(({ uid, outcome }) => `${uid} ${outcome}`)).toContain('time new');
  });

  test('another maximum parallelism is a problem', () => {
    const answer = ask(version({ total: value(t.i32) }), checkpointWith([stateInfo('total')]), { maxParallelism: 64 });
    expect(answer.problems).toMatchObject([{ code: 'ERR_MAX_PARALLELISM' }]);
  });
});

test('declared states: those of built-in aggregates are known from the graph', () => {
  const graph = job('visits', (flow) =>
    flow
      .from(collection([{ user: 'a', ms: 1 }], Visit))
      .keyBy('user')
      .aggregate({ n: count(), times: distinct('ms'), top: topN(3, 'ms') })
      .to(discard()),
  );
  const aggregate = graph.nodes.find(({ kind }) => kind === 'aggregate');
  const states = declaredStates(aggregate!, { kind: 'fields', fields: ['user'] }, Visit.schema);
  expect(states.map(({ name, kind, keyType }) => `${name} ${kind} ${keyType}`)).toEqual([
    'accumulator value string',
    'distinct(ms) distinct string',
    'topN(top) topN string',
  ]);
});
