export function wordCountRecords(paths: readonly string[]): Iterable<{ word: string; count: number }>;
