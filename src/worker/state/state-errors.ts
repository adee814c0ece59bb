/** The errors of a state map. */
import { type ErrorFacts, TidemarkError } from '../../format/errors.ts';
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './record-layout.ts';

export interface MemoryFacts extends ErrorFacts {
  readonly label: string;
  readonly neededBytes: number;
  readonly usedBytes: number;
  readonly liveBytes: number;
  readonly limitBytes: number;
  readonly entries: number;
}

export function memoryLimitReached(facts: MemoryFacts): TidemarkError {
  return new TidemarkError(
    'ERR_STATE_MEMORY_LIMIT',
    `No room for ${facts.neededBytes} bytes more in ${facts.label}: ${facts.usedBytes} of ${facts.limitBytes} bytes are in use, ` +
      `${facts.liveBytes} of them by ${facts.entries} live entries. ` +
      'Raise state.memory.limit, raise the parallelism so that each subtask holds fewer keys, or delete what is no longer needed.',
    { facts },
  );
}

export function reservationRefused(label: string, limitBytes: number, cause: unknown): TidemarkError {
  return new TidemarkError(
    'ERR_STATE_MEMORY_LIMIT',
    `The machine refuses to reserve any part of ${limitBytes} bytes of address space for ${label}. ` +
      'Close other programs, or lower state.memory.limit.',
    { cause, facts: { label, limitBytes } },
  );
}

/** @throws TidemarkError ERR_RECORD_TOO_LARGE */
export function checkLengths(keyLength: number, valueLength: number, label: string): void {
  if (keyLength > MAX_KEY_BYTES) throw tooLarge('key', keyLength, MAX_KEY_BYTES, label);
  if (valueLength > MAX_VALUE_BYTES) throw tooLarge('value', valueLength, MAX_VALUE_BYTES, label);
}

function tooLarge(what: string, length: number, limit: number, label: string): TidemarkError {
  return new TidemarkError(
    'ERR_RECORD_TOO_LARGE',
    `A ${what} of ${length} bytes is too large for ${label}: at most ${limit} bytes are allowed. ` +
      'Split it, or keep it outside and store a reference.',
    { facts: { label, what, length, limit } },
  );
}
