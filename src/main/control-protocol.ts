/**
 * What is said over the control socket of a job: one JSON document a line, requests one way, one response to each in the
 * order of the requests. The socket is open to its user only, so there is no further authentication.
 */
import type { EncodedError } from '../format/errors.ts';
import type { HistoryRecord } from '../snapshot/history.ts';
import type { CheckpointSummary, JobProgress } from './handle.ts';

/** A longer line ends the connection: nothing that we say is near it. */
export const MAX_LINE_BYTES = 1024 * 1024;

export type ControlRequest =
  | { readonly method: 'status' }
  | { readonly method: 'cancel' }
  | { readonly method: 'history'; readonly limit: number }
  | {
      readonly method: 'stop';
      readonly savepointDirectory?: string;
      readonly savepointFormat?: 'canonical' | 'native';
      readonly drain?: boolean;
    }
  | { readonly method: 'checkpoint' }
  | { readonly method: 'savepoint'; readonly directory?: string; readonly format?: 'canonical' | 'native' };

export type ControlMethod = ControlRequest['method'];

/** What each request is answered with. */
export interface ControlResults {
  readonly status: JobProgress | null;
  readonly cancel: null;
  readonly history: readonly HistoryRecord[];
  readonly stop: CheckpointSummary | null;
  readonly checkpoint: CheckpointSummary;
  readonly savepoint: CheckpointSummary;
}

export type ControlResponse =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly error: EncodedError };

/** As many of the first items as an answer has room for. */
export function withinLine<T>(items: readonly T[]): T[] {
  let left = MAX_LINE_BYTES / 2;
  const surplus = items.findIndex((item) => {
    left -= Buffer.byteLength(JSON.stringify(item));
    return left < 0;
  });
  return surplus === -1 ? [...items] : items.slice(0, surplus);
}

/** Checks a request from outside. @returns the reason why it is not one, or the request */
export function parseRequest(line: string): ControlRequest | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return 'the request is not JSON';
  }
  if (typeof value !== 'object' || value === null) return 'the request is not an object';
  const request = value as Record<string, unknown>;
  const isOptional = (field: string, type: string): boolean => request[field] === undefined || typeof request[field] === type;
  const isFormat = (field: string): boolean => ['canonical', 'native', undefined].includes(request[field] as never);
  switch (request['method']) {
    case 'status':
    case 'cancel':
    case 'checkpoint':
      return { method: request['method'] };
    case 'history':
      if (!Number.isSafeInteger(request['limit']) || (request['limit'] as number) < 1) break;
      return value as ControlRequest;
    case 'stop':
      if (!isOptional('savepointDirectory', 'string') || !isFormat('savepointFormat') || !isOptional('drain', 'boolean')) break;
      return value as ControlRequest;
    case 'savepoint':
      if (!isOptional('directory', 'string') || !isFormat('format')) break;
      return value as ControlRequest;
    default:
      return `there is no method ${JSON.stringify(request['method'])}`;
  }
  return `a parameter of ${request['method']} has a wrong type`;
}

/**
 * Cuts a stream of bytes into lines.
 *
 * @returns a function to give chunks to; it throws RangeError when a line grows beyond `MAX_LINE_BYTES`
 */
export function lineSplitter(onLine: (line: string) => void): (chunk: Buffer) => void {
  let parts: Buffer[] = [];
  let length = 0;
  return (chunk) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      parts.push(chunk.subarray(start, end));
      const line = Buffer.concat(parts).toString('utf8');
      parts = [];
      length = 0;
      start = end + 1;
      if (line.trim() !== '') onLine(line);
    }
    if (start === chunk.length) return;
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > MAX_LINE_BYTES) throw new RangeError(`a line is longer than ${MAX_LINE_BYTES} bytes`);
  };
}
