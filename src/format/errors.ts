/**
 * Every error that Tidemark reports. The code is permanent and for programs; the message is for people and says what
 * happened, where, both sides of a mismatch and the next step. `docs/errors.md` has an entry for each code; a test
 * compares.
 */

/** Exit code of the command line for an error: 1 the job failed, 2 usage or configuration, 3 cannot be restored. */
export type ExitCode = 1 | 2 | 3;

/** Code, exit code and one-line meaning of each error. The single list: everything else derives from it. */
export const ERROR_CODES = {
  ERR_INVALID_ARG: { exit: 2, meaning: 'An argument or option of the API has a wrong type or value.' },
  ERR_USAGE: { exit: 2, meaning: 'The command line cannot be understood.' },
  ERR_CONFIG_INVALID: { exit: 2, meaning: 'A configuration key is unknown or its value is not valid.' },
  ERR_JOB_NOT_FOUND: { exit: 2, meaning: 'The job file does not exist.' },
  ERR_JOB_LOAD: {
    exit: 2,
    meaning: 'The job file cannot be loaded: it throws, does not parse, or has no default export that is a job.',
  },
  ERR_JOB_INVALID: {
    exit: 2,
    meaning: 'The job graph is not valid: a duplicate uid, no sink, or an operator that cannot be planned.',
  },
  ERR_INPUT_NOT_FOUND: { exit: 2, meaning: 'A pattern of a source finds no file to read.' },
  ERR_NO_SUCH_JOB: { exit: 2, meaning: 'No running job has this id or name.' },
  ERR_STATE_NOT_FOUND: { exit: 2, meaning: 'A checkpoint has no keyed state of this operator and name.' },
  ERR_CHECKPOINT_DIR: { exit: 2, meaning: 'The checkpoint directory cannot be used.' },
  ERR_DIR_LOCKED: { exit: 2, meaning: 'Another process owns the directory of this job.' },
  ERR_CHECKPOINT_NOT_FOUND: { exit: 3, meaning: 'The path to restore from does not exist or holds no checkpoint.' },
  ERR_MANIFEST_CORRUPT: { exit: 3, meaning: 'A checkpoint manifest is damaged.' },
  ERR_TABLE_CORRUPT: { exit: 3, meaning: 'A sorted table is damaged.' },
  ERR_FILE_MISSING: { exit: 3, meaning: 'A file that a manifest names does not exist.' },
  ERR_FORMAT_UNSUPPORTED: { exit: 3, meaning: 'A file was written in a format that this version does not read.' },
  ERR_STATE_UNMATCHED: { exit: 3, meaning: 'A checkpoint holds state of an operator that the job does not have.' },
  ERR_STATE_INCOMPATIBLE: { exit: 3, meaning: 'The schema of a state or key changed in a way that cannot be migrated.' },
  ERR_MAX_PARALLELISM: { exit: 3, meaning: 'The maximum parallelism differs from the one in the checkpoint.' },
  ERR_SAVEPOINT_FAILED: { exit: 1, meaning: 'A savepoint could not be taken.' },
  ERR_CHECKPOINT_ABORTED: { exit: 1, meaning: 'A checkpoint was aborted.' },
  ERR_CHECKPOINT_TIMEOUT: { exit: 1, meaning: 'A checkpoint did not complete in time.' },
  ERR_CHECKPOINT_FENCED: { exit: 1, meaning: 'Another process has published a checkpoint of this job meanwhile.' },
  ERR_OPERATOR_FAILED: { exit: 1, meaning: 'A user function threw.' },
  ERR_RECORD_MALFORMED: { exit: 1, meaning: 'An input record cannot be decoded.' },
  ERR_SOURCE_FAILED: { exit: 1, meaning: 'A source cannot be read.' },
  ERR_SOURCE_CHANGED: { exit: 1, meaning: 'An input file is not the one that the checkpoint has a position in.' },
  ERR_SINK_FAILED: { exit: 1, meaning: 'A sink cannot be written or committed.' },
  ERR_RECORD_TOO_LARGE: { exit: 1, meaning: 'A key or value is larger than the limit.' },
  ERR_STATE_MEMORY_LIMIT: { exit: 1, meaning: 'Keyed state would need more memory than state.memory.limit.' },
  ERR_LEASE_TIMEOUT: { exit: 1, meaning: 'The lease of a shared map was not free in time.' },
  ERR_WORKER_EXITED: { exit: 1, meaning: 'A worker thread exited.' },
  ERR_WORKER_OUT_OF_MEMORY: { exit: 1, meaning: 'A worker thread ran out of heap.' },
  ERR_TASK_TIMEOUT: { exit: 1, meaning: 'User code did not return within task.timeout.' },
  ERR_NO_SPACE: { exit: 1, meaning: 'The disk is full.' },
  ERR_IO: { exit: 1, meaning: 'A file operation failed.' },
  ERR_JOB_CANCELLED: { exit: 1, meaning: 'The job was cancelled.' },
  ERR_JOB_FAILED: { exit: 1, meaning: 'The job failed and its restart strategy gave up.' },
  ERR_INTERNAL: { exit: 1, meaning: 'A bug in Tidemark.' },
} as const satisfies Record<string, { exit: ExitCode; meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Facts about an error, as fields: the same as in the message, for programs. Must survive structured clone and JSON. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface TidemarkErrorOptions {
  readonly cause?: unknown;
  readonly facts?: ErrorFacts;
}

/** Base of all errors that Tidemark throws on purpose. */
export class TidemarkError extends Error {
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, message: string, options: TidemarkErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target === TidemarkError ? 'TidemarkError' : new.target.name;
    this.code = code;
    this.facts = options.facts ?? {};
  }

  /** Exit code of the command line for this error. */
  get exitCode(): ExitCode {
    return ERROR_CODES[this.code].exit;
  }
}

/** Is this one of our errors, also one rebuilt from another thread? */
export function isTidemarkError(error: unknown): error is TidemarkError {
  return error instanceof TidemarkError;
}

/** An error as plain data: what crosses a thread boundary, where structured clone would strip class and fields. */
export interface EncodedError {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly stack: string | undefined;
  readonly facts: ErrorFacts | undefined;
  readonly cause: EncodedError | undefined;
}

const MAX_CAUSE_DEPTH = 8;

export function encodeError(error: unknown, depth = 0): EncodedError {
  if (!(error instanceof Error)) {
    return {
      name: 'Error',
      message: `a value that is not an Error was thrown: ${String(error)}`,
      code: undefined,
      stack: undefined,
      facts: undefined,
      cause: undefined,
    };
  }
  const code = (error as { code?: unknown }).code;
  return {
    name: error.name,
    message: error.message,
    code: typeof code === 'string' ? code : undefined,
    stack: error.stack,
    facts: error instanceof TidemarkError ? error.facts : undefined,
    cause: error.cause === undefined || depth >= MAX_CAUSE_DEPTH ? undefined : encodeError(error.cause, depth + 1),
  };
}

export function decodeError(encoded: EncodedError): Error {
  const cause = encoded.cause === undefined ? undefined : decodeError(encoded.cause);
  let error: Error;
  if (encoded.code !== undefined && encoded.code in ERROR_CODES) {
    error = new TidemarkError(encoded.code as ErrorCode, encoded.message, {
      cause,
      ...(encoded.facts && { facts: encoded.facts }),
    });
  } else {
    error = new Error(encoded.message, cause === undefined ? undefined : { cause });
    if (encoded.code !== undefined) Object.assign(error, { code: encoded.code });
  }
  error.name = encoded.name;
  if (encoded.stack !== undefined) error.stack = encoded.stack;
  return error;
}
