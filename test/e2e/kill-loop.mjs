#!/usr/bin/env node
/**
 * Kill loop: runs a job with the real command line, kills its whole process group with SIGKILL at seeded moments, resumes
 * it until it ends, and compares the output with an independent program. Usage:
 *
 *     node test/e2e/kill-loop.mjs [--kills 30] [--seed N] [--scenario ledger] [--keep] [--json]
 *
 * One *life* is one process. A life gets a moment at which it is killed:
 *
 *     early     while the process starts, loads the job or restores             0 to 400 ms after its start
 *     random    at any time                                                     0 to 1,500 ms
 *     publish   when a file appears in the checkpoint directory                 the n-th change, then 0 to 3 ms
 *     commit    when a file appears in the output directory                     the n-th change, then 0 to 3 ms
 *     orphan    random, but only the supervisor is killed; its child must end by itself
 *     runtime   random, first only the child is killed, which the supervisor must resume; then, at random, both
 *
 * After each kill every checkpoint that is there must be complete. A job that ended is compared and begun anew with other
 * parameters until so many kills have been made. Everything is decided by the seed, except what the operating system decides.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { digestsOf, findIncompleteCheckpoints, listCheckpoints, readManifest } from '../support/checkpoint-reader.mjs';
import { compareOutput } from '../support/output.mjs';
import { createRandom } from '../support/random.mjs';
import { SCENARIOS } from './scenarios.mjs';

const CLI = fileURLToPath(new URL('../../dist/main/cli/main.js', import.meta.url));

/** A life that was not killed must end within this time; longer is a hang. */
const HANG_MS = 60_000;
/** After so many lives a job is left to end, so that a scenario cannot last for ever on a slow machine. */
const MOST_LIVES = 60;

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    scenario: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

process.exitCode = await main(Number(options.kills), Number(options.seed));

async function main(wantedKills, seed) {
  const random = createRandom(seed);
  const startedAt = performance.now();
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-kill-loop-'));
  const total = { seed, jobs: 0, kills: 0, lives: 0, restores: 0, records: 0, lost: 0, extra: 0, moments: {} };
  log(`seed ${seed}, ${wantedKills} kills, in ${directory}`);
  const names = options.scenario === undefined ? Object.keys(SCENARIOS) : [options.scenario];
  try {
    while (total.kills < wantedKills) {
      const name = names[total.jobs % names.length];
      const work = join(directory, `${total.jobs}-${name}`);
      mkdirSync(work);
      const scenario = SCENARIOS[name](work, random);
      const undisturbed = await digestsWithoutKills(scenario, work);
      await runUntilItEnds(scenario, work, random, total, wantedKills);
      total.jobs++;
      check(scenario, work, total, undisturbed);
      if (!options.keep) rmSync(work, { recursive: true, force: true });
    }
  } catch (error) {
    log(
      `FAILED: ${error.message}\nreplay: node test/e2e/kill-loop.mjs --kills ${wantedKills} --seed ${seed}   files: ${directory}`,
    );
    if (options.json) console.log(JSON.stringify({ ...total, ok: false, error: error.message, directory }));
    return 1;
  }
  if (!options.keep) rmSync(directory, { recursive: true, force: true });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const moments = Object.entries(total.moments)
    .map(([moment, n]) => `${moment} ${n}`)
    .join(', ');
  log(
    `${total.kills} kills (${moments}) in ${total.jobs} jobs, ${total.restores} restores, ${total.records} records compared: ${total.lost} lost, ${total.extra} duplicated or invented, ${seconds} s, seed ${seed}`,
  );
  if (options.json) console.log(JSON.stringify({ ...total, ok: true }));
  return 0;
}

/** Lives of one job, each killed at some moment, until one of them finishes. */
async function runUntilItEnds(scenario, work, random, total, wantedKills) {
  const checkpoints = join(work, 'checkpoints');
  for (let life = 0; ; life++) {
    const moment = total.kills < wantedKills && life < MOST_LIVES ? chooseMoment(random) : null;
    const outcome = await live(scenario, work, moment, 1 + random.int(4));
    total.lives++;
    if (outcome.restored) total.restores++;
    const problems = findIncompleteCheckpoints(checkpoints);
    if (problems.length > 0) throw new Error(`after life ${life} (${describe(moment)}):\n  ${problems.join('\n  ')}`);
    if (outcome.kills > 0) {
      total.kills += outcome.kills;
      total.moments[moment.kind] = (total.moments[moment.kind] ?? 0) + outcome.kills;
    }
    if (outcome.signal === 'SIGKILL') continue;
    if (outcome.code !== 0)
      throw new Error(`life ${life} ended with ${outcome.code ?? outcome.signal}:\n${outcome.stderr.slice(-4000)}`);
    return;
  }
}

/** One process from its start to its end; resolves when nothing of its process group is left. */
async function live(scenario, work, moment, parallelism) {
  const args = [
    CLI,
    'run',
    '--resume',
    '--json',
    '-p',
    String(parallelism),
    '-D',
    `state.checkpoints.dir=${join(work, 'checkpoints')}`,
    '-D',
    `execution.checkpointing.interval=${scenario.intervalMs} ms`,
    '-D',
    'execution.checkpointing.externalized-checkpoint-retention=RETAIN_ALWAYS',
    '-D',
    'execution.checkpointing.num-retained=2',
    '-D',
    'restart-strategy.exponential-delay.initial-backoff=20 ms',
    scenario.job,
    ...scenario.args,
  ];
  const child = spawn(process.execPath, args, { cwd: work, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const group = Number(child.pid);
  let stderr = '';
  let stdout = '';
  child.stderr.on('data', (data) => {
    stderr = (stderr + data).slice(-20_000);
  });
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve({ code, signal }));
  });
  let kills = 0;
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const killAt = async ({ kind, ...when }) => {
    await waitFor(when, join(work, kind === 'commit' ? 'out' : 'checkpoints'), hasEnded);
    if (hasEnded()) return;
    const target = kind === 'orphan' ? group : kind === 'runtime' ? childOf(group) : -group;
    if (target === undefined) return; // The supervisor has not forked yet, or waits to fork again.
    process.kill(target, 'SIGKILL');
    kills++;
    if (kind === 'runtime') await killAt({ kind: 'random', delayMs: when.thenMs });
  };
  let hung = false;
  const hang = setTimeout(() => {
    hung = true;
    process.kill(-group, 'SIGKILL');
  }, HANG_MS);
  const [{ code, signal }] = await Promise.all([ended, moment === null ? undefined : killAt(moment)]);
  clearTimeout(hang);
  await groupEnded(group);
  if (hung) throw new Error(`the job hung: no end within ${HANG_MS / 1000} s\n${stderr.slice(-4000)}`);
  return { kills, code, signal, stderr, stdout, restored: /restor/i.test(stderr) };
}

/** The process that a process has forked, where /proc tells. */
function childOf(pid) {
  try {
    const first = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0];
    return first === '' ? undefined : Number(first);
  } catch {
    return undefined;
  }
}

/** A killed supervisor must not leave its child behind: it would go on writing beside the resumed job. */
async function groupEnded(group) {
  for (const deadline = performance.now() + 10_000; ; await sleep(2)) {
    try {
      process.kill(-group, 0);
    } catch (error) {
      if (error.code === 'ESRCH') return;
      throw error;
    }
    if (performance.now() > deadline) {
      process.kill(-group, 'SIGKILL');
      throw new Error('a process of the killed group still ran after 10 s');
    }
  }
}

function chooseMoment(random) {
  const roll = random.float();
  if (roll < 0.2) return { kind: 'early', delayMs: random.float() * 400 };
  if (roll < 0.45) return { kind: 'random', delayMs: random.float() * 1500 };
  if (roll < 0.75) return { kind: 'publish', changes: 1 + random.int(12), delayMs: random.float() * 3 };
  if (roll < 0.9) return { kind: 'commit', changes: 1 + random.int(6), delayMs: random.float() * 3 };
  if (roll < 0.95) return { kind: 'orphan', delayMs: random.float() * 1500 };
  return { kind: 'runtime', delayMs: random.float() * 1000, thenMs: random.float() * 1500 };
}

/** Waits for so many changes of the names in a directory, then for so long. */
async function waitFor({ changes = 0, delayMs }, directory, isOver) {
  let seen = changes > 0 ? fingerprint(directory) : '';
  for (let left = changes; left > 0 && !isOver(); await sleep(1)) {
    const now = fingerprint(directory);
    if (now === seen) continue;
    seen = now;
    left--;
  }
  await sleep(delayMs);
}

/** All names below a directory, hidden ones included. */
function fingerprint(directory) {
  try {
    return readdirSync(directory, { recursive: true }).join('\n');
  } catch {
    return ''; // A name vanished between two system calls, or nothing is there yet: the next look sees the change.
  }
}

function check(scenario, work, total, undisturbed) {
  const { records, lost, extra } = compareOutput(join(work, 'out'), scenario.expected());
  total.records += records;
  total.lost += lost.length;
  total.extra += extra.length;
  if (lost.length > 0 || extra.length > 0) {
    throw new Error(
      `${scenario.name}: ${lost.length} records lost, ${extra.length} duplicated or invented of ${records}\n  lost  ${lost.slice(0, 5).join('\n        ')}\n  extra ${extra.slice(0, 5).join('\n        ')}`,
    );
  }
  const last = listCheckpoints(join(work, 'checkpoints')).at(-1);
  if (last === undefined) throw new Error(`${scenario.name}: ended without a final checkpoint`);
  if (!scenario.isOrderFree) return;
  const digests = JSON.stringify(digestsOf(readManifest(last.metadata)));
  if (digests !== undisturbed)
    throw new Error(`${scenario.name}: the state at the end is not that of a run without kills\n  ${digests}\n  ${undisturbed}`);
}

/** State digests at the end of the same job in one piece, with another number of subtasks. */
async function digestsWithoutKills(scenario, work) {
  const outcome = await live(scenario, work, null, 3);
  if (outcome.code !== 0) throw new Error(`${scenario.name} fails without any kill:\n${outcome.stderr.slice(-4000)}`);
  const digests = JSON.stringify(digestsOf(readManifest(listCheckpoints(join(work, 'checkpoints')).at(-1).metadata)));
  rmSync(join(work, 'checkpoints'), { recursive: true });
  rmSync(join(work, 'out'), { recursive: true });
  return digests;
}

function describe(moment) {
  return moment === null ? 'not killed' : `killed ${moment.kind}`;
}

function log(line) {
  process.stderr.write(`${line}\n`);
}
