/**
 * What `test/e2e/jobs/ledger.mjs` must write, computed by a plain loop. Shares no code with Tidemark.
 *
 * Entry `index` belongs to account `(index * 7919) % accounts` and moves `(index * 31) % 1009 - 500` units: unique,
 * equidistant numbers, so that a lost, a repeated and an invented record can be told apart.
 */

/** @returns {Iterable<object>} every record of the job's two outputs, in any order */
export function* ledgerRecords(entries, accounts) {
  const totals = new Map();
  for (let index = 0; index < entries; index++) {
    const account = `account-${(index * 7919) % accounts}`;
    const amount = ((index * 31) % 1009) - 500;
    yield { index, account, amount };
    const total = totals.get(account) ?? { account, entries: 0, balance: 0, byDigit: {} };
    total.entries++;
    total.balance += amount;
    total.byDigit[index % 10] = (total.byDigit[index % 10] ?? 0) + 1;
    totals.set(account, total);
  }
  for (const { account, entries: count, balance, byDigit } of totals.values()) {
    yield {
      account,
      entries: count,
      balance,
      digits: Object.entries(byDigit)
        .map(([digit, n]) => `${digit}:${n}`)
        .toSorted()
        .join(' '),
    };
    yield { account, n: count, sum: balance };
  }
}
