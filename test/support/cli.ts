/** Runs the built command line as a process of its own, in a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const CLI = fileURLToPath(new URL('../../dist/main/cli/main.js', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Last line of stdout, parsed; with `--json`. */
  readonly json: () => Record<string, unknown>;
}

export interface RunningCli {
  readonly process: ChildProcess;
  readonly ended: Promise<CliResult>;
  readonly stderr: () => string;
}

/** A directory that is removed after the test, with the given files in it. */
export function makeDirectory(contents: Readonly<Record<string, string>> = {}): string {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-test-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(contents)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text);
  }
  return directory;
}

/** Starts the command line in a process group of its own, which is killed after the test if it is still there. */
export function startCli(cwd: string, args: readonly string[], wrapper: readonly string[] = []): RunningCli {
  const [command, ...rest] = [...wrapper, process.execPath, CLI, ...args];
  const child = spawn(command, rest, {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', TIDEMARK_RUNTIME_DIR: join(cwd, '.runtime') },
  });
  onTestFinished(() => killGroup(child));
  // A detached job is in no group of ours.
  if (args.includes('-d')) onTestFinished(() => killStartedWith(join(cwd, '.runtime')));
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
  const ended = new Promise<CliResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({
        code,
        signal,
        stdout,
        stderr,
        json: () => JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>,
      });
    });
  });
  return { process: child, ended, stderr: () => stderr };
}

export function runCli(cwd: string, args: readonly string[], wrapper?: readonly string[]): Promise<CliResult> {
  return startCli(cwd, args, wrapper).ended;
}

export function killGroup(child: ChildProcess): void {
  try {
    process.kill(-(child.pid as number), 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/**
 * Ends every process that was started with this runtime directory, `run -d` included: also one that has not registered itself yet, or that
 * could not be told apart by its job's name. Told by their environment, on Linux only.
 */
export function killStartedWith(runtimeDirectory: string): void {
  const mark = `TIDEMARK_RUNTIME_DIR=${runtimeDirectory}`;
  for (const pid of processesWith(mark)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

/** Ids of processes that have this in their environment. */
export function processesWith(mark: string): number[] {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(mark);
      } catch {
        // Another user's, or gone.
        return false;
      }
    });
}

export async function until(condition: () => boolean, what: string, timeoutMs = 20_000): Promise<void> {
  for (const deadline = performance.now() + timeoutMs; !condition(); ) {
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
