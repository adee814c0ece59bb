export function everyStateRecords(
  records: number,
  short: number,
): Readonly<Record<'states' | 'aggregates' | 'reduced', readonly Readonly<Record<string, unknown>>[]>>;
