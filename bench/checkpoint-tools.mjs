/**
 * What do get, diff and verify cost on a checkpoint of 1 GB? Two subtasks with entries of (8 B, 8 B), and the checkpoint after it, in which 1 %
 * of them changed. Run: `npm run bench checkpoint-tools` (`-- --mb 100` for a small one, whose figures say nothing about the targets; `-- --json`).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { StateDigest } from '../dist/format/digest.js';
import { hashKeyOfTwoWords } from '../dist/format/hash.js';
import { hashRangeOf, keyGroupRange } from '../dist/format/key-groups.js';
import { Memory } from '../dist/format/memory.js';
import { verifyInParallel } from '../dist/main/verify-in-parallel.js';
import { diffCheckpoints } from '../dist/snapshot/diff.js';
import { realFs } from '../dist/snapshot/fs-port.js';
import { getEntry } from '../dist/snapshot/get.js';
import { sharedDirectory } from '../dist/snapshot/paths.js';
import { prepareJobDirectory, publishCheckpoint } from '../dist/snapshot/publish.js';
import { writeTable } from '../dist/snapshot/table-file.js';

const { values: options } = parseArgs({
  options: { mb: { type: 'string', default: '1024' }, json: { type: 'boolean', default: false } },
});

const JOB_ID = '0'.repeat(32);
const MAX_PARALLELISM = 128;
const SUBTASKS = 2;
/** Of a table, for an entry: hash, key, value. */
const ENTRY_BYTES = 20;
const CHANGED_EVERY = 100;
const SECTION = { uid: 'op', name: 'total', kind: 'value', keyType: 'int', keySchema: null, schema: { type: 'f64' } };

/** In a small checkpoint the start of threads is most of the time. */
const judged = Number(options.mb) >= 1024;
const count = Math.floor((Number(options.mb) * 2 ** 20) / ENTRY_BYTES);
const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
const jobDirectory = join(directory, JOB_ID);
const memory = Memory.local(24);
try {
  prepareJobDirectory(realFs, jobDirectory);
  const digest = new StateDigest();
  const base = subtasks((subtask) => [write(1, subtask, 1, (key) => key, digest, null)]);
  const before = publish(1, base, digest);
  const after = publish(
    2,
    subtasks((subtask) => [
      write(
        2,
        subtask,
        CHANGED_EVERY,
        (key) => key + 0.5,
        digest,
        (key) => key,
      ),
      ...base[subtask],
    ]),
    digest,
  );
  await measure(before, after);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function measure(before, after) {
  const rows = [];
  const row = (what, value, unit, target, reached) => rows.push({ what, value, unit, target, reached });
  const keys = [1, Math.floor(count / 2), count - 1];
  const gets = keys.map((key) => timed(() => getEntry(realFs, after, 'op', 'total', String(key))));
  const slowest = Math.max(...gets.map(({ ms }) => ms));
  const largest = Math.max(...gets.map(({ result }) => result.bytesRead));
  if (gets.some(({ result }) => !result.found)) throw new Error('a key was not found');
  row('get, the slowest of three, the first one cold', slowest, 'ms', 'at most 50', slowest <= 50);
  row('get, bytes read', largest / 2 ** 20, 'MB', 'at most 1', largest <= 2 ** 20);

  const diff = timed(() => diffCheckpoints(realFs, before, after));
  const [state] = diff.result.states;
  if (state.changed.entries !== Math.ceil(count / CHANGED_EVERY)) throw new Error(`${state.changed.entries} entries changed`);
  const share = (100 * diff.result.bytesRead) / diff.result.totalBytes;
  row('diff of neighbours at 1 % change, share of the bytes read', share, '%', 'at most 3', share <= 3);
  row('diff, time', diff.ms, 'ms', '', true);
  row('diff --exact, time', timed(() => diffCheckpoints(realFs, before, after, { exact: true })).ms, 'ms', '', true);

  const gigabytes = diff.result.totalBytes / 2 ** 30;
  for (const deep of [false, true]) {
    const started = performance.now();
    const report = await verifyInParallel(after, { deep, threads: 2 });
    const rate = (1000 * gigabytes) / (performance.now() - started);
    if (!report.ok) throw new Error(JSON.stringify(report.problems));
    row(`verify${deep ? ' --deep' : ''}, 2 threads, with their start`, rate, 'GB/s', deep ? '' : 'at least 1', deep || rate >= 1);
  }
  print(rows, gigabytes);
}

function print(rows, gigabytes) {
  if (options.json) console.log(JSON.stringify({ gigabytes, entries: count, rows }));
  else {
    console.log(`${gigabytes.toFixed(2)} GB, ${count} entries of (8 B, 8 B), Node ${process.versions.node}`);
    for (const { what, value, unit, target, reached } of rows)
      console.log(
        `${what.padEnd(60)} ${value.toFixed(2).padStart(9)} ${unit.padEnd(5)} ${target === '' || !judged ? '' : `${target}: ${reached ? 'reached' : 'MISSED'}`}`,
      );
  }
  if (judged && rows.some(({ reached }) => !reached)) process.exitCode = 1;
}

function timed(run) {
  const started = performance.now();
  const result = run();
  return { result, ms: performance.now() - started };
}

function subtasks(make) {
  return Array.from({ length: SUBTASKS }, (_, subtask) => make(subtask));
}

/** Writes a table of every `step`-th key that the subtask owns. @param former  value that the key had before, or null */
function write(checkpointId, subtask, step, valueOf, digest, former) {
  const { first, last } = hashRangeOf(keyGroupRange(subtask, MAX_PARALLELISM, SUBTASKS), MAX_PARALLELISM);
  const packed = new BigUint64Array(Math.ceil(count / step));
  let owned = 0;
  for (let key = 0; key < count; key += step) {
    const hash = hashOf(key);
    if (hash >= first && hash <= last) packed[owned++] = (BigInt(hash) << 32n) | BigInt(key);
  }
  const sorted = packed.subarray(0, owned).sort();
  return writeTable(realFs, sharedDirectory(jobDirectory), { compression: 'none', createdBy: checkpointId }, (writer) => {
    writer.beginSection(SECTION);
    for (let from = 0; from < owned; ) {
      const hash = sorted[from] >> 32n;
      let to = from + 1;
      while (to < owned && sorted[to] >> 32n === hash) to++;
      for (const key of inKeyOrder(sorted.subarray(from, to))) {
        memory.f64[0] = key;
        memory.f64[1] = valueOf(key);
        writer.add(Number(hash), memory, 0, 8, memory, 8, 8);
        digest.add(memory, 0, 8, memory, 8, 8);
        if (former === null) continue;
        memory.f64[2] = former(key);
        digest.subtract(memory, 0, 8, memory, 16, 8);
      }
      from = to;
    }
  });
}

/** Keys of one hash, in the order of their bytes. */
function inKeyOrder(packed) {
  const keys = [...packed].map((word) => Number(word & 0xffffffffn));
  if (keys.length === 1) return keys;
  const bytesOf = (key) => Buffer.from(Float64Array.of(key).buffer);
  return keys.sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)));
}

function hashOf(key) {
  memory.f64[0] = key;
  return hashKeyOfTwoWords(memory.u32[0], memory.u32[1]);
}

/** @param tables  of each subtask, newest first */
function publish(checkpointId, tables, digest) {
  const at = new Date().toISOString();
  return publishCheckpoint(realFs, jobDirectory, {
    format: 1,
    kind: 'checkpoint',
    savepointFormat: null,
    jobId: JOB_ID,
    jobName: 'bench',
    checkpointId,
    parent: checkpointId === 1 ? null : { jobId: JOB_ID, checkpointId: checkpointId - 1 },
    triggeredAt: at,
    completedAt: at,
    trigger: 'periodic',
    incremental: true,
    tidemarkVersion: 'bench',
    operators: [
      {
        uid: SECTION.uid,
        name: 'bench',
        kind: 'process',
        maxParallelism: MAX_PARALLELISM,
        keyedStates: [stateInfo(digest)],
      },
    ],
    stages: [
      {
        operators: [SECTION.uid],
        parallelism: SUBTASKS,
        maxParallelism: MAX_PARALLELISM,
        subtasks: tables.map((own, subtask) => subtaskInfo(own, subtask)),
      },
    ],
    counters: {},
    sizes: { newBytes: 0, referencedBytes: 0, liveBytes: 0, files: tables.flat().length },
    durationMs: 0,
    config: {},
  });
}

function stateInfo(digest) {
  const { name, kind, keyType, keySchema, schema } = SECTION;
  return { name, kind, keyType, keySchema, schema, digest: digest.toHex(), entries: count };
}

function subtaskInfo(tables, subtask) {
  return {
    subtask,
    keyGroups: keyGroupRange(subtask, MAX_PARALLELISM, SUBTASKS),
    finished: false,
    tables,
    operatorState: {},
    committables: {},
    statistics: {
      syncMs: 0,
      asyncMs: 0,
      alignmentMs: 0,
      startDelayMs: 0,
      newBytes: tables[0].sizeBytes,
      liveBytes: 0,
      changedEntries: tables[0].entries,
    },
  };
}
