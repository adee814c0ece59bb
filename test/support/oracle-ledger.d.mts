export function ledgerRecords(entries: number, accounts: number): Iterable<object>;
