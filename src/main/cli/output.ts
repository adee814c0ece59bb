/** How commands speak: results to standard output, everything for people about the run of a job to standard error. */
import { encodeError, ERROR_CODES, type ErrorCode, isTidemarkError } from '../../format/errors.ts';
import { type Paint, painter } from '../terminal.ts';

export const paintErr: Paint = painter(process.stderr.isTTY);
export const paintOut: Paint = painter(process.stdout.isTTY);

export function printOut(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printErr(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** One document, one line. */
export function printJson(document: unknown): void {
  process.stdout.write(`${JSON.stringify(document)}\n`);
}

/** An error as `--json` shows it. */
export function errorDocument(error: unknown): { code: string; message: string; facts: Readonly<Record<string, unknown>> } {
  const { message, facts } = encodeError(error);
  return { code: codeOf(error), message, facts: facts ?? {} };
}

/** An error as people see it: code and message, and what it was caused by; the stack where it is a user's or our bug. */
export function describeError(error: unknown, paint: Paint): string {
  const message = error instanceof Error ? error.message : String(error);
  const lines = [`${paint('red', codeOf(error))}: ${message}`];
  if (!isTidemarkError(error) && error instanceof Error && error.stack !== undefined)
    lines.push(paint('dim', framesOf(error.stack)));
  for (let cause = (error as Error).cause, depth = 0; cause instanceof Error && depth < 4; cause = cause.cause, depth++) {
    // A message often quotes its cause: then only the stack is news.
    if (!message.includes(cause.message)) lines.push(`caused by ${cause.name}: ${cause.message}`);
    if (!isTidemarkError(cause) && cause.stack !== undefined) lines.push(paint('dim', framesOf(cause.stack)));
  }
  return lines.filter((line) => line !== '').join('\n');
}

export function exitCodeOf(error: unknown): number {
  return ERROR_CODES[codeOf(error)].exit;
}

function codeOf(error: unknown): ErrorCode {
  return isTidemarkError(error) ? error.code : 'ERR_INTERNAL';
}

function framesOf(stack: string): string {
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line) && !line.includes('node:internal'));
  return frames.slice(0, 6).join('\n');
}
