export interface Comparison {
  readonly records: number;
  readonly lost: readonly string[];
  readonly extra: readonly string[];
}
export function readLines(directory: string): string[];
export function compareOutput(directory: string, expected: Iterable<object>): Comparison;
