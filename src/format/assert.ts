/**
 * Assertions state what a proof says about our own code; they are always on. What comes from outside (user options,
 * bytes of a file, another thread) is never asserted: it gets a typed error from `errors.ts`.
 */

/**
 * Throws when our own reasoning was wrong.
 *
 * @param condition  what must hold
 * @param what       constant text, or a function where building the text costs something
 */
export function assert(condition: boolean, what: string | (() => string)): asserts condition {
  if (condition) return;
  throw new AssertionError(typeof what === 'string' ? what : what());
}

/** A bug in Tidemark itself. Please report it with the text. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
  readonly code = 'ERR_ASSERTION';
}
