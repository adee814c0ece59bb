/** One life of a job: a process of the command line, from its start until nothing of its process group is left. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../../dist/main/cli/main.js', import.meta.url));

/** A life must end within this time, by a kill or by itself; longer is a hang. */
const HANG_MS = 120_000;

/**
 * @param {object} scenario      see `scenarios.mjs`
 * @param {string} work          working directory of the job
 * @param {object | null} moment see `moments.mjs`; null lets the job end
 * @returns how it ended, how often it was killed, whether it began from a checkpoint, and when its first checkpoint came
 */
export async function live(scenario, work, moment, parallelism) {
  const checkpoints = join(work, 'checkpoints');
  const config = {
    'state.checkpoints.dir': checkpoints,
    'execution.checkpointing.interval': `${scenario.intervalMs} ms`,
    'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
    'execution.checkpointing.num-retained': 2,
    'restart-strategy.exponential-delay.initial-backoff': '20 ms',
  };
  const flags = Object.entries(config).flatMap(([key, value]) => ['-D', `${key}=${value}`]);
  const args = [CLI, 'run', '--resume', '--json', '-p', String(parallelism), ...flags, scenario.job, ...scenario.args];
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, { cwd: work, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  const group = Number(child.pid);
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr = (stderr + data).slice(-20_000);
  });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve({ code, signal }));
  });
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;

  let kills = 0;
  const killAt = async ({ kind, changes, delayMs, thenMs }) => {
    await waitForChanges(kind === 'commit' ? join(work, 'out') : checkpoints, changes ?? 0, hasEnded);
    await sleep(delayMs);
    if (hasEnded()) return;
    const target = kind === 'orphan' ? group : kind === 'runtime' ? childOf(group) : -group;
    // The supervisor may not have forked yet, or wait to fork again.
    if (target !== undefined) {
      process.kill(target, 'SIGKILL');
      kills++;
    }
    if (thenMs !== undefined) await killAt({ kind: 'random', delayMs: thenMs });
  };
  const hang = setTimeout(() => process.kill(-group, 'SIGKILL'), HANG_MS);
  const watch = moment === null ? firstCheckpoint(checkpoints, startedAt, hasEnded) : killAt(moment);
  const [{ code, signal }, firstCheckpointMs] = await Promise.all([ended, watch]);
  clearTimeout(hang);
  await groupEnded(group);
  if (performance.now() - startedAt > HANG_MS) throw new Error(`the job hung: no end within ${HANG_MS / 1000} s\n${stderr}`);
  return { code, signal, kills, stderr, restored: /^Restored from/m.test(stderr), firstCheckpointMs };
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

async function waitForChanges(directory, changes, isOver) {
  let seen = changes > 0 ? namesBelow(directory) : '';
  for (let left = changes; left > 0 && !isOver(); await sleep(1)) {
    const now = namesBelow(directory);
    if (now === seen) continue;
    seen = now;
    left--;
  }
}

/** @returns {Promise<number>} ms from the start to the first manifest */
async function firstCheckpoint(directory, startedAt, isOver) {
  while (!isOver() && !namesBelow(directory).includes('_metadata')) await sleep(5);
  return performance.now() - startedAt;
}

/** All names below a directory, hidden ones included, as one text. */
function namesBelow(directory) {
  try {
    return readdirSync(directory, { recursive: true }).join('\n');
  } catch {
    return ''; // A name vanished between two system calls, or nothing is there yet: the next look sees the change.
  }
}
