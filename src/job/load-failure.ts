/** Why a job module did not load, said so that the reader can go to the line. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { isTidemarkError, TidemarkError } from '../format/errors.ts';

/** Failures of import() that jiti overcomes: types that this Node does not strip, `./x.js` for x.ts, our own name. */
export function jitiCanHelp(error: unknown): boolean {
  const { code, message = '' } = error as { code?: string; message?: string };
  switch (code) {
    case 'ERR_UNKNOWN_FILE_EXTENSION':
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
    case 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING':
      return true;
    case 'ERR_MODULE_NOT_FOUND':
      return /Cannot find package 'tidemark'/.test(message) || /Cannot find module .*\.[cm]?js'/.test(message);
    default:
      return false;
  }
}

interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/**
 * ERR_JOB_LOAD for what a module threw. Errors of ours (a graph that is not valid) pass unchanged.
 *
 * @param parseAgain  loads the module with a parser that tells where a syntax error is; import() does not
 */
export async function describeLoadFailure(
  error: unknown,
  path: string,
  parseAgain?: () => Promise<unknown>,
): Promise<TidemarkError> {
  if (isTidemarkError(error)) return error;
  let failure = error;
  if (failure instanceof SyntaxError && placeOfSyntaxError(failure) === undefined && parseAgain !== undefined) {
    try {
      await parseAgain();
    } catch (again) {
      failure = again;
    }
  }
  const syntaxPlace = placeOfSyntaxError(failure);
  if (syntaxPlace !== undefined || error instanceof SyntaxError) {
    return jobLoadError(`The job file ${path} does not parse: ${syntaxMessage(failure)}`, path, syntaxPlace, error);
  }
  const { name = 'Error', message = String(error) } = error as Partial<Error>;
  return jobLoadError(`The job file ${path} threw while it was loaded: ${name}: ${message}`, path, placeOfThrow(error), error);
}

function jobLoadError(what: string, path: string, place: Place | undefined, cause: unknown): TidemarkError {
  const where = place === undefined ? '' : `\n  at ${place.file}:${place.line}:${place.column}${excerpt(place)}`;
  return new TidemarkError('ERR_JOB_LOAD', what + where, {
    cause,
    facts: { path, file: place?.file, line: place?.line, column: place?.column },
  });
}

/** From jiti "ParseError: ...\n file:line:column", from Node's type stripping a stack that begins "file:line". */
function placeOfSyntaxError(error: unknown): Place | undefined {
  const { message = '', stack = '', code } = error as { message?: string; stack?: string; code?: string };
  const fromJiti = /^ParseError: [^]*\n\s*(\S.*):(\d+):(\d+)\s*$/.exec(message);
  // jiti counts columns from 0.
  if (fromJiti !== null) return { file: fromJiti[1], line: Number(fromJiti[2]), column: Number(fromJiti[3]) + 1 };
  if (code !== 'ERR_INVALID_TYPESCRIPT_SYNTAX') return undefined;
  const fromNode = /^(\S.*):(\d+)\n.*\n( *)\^/.exec(stack);
  return fromNode === null ? undefined : { file: toPath(fromNode[1]), line: Number(fromNode[2]), column: fromNode[3].length + 1 };
}

function syntaxMessage(error: unknown): string {
  return (error as Error).message
    .replace(/^ParseError: /, '')
    .split('\n')[0]
    .trim();
}

/** The innermost frame of the stack that is in user code. */
function placeOfThrow(error: unknown): Place | undefined {
  const stack = (error as { stack?: unknown } | null)?.stack;
  if (typeof stack !== 'string') return undefined;
  for (const frame of stack.split('\n')) {
    const match = /^\s+at (?:.*\()?((?:file:\/\/|\/|[A-Za-z]:\\).*?):(\d+):(\d+)\)?$/.exec(frame);
    if (match !== null && !/[/\\]node_modules[/\\]/.test(match[1]))
      return { file: toPath(match[1]), line: Number(match[2]), column: Number(match[3]) };
  }
  return undefined;
}

function toPath(fileOrUrl: string): string {
  return fileOrUrl.startsWith('file:') ? fileURLToPath(fileOrUrl) : fileOrUrl;
}

/** The line and a caret under the column. */
function excerpt({ file, line, column }: Place): string {
  let source: string | undefined;
  try {
    source = readFileSync(file, 'utf8').split('\n')[line - 1];
  } catch {
    // The place is told in any case; the line is a courtesy.
  }
  if (source === undefined || source.length > 500) return '';
  const shown = source.replaceAll('\t', ' ');
  return `\n\n    ${shown}\n    ${' '.repeat(column - 1)}^`;
}
