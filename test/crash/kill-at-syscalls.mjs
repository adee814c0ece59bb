#!/usr/bin/env node
/**
 * Kills a job exactly when it enters its k-th system call of a kind that makes or unmakes something in the file system:
 * before a file is durable, before a name exists, in the middle of a deletion, a commit, a restore. `strace` puts SIGKILL in the
 * place of the call, so that the call itself never happens. Usage:
 *
 *     node test/crash/kill-at-syscalls.mjs [--kills 60] [--seed N] [--json] [--keep]
 *
 * Each job is killed three times in a row at different calls, then left to end; its output and every checkpoint on the way are
 * compared as in `../e2e/kill-loop.mjs`. A crash test must go on after the first restore: most bugs of this kind need a second one.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { findIncompleteCheckpoints } from '../support/checkpoint-reader.mjs';
import { ledgerRecords } from '../support/oracle-ledger.mjs';
import { compareOutput } from '../support/output.mjs';
import { createRandom } from '../support/random.mjs';

const PROGRAM = fileURLToPath(new URL('run-ledger.mjs', import.meta.url));
const [ENTRIES, ACCOUNTS, PER_SECOND] = [12_000, 100, 12_000];
const KILLS_PER_JOB = 3;
const HANG_MS = 60_000;

/** Calls that make or unmake something in the file system; variants of one kind are separated by commas. */
const KINDS = [
  'fsync,fdatasync',
  'link,linkat',
  'rename,renameat,renameat2',
  'unlink,unlinkat',
  'mkdir,mkdirat',
  'rmdir',
  'ftruncate',
];

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
});

process.exitCode = main(Number(options.kills), Number(options.seed));

function main(wantedKills, seed) {
  if (spawnSync('strace', ['-V']).status !== 0) {
    console.error('left out: strace is not installed');
    if (options.json) console.log(JSON.stringify({ ok: true, leftOut: true }));
    return 0;
  }
  const random = createRandom(seed);
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-syscalls-'));
  const total = { seed, kills: 0, notReached: 0, jobs: 0, byKind: {} };
  try {
    const reach = countCalls(join(directory, 'counted'));
    const kinds = Object.keys(reach);
    while (total.kills < wantedKills) {
      const work = join(directory, String(total.jobs++));
      mkdirSync(work);
      for (let i = 0; i < KILLS_PER_JOB; i++) {
        const kind = kinds[random.int(kinds.length)];
        // Which thread makes a call differs from run to run, so the last ones of a run would seldom be reached again.
        const when = 1 + random.int(Math.ceil(reach[kind] / 2));
        if (killedAt(work, kind, when, 1 + random.int(3))) {
          total.kills++;
          total.byKind[kind] = (total.byKind[kind] ?? 0) + 1;
        } else {
          total.notReached++;
          break;
        }
      }
      finish(work, random);
      if (!options.keep) rmSync(work, { recursive: true, force: true });
    }
  } catch (error) {
    console.error(
      `FAILED: ${error.message}\nreplay: node test/crash/kill-at-syscalls.mjs --kills ${wantedKills} --seed ${seed}   files: ${directory}`,
    );
    if (options.json) console.log(JSON.stringify({ ...total, ok: false, error: error.message }));
    return 1;
  }
  if (!options.keep) rmSync(directory, { recursive: true, force: true });
  const byKind = Object.entries(total.byKind).map(([kind, n]) => `${kind.split(',')[0]} ${n}`);
  console.error(
    `${total.kills} kills at system calls (${byKind.join(', ')}) in ${total.jobs} jobs, 0 lost, 0 duplicated, seed ${seed}`,
  );
  if (options.json) console.log(JSON.stringify({ ...total, ok: true }));
  return 0;
}

/**
 * How many calls of each kind the thread that makes most of them makes in a run without a kill: strace counts by thread.
 *
 * @returns {Record<string, number>} kind -> calls, for kinds that are called at all
 */
function countCalls(work) {
  mkdirSync(work);
  const log = join(work, 'calls');
  const { status, stderr } = runLedger(work, 2, ['strace', '-f', '-qq', '-o', log, '-e', `trace=${KINDS.join(',')}`]);
  if (status !== 0) throw new Error(`the job fails under strace without any kill:\n${stderr.slice(-4000)}`);
  const byThread = new Map();
  for (const [, thread, call] of readFileSync(log, 'utf8').matchAll(/^(\d+) +(\w+)\(/gm)) {
    const kind = KINDS.find((variants) => variants.split(',').includes(call));
    byThread.set(`${kind} ${thread}`, (byThread.get(`${kind} ${thread}`) ?? 0) + 1);
  }
  const reach = {};
  for (const [name, calls] of byThread) {
    const [kind] = name.split(' ');
    reach[kind] = Math.max(reach[kind] ?? 0, calls);
  }
  return reach;
}

/** @returns {boolean} false when the job ended before it came to that call */
function killedAt(work, kind, when, parallelism) {
  // Not with --seccomp-bpf: with it, strace 6 counts only the first call.
  const strace = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${kind}`, '-e', `inject=${kind}:signal=SIGKILL:when=${when}`];
  const { signal, status, stderr } = runLedger(work, parallelism, ['strace', ...strace]);
  const problems = findIncompleteCheckpoints(join(work, 'checkpoints'));
  if (problems.length > 0) throw new Error(`killed at ${kind} number ${when}:\n  ${problems.join('\n  ')}`);
  // strace ends as the program did: by the same signal.
  if (signal === 'SIGKILL' || status === 137) return true;
  if (status !== 0) throw new Error(`ended with ${status ?? signal} before ${kind} number ${when}:\n${stderr.slice(-4000)}`);
  return false;
}

function finish(work, random) {
  const { status, signal, stderr } = runLedger(work, 1 + random.int(3), []);
  if (status !== 0) throw new Error(`the last run ended with ${status ?? signal}:\n${stderr.slice(-4000)}`);
  const problems = findIncompleteCheckpoints(join(work, 'checkpoints'));
  if (problems.length > 0) throw new Error(`at the end:\n  ${problems.join('\n  ')}`);
  const { records, lost, extra } = compareOutput(join(work, 'out'), ledgerRecords(ENTRIES, ACCOUNTS));
  if (lost.length > 0 || extra.length > 0) {
    throw new Error(
      `${lost.length} records lost, ${extra.length} duplicated or invented of ${records}:\n  ${[...lost, ...extra].slice(0, 10).join('\n  ')}`,
    );
  }
}

function runLedger(work, parallelism, wrapper) {
  const [command, ...args] = [...wrapper, process.execPath, PROGRAM, parallelism, ENTRIES, ACCOUNTS, PER_SECOND].map(String);
  return spawnSync(command, args, { cwd: work, encoding: 'utf8', timeout: HANG_MS, killSignal: 'SIGTERM' });
}
