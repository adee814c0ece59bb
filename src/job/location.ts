/** Where in the user's code an operator was written, for messages. One stack for each operator, once, when the job is built. */
import { fileURLToPath } from 'node:url';

/** Frames of this folder are ours: `.../src/job/` or `.../dist/job/`. */
const OWN_FOLDER = fileURLToPath(new URL('.', import.meta.url));

/** Enough for our own frames, which are at most four deep, and a few of the user's. */
const STACK_FRAMES = 10;

/** `file:line` of the innermost frame outside this folder, relative to the working directory; undefined if there is none. */
export function callerLocation(): string | undefined {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = STACK_FRAMES;
  const { stack } = new Error();
  Error.stackTraceLimit = before;
  for (const frame of (stack ?? '').split('\n').slice(1)) {
    const found = /(?:\(|at |async )((?:file:\/\/|\/|[A-Za-z]:[\\/])[^()]*):(\d+):\d+\)?$/.exec(frame.trim());
    if (found === null) continue;
    const path = found[1].startsWith('file://') ? fileURLToPath(found[1]) : found[1];
    if (path.startsWith(OWN_FOLDER)) continue;
    return `${relativeToWorkingDirectory(path)}:${found[2]}`;
  }
  return undefined;
}

function relativeToWorkingDirectory(path: string): string {
  const directory = `${process.cwd()}/`;
  return path.startsWith(directory) ? path.slice(directory.length) : path;
}
