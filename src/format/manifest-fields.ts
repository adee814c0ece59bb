/** What may stand in a manifest: every field with its type and bounds. The types are in `manifest.ts`. */
import { isStateDigest } from './digest.ts';
import { MAX_PARALLELISM_LIMIT } from './key-groups.ts';
import type { KeyedStateInfo, Manifest, OperatorInfo, StageInfo, SubtaskInfo, SubtaskStatistics, TableRef } from './manifest.ts';
import type { Validator } from './validate.ts';

const HASH_PATTERN = /^[0-9a-f]{32}$/;
const TIME_PATTERN = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$/;
const MAX_OPERATORS = 65536;
/** Tables of one subtask; compaction keeps about ten. */
const MAX_TABLES = 65536;
const MAX_LIST = 16 * 1024 * 1024;

/** @param value  the parsed first line, of format 1 */
export function manifestOf(check: Validator, value: unknown): Manifest {
  const root = check.fields(value, '', [
    'format',
    'kind',
    'savepointFormat',
    'jobId',
    'jobName',
    'checkpointId',
    'parent',
    'triggeredAt',
    'completedAt',
    'trigger',
    'incremental',
    'tidemarkVersion',
    'operators',
    'stages',
    'counters',
    'sizes',
    'durationMs',
    'config',
  ]);
  const sizes = check.fields(root.sizes, 'sizes', ['newBytes', 'referencedBytes', 'liveBytes', 'files']);
  const manifest: Manifest = {
    format: 1,
    kind: check.oneOf(root.kind, 'kind', ['checkpoint', 'savepoint']),
    savepointFormat: check.oneOf(root.savepointFormat, 'savepointFormat', ['canonical', 'native', null]),
    jobId: check.pattern(root.jobId, 'jobId', HASH_PATTERN, '32 hex digits'),
    jobName: check.text(root.jobName, 'jobName'),
    checkpointId: check.integer(root.checkpointId, 'checkpointId', 1),
    parent: check.nullable(root.parent, 'parent', (v, at) => parent(check, v, at)),
    triggeredAt: check.pattern(root.triggeredAt, 'triggeredAt', TIME_PATTERN, 'a time in ISO 8601'),
    completedAt: check.pattern(root.completedAt, 'completedAt', TIME_PATTERN, 'a time in ISO 8601'),
    trigger: check.oneOf(root.trigger, 'trigger', ['periodic', 'manual', 'savepoint', 'stop', 'final']),
    incremental: check.boolean(root.incremental, 'incremental'),
    tidemarkVersion: check.text(root.tidemarkVersion, 'tidemarkVersion', 256),
    operators: check.list(root.operators, 'operators', MAX_OPERATORS, (v, at) => operator(check, v, at)),
    stages: check.list(root.stages, 'stages', MAX_OPERATORS, (v, at) => stage(check, v, at)),
    counters: check.dictionary(root.counters, 'counters', (v, at) => check.amount(v, at)),
    sizes: {
      newBytes: check.integer(sizes.newBytes, 'sizes.newBytes'),
      referencedBytes: check.integer(sizes.referencedBytes, 'sizes.referencedBytes'),
      liveBytes: check.integer(sizes.liveBytes, 'sizes.liveBytes'),
      files: check.integer(sizes.files, 'sizes.files'),
    },
    durationMs: check.amount(root.durationMs, 'durationMs'),
    config: check.dictionary(root.config, 'config', (v) => check.json(v)),
  };
  if ((manifest.kind === 'savepoint') !== (manifest.savepointFormat !== null))
    check.fail('savepointFormat', `${manifest.savepointFormat} for a ${manifest.kind}`);
  checkAgreement(check, manifest);
  return manifest;
}

function parent(check: Validator, value: unknown, where: string): Manifest['parent'] {
  const { jobId, checkpointId } = check.fields(value, where, ['jobId', 'checkpointId']);
  return {
    jobId: check.pattern(jobId, `${where}.jobId`, HASH_PATTERN, '32 hex digits'),
    checkpointId: check.integer(checkpointId, `${where}.checkpointId`, 1),
  };
}

function operator(check: Validator, value: unknown, where: string): OperatorInfo {
  const fields = check.fields(value, where, ['uid', 'name', 'kind', 'maxParallelism', 'keyedStates']);
  return {
    uid: check.text(fields.uid, `${where}.uid`),
    name: check.text(fields.name, `${where}.name`),
    kind: check.text(fields.kind, `${where}.kind`),
    maxParallelism: check.integer(fields.maxParallelism, `${where}.maxParallelism`, 1, MAX_PARALLELISM_LIMIT),
    keyedStates: check.list(fields.keyedStates, `${where}.keyedStates`, MAX_OPERATORS, (v, at) => keyedState(check, v, at)),
  };
}

function keyedState(check: Validator, value: unknown, where: string): KeyedStateInfo {
  const fields = check.fields(value, where, ['name', 'kind', 'keyType', 'keySchema', 'schema', 'digest', 'entries']);
  const digest = check.text(fields.digest, `${where}.digest`);
  if (!isStateDigest(digest)) check.fail(`${where}.digest`, 'expected 32 hex digits');
  return {
    name: check.text(fields.name, `${where}.name`),
    kind: check.text(fields.kind, `${where}.kind`),
    keyType: check.text(fields.keyType, `${where}.keyType`),
    keySchema: check.nullable(fields.keySchema, `${where}.keySchema`, (v, at) => check.schema(v, at)),
    schema: check.nullable(fields.schema, `${where}.schema`, (v, at) => check.schema(v, at)),
    digest,
    entries: check.integer(fields.entries, `${where}.entries`),
  };
}

function stage(check: Validator, value: unknown, where: string): StageInfo {
  const fields = check.fields(value, where, ['operators', 'parallelism', 'maxParallelism', 'subtasks']);
  const maxParallelism = check.integer(fields.maxParallelism, `${where}.maxParallelism`, 1, MAX_PARALLELISM_LIMIT);
  const parallelism = check.integer(fields.parallelism, `${where}.parallelism`, 1, maxParallelism);
  const subtasks = check.list(fields.subtasks, `${where}.subtasks`, MAX_PARALLELISM_LIMIT, (v, at) =>
    subtask(check, v, at, maxParallelism),
  );
  if (subtasks.length !== parallelism)
    check.fail(`${where}.subtasks`, `${subtasks.length} subtasks at parallelism ${parallelism}`);
  subtasks.forEach((s, i) => {
    if (s.subtask !== i) check.fail(`${where}.subtasks[${i}].subtask`, `${s.subtask} stands in place ${i}`);
  });
  return {
    operators: check.list(fields.operators, `${where}.operators`, MAX_OPERATORS, (v, at) => check.text(v, at)),
    parallelism,
    maxParallelism,
    subtasks,
  };
}

function subtask(check: Validator, value: unknown, where: string, maxParallelism: number): SubtaskInfo {
  const fields = check.fields(value, where, [
    'subtask',
    'keyGroups',
    'finished',
    'tables',
    'operatorState',
    'committables',
    'statistics',
  ]);
  const jsonList = (v: unknown, at: string) => check.list(v, at, MAX_LIST, (element) => check.json(element));
  return {
    subtask: check.integer(fields.subtask, `${where}.subtask`, 0, MAX_PARALLELISM_LIMIT - 1),
    keyGroups: check.nullable(fields.keyGroups, `${where}.keyGroups`, (v, at) => {
      const range = check.fields(v, at, ['start', 'end']);
      // An empty range has its end below its start.
      return {
        start: check.integer(range.start, `${at}.start`, 0, maxParallelism),
        end: check.integer(range.end, `${at}.end`, -1, maxParallelism - 1),
      };
    }),
    finished: check.boolean(fields.finished, `${where}.finished`),
    tables: check.list(fields.tables, `${where}.tables`, MAX_TABLES, (v, at) => table(check, v, at)),
    operatorState: check.dictionary(fields.operatorState, `${where}.operatorState`, (v, at) => check.dictionary(v, at, jsonList)),
    committables: check.dictionary(fields.committables, `${where}.committables`, jsonList),
    statistics: statistics(check, fields.statistics, `${where}.statistics`),
  };
}

function table(check: Validator, value: unknown, where: string): TableRef {
  const clipped = Object.hasOwn(check.object(value, where), 'clip');
  const fields = check.fields(value, where, [
    'hash',
    'sizeBytes',
    'entries',
    'tombstones',
    'createdBy',
    ...(clipped ? (['clip'] as const) : []),
  ]);
  const entries = check.integer(fields.entries, `${where}.entries`, 1);
  return {
    hash: check.pattern(fields.hash, `${where}.hash`, HASH_PATTERN, '32 hex digits'),
    sizeBytes: check.integer(fields.sizeBytes, `${where}.sizeBytes`, 1),
    entries,
    tombstones: check.integer(fields.tombstones, `${where}.tombstones`, 0, entries),
    createdBy: check.integer(fields.createdBy, `${where}.createdBy`),
    ...(clipped && { clip: clip(check, (fields as { clip?: unknown }).clip, `${where}.clip`) }),
  };
}

function clip(check: Validator, value: unknown, where: string): readonly [number, number] {
  const hashes = check.list(value, where, 2, (v, at) => check.integer(v, at, 0, 0xffffffff));
  if (hashes.length !== 2 || hashes[0] > hashes[1]) check.fail(where, 'expected the first and the last key hash of a range');
  return [hashes[0], hashes[1]];
}

function statistics(check: Validator, value: unknown, where: string): SubtaskStatistics {
  const fields = check.fields(value, where, [
    'syncMs',
    'asyncMs',
    'alignmentMs',
    'startDelayMs',
    'newBytes',
    'liveBytes',
    'changedEntries',
  ]);
  return {
    syncMs: check.amount(fields.syncMs, `${where}.syncMs`),
    asyncMs: check.amount(fields.asyncMs, `${where}.asyncMs`),
    alignmentMs: check.amount(fields.alignmentMs, `${where}.alignmentMs`),
    startDelayMs: check.amount(fields.startDelayMs, `${where}.startDelayMs`),
    newBytes: check.integer(fields.newBytes, `${where}.newBytes`),
    liveBytes: check.integer(fields.liveBytes, `${where}.liveBytes`),
    changedEntries: check.integer(fields.changedEntries, `${where}.changedEntries`),
  };
}

/** Parts of one manifest must not contradict each other. */
function checkAgreement(check: Validator, manifest: Manifest): void {
  const uids = new Set<string>();
  manifest.operators.forEach(({ uid, keyedStates }, i) => {
    if (uids.has(uid)) check.fail(`operators[${i}].uid`, `the second operator ${JSON.stringify(uid)}`);
    uids.add(uid);
    const names = keyedStates.map((state) => state.name);
    if (new Set(names).size !== names.length) check.fail(`operators[${i}].keyedStates`, 'two states of one name');
  });
  const sizes = new Map<string, number>();
  manifest.stages.forEach((stageInfo, i) => {
    for (const uid of stageInfo.operators)
      if (!uids.has(uid)) check.fail(`stages[${i}].operators`, `no operator ${JSON.stringify(uid)}`);
    for (const subtaskInfo of stageInfo.subtasks) {
      for (const { hash, sizeBytes } of subtaskInfo.tables) {
        if ((sizes.get(hash) ?? sizeBytes) !== sizeBytes) check.fail(`stages[${i}]`, `table ${hash} with two sizes`);
        sizes.set(hash, sizeBytes);
      }
    }
  });
}
