/** Runs Apache Flink's keyed count (`flink/`) in a JVM of its own and verifies what it counted. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprintOfRecords } from './keys.mjs';

const TARGET = fileURLToPath(new URL('flink/target', import.meta.url));
const JAVA = process.env.JAVA_HOME === undefined ? 'java' : join(process.env.JAVA_HOME, 'bin', 'java');

/** What Flink's own scripts open to it on Java 17 (`env.java.opts.all` of its default configuration). */
const OPENED = [
  'java.lang',
  'java.net',
  'java.io',
  'java.nio',
  'sun.nio.ch',
  'java.lang.reflect',
  'java.text',
  'java.time',
  'java.util',
  'java.util.concurrent',
  'java.util.concurrent.atomic',
  'java.util.concurrent.locks',
];

export function isFlinkBuilt() {
  return existsSync(join(TARGET, 'flink-peer.jar')) && spawnSync(JAVA, ['-version'], { stdio: 'ignore' }).status === 0;
}

/**
 * Throughput of the count once nine tenths of the keys have been met and it is warm.
 *
 * @param backend  'hashmap' or 'rocksdb'
 * @param sync     whether checkpoint files are synced, as everyone else's are
 * @returns {Promise<{ perSecond: number, records: number, elapsedMs: number, cpuMs: number, stallMs: number[], checkpoints: object[] }>}
 * @throws when the counts in a savepoint after the window are not those of the records that the sources made
 */
export async function countInFlink({ backend, keys, intervalMs, warmUpMs, windowMs, parallelism, sync = true }) {
  const result = await flink('count', {
    backend,
    keys,
    'interval-ms': intervalMs,
    'warm-up-ms': warmUpMs,
    'window-ms': windowMs,
    parallelism,
    sync,
  });
  verify(backend, keys, result);
  const { records, elapsedMs, cpuMs, checkpoints } = result;
  const stallMs = checkpoints.map(({ syncMs }) => syncMs);
  return { perSecond: (records / elapsedMs) * 1000, records, elapsedMs, cpuMs, checkpoints, stallMs };
}

/** Times from submitting a job until its subtasks have the state of a checkpoint of so many (8 B, 8 B) entries. */
export async function restoreInFlink({ backend, entries, runs, parallelism }) {
  const { durationMs } = await flink('restore', {
    backend,
    keys: entries,
    // Only the checkpoint that is asked for.
    'interval-ms': 3_600_000,
    runs,
    parallelism,
    sync: true,
  });
  return durationMs;
}

/** @returns {Promise<number>} the same as `fingerprintOfRecords`, from the Java port of the generator */
export async function fingerprintInFlink({ keys, from, records }) {
  return (await flink('keys', { keys, from, records })).fingerprint;
}

/** @param made  for each subtask of the source the first index that it made a record of, and how many it made */
function verify(backend, keys, { counted, made }) {
  const records = made.reduce((sum, part) => sum + part.records, 0);
  const expected = made.reduce((sum, part) => (sum + fingerprintOfRecords(keys, part.first, part.records)) >>> 0, 0);
  if (counted.records !== records || counted.fingerprint !== expected) {
    throw new Error(
      `Flink, ${backend}: counts add up to ${counted.records} with fingerprint ${counted.fingerprint}; the sources made ${records} records with fingerprint ${expected}`,
    );
  }
}

async function flink(command, options) {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-flink-'));
  mkdirSync(join(directory, 'tmp'));
  try {
    const values = { ...options, directory, 'managed-memory': '1g' };
    return JSON.parse(
      await outputOf(JAVA, [
        // As much as is ever used, from the beginning: the heap does not grow in the window.
        '-Xms6g',
        '-Xmx6g',
        ...OPENED.flatMap((name) => ['--add-opens', `java.base/${name}=ALL-UNNAMED`]),
        '-cp',
        `${join(TARGET, 'flink-peer.jar')}:${join(TARGET, 'lib', '*')}`,
        'tidemark.peers.Main',
        command,
        ...Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]),
      ]),
    );
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @returns {Promise<string>} what it wrote to stdout, when its exit code is 0 */
function outputOf(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = [];
  child.stdout.on('data', (bytes) => output.push(bytes));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(output).toString());
      else reject(new Error(`Flink ended with ${signal ?? `exit code ${code}`}; what it said is above`));
    });
  });
}
