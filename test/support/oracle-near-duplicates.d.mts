export function nearDuplicateRecords(
  root: string,
  prefix: string,
): Iterable<{ left: string; right: string; similarity: number; shared: number }>;
