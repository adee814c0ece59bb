/** Durations and sizes as people write them (`10 s`, `64 mb`), to milliseconds and bytes and back. Spellings are Flink's. */

export const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  milli: 1,
  millis: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1_000,
  sec: 1_000,
  secs: 1_000,
  second: 1_000,
  seconds: 1_000,
  m: 60_000,
  min: 60_000,
  mins: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  d: 86_400_000,
  day: 86_400_000,
  days: 86_400_000,
};

/** Powers of 1024, also for `kb` and `mb`, as in Flink's MemorySize. */
export const MEMORY_UNITS: Readonly<Record<string, number>> = {
  b: 1,
  byte: 1,
  bytes: 1,
  k: 2 ** 10,
  kb: 2 ** 10,
  kib: 2 ** 10,
  m: 2 ** 20,
  mb: 2 ** 20,
  mib: 2 ** 20,
  g: 2 ** 30,
  gb: 2 ** 30,
  gib: 2 ** 30,
  t: 2 ** 40,
  tb: 2 ** 40,
  tib: 2 ** 40,
};

/** @returns milliseconds, or `undefined` when the text is no duration; a plain number is milliseconds */
export function parseDuration(text: string): number | undefined {
  return parseWithUnit(text, DURATION_UNITS);
}

/** @returns whole bytes, or `undefined` when the text is no size; a plain number is bytes */
export function parseMemory(text: string): number | undefined {
  const bytes = parseWithUnit(text, MEMORY_UNITS);
  return bytes === undefined ? undefined : Math.round(bytes);
}

function parseWithUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(text);
  if (match === null) return undefined;
  const unit = match[2].toLowerCase();
  if (unit !== '' && !Object.hasOwn(units, unit)) return undefined;
  const value = Number(match[1]) * (unit === '' ? 1 : units[unit]);
  return Number.isSafeInteger(Math.round(value)) ? value : undefined;
}

/** Shortest exact spelling, in the largest unit that divides: 600000 is `10 min`. Reads back as the same number. */
export function formatDuration(ms: number): string {
  return formatExact(
    ms,
    [
      ['d', 86_400_000],
      ['h', 3_600_000],
      ['min', 60_000],
      ['s', 1_000],
    ],
    'ms',
  );
}

/** Shortest exact spelling, in the largest unit that divides: 67108864 is `64 mb`. Reads back as the same number. */
export function formatMemory(bytes: number): string {
  return formatExact(
    bytes,
    [
      ['tb', 2 ** 40],
      ['gb', 2 ** 30],
      ['mb', 2 ** 20],
      ['kb', 2 ** 10],
    ],
    'b',
  );
}

function formatExact(value: number, units: readonly (readonly [string, number])[], smallest: string): string {
  for (const [unit, size] of units) {
    if (value >= size && value % size === 0) return `${value / size} ${unit}`;
  }
  return `${value} ${smallest}`;
}
