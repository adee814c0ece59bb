/** Starting the runtime process of `tidemark run`, before or after the command line is read. */
import type { StdioOptions } from 'node:child_process';
import { extname } from 'node:path';
import { Supervisor } from '../supervisor.ts';
import { canRedraw } from '../terminal.ts';

/** The built one is a bundle, made by scripts/bundle.mjs. */
const RUNTIME_ENTRY = new URL(
  extname(import.meta.url) === '.ts' ? '../runtime-process.ts' : '../../bundle/runtime-process.js',
  import.meta.url,
);

/** With these, `run` forks no process of its own kind, or with other arguments. That they may be the job's costs little. */
const NOT_AHEAD = new Set(['-h', '--help', '-d', '--detached', '--print-config', '--cpu-prof']);

const FRAME_MS = 200;
const REPORT_MS = 1_000;

export function forkAhead(args: readonly string[]): Supervisor | undefined {
  return args[0] === 'run' && args.length > 1 && !args.some((arg) => NOT_AHEAD.has(arg)) ? forkRuntime() : undefined;
}

/** @param nodeOptions  options of Node for the runtime process, besides those of this one */
export function forkRuntime(nodeOptions: readonly string[] = []): Supervisor {
  const live = isLive();
  return new Supervisor({
    entry: runtimeEntry(),
    execArgv: [...process.execArgv, ...nodeOptions],
    stdio: stdioFor(live),
    progressEveryMs: live ? FRAME_MS : REPORT_MS,
  });
}

/** Is progress shown as a frame that is redrawn? */
export function isLive(): boolean {
  return canRedraw(process.stderr.isTTY);
}

/** What the job prints to the terminal is printed above the frame, so it comes through a pipe; else it goes its own way. */
function stdioFor(live: boolean): StdioOptions {
  return ['inherit', live && process.stdout.isTTY ? 'pipe' : 'inherit', live ? 'pipe' : 'inherit', 'ipc'];
}

/** The tests put a runtime in its place that they can steer. */
function runtimeEntry(): URL {
  const replaced = process.env['TIDEMARK_TEST_RUNTIME'];
  return replaced === undefined ? RUNTIME_ENTRY : new URL(replaced);
}
