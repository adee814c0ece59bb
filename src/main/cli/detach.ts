/**
 * `tidemark run -d`: starts `tidemark run` as a process of its own session, waits until the job runs, says its id, returns.
 * What the job prints goes to `<job-id>.log` in the runtime directory.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureRuntimeDir } from '../runtime-dir.ts';
import type { Supervisor } from '../supervisor.ts';
import { printErr, printJson, printOut } from './output.ts';

/** Said once by the detached process to the one that started it. */
type Started = { readonly running: true };

/**
 * @param args  the whole command line: the detached process gets it with the job id, which makes it disregard `-d`
 * @returns     exit code 0 when the job runs, else that of the detached process
 */
export async function startDetached(args: readonly string[], json: boolean): Promise<number> {
  const jobId = randomBytes(16).toString('hex');
  const log = join(ensureRuntimeDir(), `${jobId}.log`);
  const fd = openSync(log, 'a', 0o600);
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1], 'run', '--job-id', jobId, ...args.slice(1)], {
    detached: true,
    stdio: ['ignore', fd, fd, 'ipc'],
  });
  closeSync(fd);
  const exitCode = await new Promise<number | null>((done) => {
    child.once('message', (message: Started) => done(message.running ? null : 1));
    child.once('exit', (code) => done(code ?? 1));
  });
  if (exitCode === null) {
    child.disconnect();
    child.unref();
    if (json) printJson({ jobId, pid: child.pid, log });
    else
      printOut(
        `${jobId}\nIt runs as process ${child.pid} and prints to ${log}.\n\`tidemark list\` shows it, \`tidemark stop ${jobId.slice(0, 8)}\` ends it with a last checkpoint.`,
      );
    return 0;
  }
  // A short job may have finished before it was seen to run; its output tells, in either case.
  const printed = readFileSync(log, 'utf8').trimEnd();
  if (exitCode !== 0 || !json) printErr(printed);
  if (json) printJson({ jobId, pid: null, log, exitCode });
  return exitCode;
}

/** In the detached process: tells its starter that the job runs, once, and lets it go. */
export function tellStarter(supervisor: Supervisor): void {
  if (process.send === undefined) return;
  // The channel must not keep this process alive.
  process.channel?.unref();
  const onState = (state: string): void => {
    if (state !== 'running') return;
    supervisor.off('state', onState);
    if (process.connected) process.send?.({ running: true } satisfies Started, () => process.connected && process.disconnect());
  };
  supervisor.on('state', onState);
}
