/** What a manifest remembers of the parts that one subtask prepared at one barrier. */
import { TidemarkError } from '../../../format/errors.ts';
import type { JsonValue } from '../../../format/json.ts';
import { isPlainName } from './part-names.ts';

/** Types, not interfaces: they are JSON values. */
export type PreparedPart = {
  /** Name in the hidden directory. */
  readonly prepared: string;
  /** Name in the directory, once committed. */
  readonly final: string;
  readonly bytes: number;
  /** Content hash. */
  readonly hash: string;
};

export type FilesCommittable = {
  /** As the job has it: relative to the working directory if the job says so. */
  readonly directory: string;
  readonly parts: readonly PreparedPart[];
};

/**
 * A committable as a manifest gives it back.
 *
 * @throws TidemarkError ERR_SINK_FAILED when it is none, or names something outside its directory
 */
export function readCommittable(value: JsonValue): FilesCommittable {
  const { directory, parts } = (value ?? {}) as Partial<FilesCommittable>;
  const valid =
    typeof directory === 'string' &&
    Array.isArray(parts) &&
    (parts as readonly Partial<PreparedPart>[]).every(
      (part) =>
        isPlainName(part.prepared) &&
        isPlainName(part.final) &&
        Number.isSafeInteger(part.bytes) &&
        typeof part.hash === 'string',
    );
  if (!valid) {
    throw new TidemarkError(
      'ERR_SINK_FAILED',
      `A committable of a file sink has an unknown form: ${JSON.stringify(value)?.slice(0, 200)}. It was written by another kind of sink or another version.`,
    );
  }
  return value as FilesCommittable;
}
