/** A process that was stopped while another took its job over, and wakes up: it publishes nothing, commits nothing, deletes nothing. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { collectGarbage } from '../../src/snapshot/gc.ts';
import { publishCheckpoint } from '../../src/snapshot/publish.ts';
import { readCheckpoint } from '../../src/snapshot/restore.ts';
import { listCheckpoints } from '../support/checkpoint-reader.mjs';
import { CLI, makeDirectory, until } from '../support/cli.ts';
import { readLines } from '../support/output.mjs';

/** A record after the file `fail` exists is one too many. */
const JOB = `
  import { existsSync } from 'node:fs';
  import { files, generate, job, t } from 'tidemark';
  export default job('ticks', (flow) =>
    flow
      .from(generate({ count: Infinity, ratePerSecond: 3000, schema: t.record({ k: t.int }), make: (k) => ({ k }) }))
      .filter(({ k }) => {
        if (k % 100 === 0 && existsSync('fail')) throw new Error('as it was told');
        return true;
      })
      .keyBy('k').reduce((a) => a).to(files.jsonl('out')));
`;

interface Owner {
  readonly process: ChildProcess;
  readonly said: () => string;
  readonly ended: Promise<void>;
}

/**
 * The runtime without a supervisor, which would take the stopped process for dead. Prints the code of the error it ends with. The job is
 * cancelled once there is a file `cancel`.
 *
 * @param tolerated  failed checkpoints
 * @param rest       'periodic': it goes on to take checkpoints after the first three
 */
function startOwner(directory: string, tolerated: number, rest: 'periodic' | 'none'): Owner {
  const entry = pathToFileURL(join(CLI, '../../run.js')).href;
  const options = {
    parallelism: 1,
    threads: 1,
    config: {
      'execution.checkpointing.dir': 'chk',
      'execution.checkpointing.interval': rest === 'periodic' ? '20 ms' : '1 h',
      'restart-strategy.type': 'fixed-delay',
      'restart-strategy.fixed-delay.delay': '10 ms',
      'execution.checkpointing.tolerable-failed-checkpoints': tolerated,
    },
  };
  const code = `
    import { existsSync } from 'node:fs';
    import { run } from ${JSON.stringify(entry)};
    const handle = await run('job.mjs', ${JSON.stringify(options)});
    if (${rest === 'none'}) {
      while (handle.state !== 'running') await new Promise((resolve) => setTimeout(resolve, 10));
      for (let i = 0; i < 3; i++) await handle.checkpoint().catch(() => {});
      const looking = setInterval(() => existsSync('cancel') && (clearInterval(looking), handle.cancel()), 10);
      handle.done.catch(() => {}).then(() => clearInterval(looking));
    }
    await handle.done.then(() => console.log('ended'), (error) => console.log(error.code));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (data: Buffer) => (said += data.toString()));
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  return { process: child, said: () => said, ended };
}

/**
 * What a successor does that does not see the lock: on another host, or in another container. It goes on from the newest, and collects.
 *
 * @returns its checkpoint
 */
function succeed(base: string) {
  const newest = listCheckpoints(base).at(-1) as { path: string; jobId: string; checkpointId: number };
  const jobDir = join(base, newest.jobId);
  const { manifest } = readCheckpoint(realFs, newest.path);
  const checkpointId = newest.checkpointId + 10;
  publishCheckpoint(realFs, jobDir, { ...manifest, checkpointId });
  collectGarbage(realFs, jobDir, { retain: [checkpointId], inFlight: new Set(), sweep: false });
  const shared = join(jobDir, 'shared');
  const tables = readdirSync(shared).filter((name) => name.endsWith('.sst'));
  return { checkpointId, records: manifest.counters['records'], tables: tables.map((name) => join(shared, name)) };
}

async function pause(owner: Owner, base: string): Promise<void> {
  await until(() => (listCheckpoints(base).at(-1)?.checkpointId ?? 0) >= 3, 'three checkpoints');
  owner.process.kill('SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, 50));
}

describe('a superseded owner', () => {
  it.for([0, 1000])('that wakes up stops, whatever is tolerated (%i failures), and leaves what is there', async (tolerated) => {
    const directory = makeDirectory({ 'job.mjs': JOB });
    const base = join(directory, 'chk');
    const owner = startOwner(directory, tolerated, 'periodic');
    await pause(owner, base);
    const successor = succeed(base);

    owner.process.kill('SIGCONT');
    await owner.ended;
    expect(owner.said().trim()).toBe('ERR_CHECKPOINT_FENCED');
    expect(listCheckpoints(base).map((found) => found.checkpointId)).toEqual([successor.checkpointId]);
    for (const table of successor.tables) expect(existsSync(table), table).toBe(true);
    // At most what the successor's checkpoint says: the epochs after it were prepared, and are another's to commit; so is its own,
    // when the process was stopped between publishing and committing it.
    const lines = readLines(join(directory, 'out'));
    expect(new Set(lines).size).toBe(lines.length);
    expect(lines.length).toBeLessThanOrEqual(successor.records);
    expect(lines.length).toBeGreaterThan(0);
  });

  it.for([
    ['whose job fails does not go on from what another has published', 'fail'],
    ['whose job is cancelled says so, and leaves what is there', 'cancel'],
  ])('%s', async ([, file]) => {
    const directory = makeDirectory({ 'job.mjs': JOB });
    const base = join(directory, 'chk');
    const owner = startOwner(directory, 0, 'none');
    await pause(owner, base);
    const successor = succeed(base);

    writeFileSync(join(directory, file), '');
    owner.process.kill('SIGCONT');
    await owner.ended;
    expect(owner.said().trim()).toBe('ERR_CHECKPOINT_FENCED');
    expect(listCheckpoints(base).map((found) => found.checkpointId)).toEqual([successor.checkpointId]);
    for (const table of successor.tables) expect(existsSync(table), table).toBe(true);
  });
});
