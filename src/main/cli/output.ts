/** How commands speak: results to standard output, everything for people about the run of a job to standard error. */
import { fileURLToPath } from 'node:url';
import { encodeError, ERROR_CODES, type ErrorCode, isTidemarkError } from '../../format/errors.ts';
import { type Paint, painter, widthOf } from '../terminal.ts';
import { type Column, renderTable } from '../text-table.ts';

const NOT_THE_USERS = ['(node:', ' node:', '/node_modules/', fileURLToPath(new URL('../..', import.meta.url))];

export const paintErr: Paint = painter(process.stderr.isTTY);
export const paintOut: Paint = painter(process.stdout.isTTY);

export function printOut(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printErr(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A table as wide as the terminal allows, with its titles dimmed. */
export function printTable(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
  const width = widthOf(process.stdout);
  for (const [i, line] of renderTable(columns, rows, width).entries()) printOut(i === 0 ? paintOut('dim', line) : line);
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
  // An error that is not one of ours is our bug, and wants its whole stack.
  if (!isTidemarkError(error) && error instanceof Error) lines.push(...framesOf(error).map((frame) => paint('dim', frame)));
  let said = message;
  for (let cause = (error as Error).cause, depth = 0; cause instanceof Error && depth < 4; cause = cause.cause, depth++) {
    // A message often quotes its cause: then only the stack is news.
    if (!said.includes(cause.message)) lines.push(`caused by ${cause.name}: ${cause.message}`);
    said += cause.message;
    if (!isTidemarkError(cause)) lines.push(...userFrames(cause).map((frame) => paint('dim', frame)));
  }
  return lines.join('\n');
}

export function exitCodeOf(error: unknown): number {
  return ERROR_CODES[codeOf(error)].exit;
}

function codeOf(error: unknown): ErrorCode {
  return isTidemarkError(error) ? error.code : 'ERR_INTERNAL';
}

function framesOf({ stack = '' }: Error): string[] {
  return stack.split('\n').filter((line) => /^\s+at /.test(line));
}

/** The first frames in user code: where to look. Ours and Node's say nothing to the reader. */
function userFrames(error: Error): string[] {
  return framesOf(error)
    .filter((line) => !NOT_THE_USERS.some((part) => line.includes(part)))
    .slice(0, 6);
}
