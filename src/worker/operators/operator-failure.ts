/** What a user function's error becomes: ERR_OPERATOR_FAILED with everything that helps to find the record and the line. */
import { TidemarkError } from '../../format/errors.ts';
import type { GraphNode } from '../../job/graph.ts';
import type { OperatorContext } from '../operator.ts';

const EXCERPT_CHARS = 200;

/** Where an operator runs, for messages. One per operator. */
export interface FailureSite {
  readonly node: GraphNode;
  readonly context: OperatorContext;
  /** Where the record came from that is being processed, as far as the subtask knows. */
  readonly where: () => RecordPlace | undefined;
}

/** "file:line" or the like where the subtask reads the source itself; behind an exchange, who sent it. */
export type RecordPlace = string | RecordSender;

/** From it the main thread knows how far the sources had read before (`main/input-positions.ts`). */
export interface RecordSender {
  /** Number of the stage, and its name. */
  readonly stage: number;
  readonly stageName: string;
  /** Index in the stage. */
  readonly subtask: number;
  /** The record came after the barrier of this checkpoint, or savepoint. */
  readonly afterBarrier: number;
}

/**
 * The error to throw when `error` came out of an operator's function. Errors that already say what happened and where (of
 * an operator further down the chain, of the state, of a sink) are returned as they are; a value that does not match its
 * schema is the function's mistake and so is reported as its failure.
 *
 * @param record  the record, or a function that decodes it, where there may be none
 */
export function operatorFailure(error: unknown, site: FailureSite, record: () => unknown): TidemarkError {
  if (error instanceof TidemarkError && error.code !== 'ERR_INVALID_ARG') return error;
  const { node, context } = site;
  const message = error instanceof Error ? error.message : String(error);
  const place = site.where();
  const sender = typeof place === 'object' ? place : null;
  const position =
    sender === null ? (place as string | undefined) : `a record from subtask ${sender.subtask} of stage '${sender.stageName}'`;
  const text = excerpt(record);
  const code = node.location === undefined ? '' : ` (${node.location})`;
  const at = position === undefined ? '' : `, at ${position}`;
  return new TidemarkError(
    'ERR_OPERATOR_FAILED',
    `Operator '${node.name}'${code} failed in subtask ${context.subtask} of ${context.parallelism}${at}: ${message}. ` +
      `The record was ${text}. Correct the function, or filter such records out before it.`,
    {
      cause: error,
      facts: {
        operator: node.name,
        uid: node.uid,
        location: node.location,
        subtask: context.subtask,
        parallelism: context.parallelism,
        source: position,
        ...(sender !== null && { fromStage: sender.stage, fromSubtask: sender.subtask, afterBarrier: sender.afterBarrier }),
        record: text,
      },
    },
  );
}

/** At most 200 characters of a record as JSON, whatever it is. Never throws. */
export function excerpt(record: () => unknown): string {
  let text: string;
  try {
    const value = record();
    text = JSON.stringify(value, plain) ?? String(value);
  } catch (error) {
    text = `(not printable: ${error instanceof Error ? error.message : String(error)})`;
  }
  return text.length <= EXCERPT_CHARS ? text : `${text.slice(0, EXCERPT_CHARS)}...`;
}

/** JSON for what JSON does not have. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Map) return { Map: [...value] };
  if (value instanceof Set) return { Set: [...value] };
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  return value;
}
