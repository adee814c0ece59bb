/**
 * A ledger: entries with unique numbers move amounts between accounts. Lost, repeated and invented records show as such in its
 * output; state and totals do not depend on the order of arrival. Arguments: entries, accounts, entries per second, output.
 */
import { files, generate, job, map, sum, count, t, value } from 'tidemark';

const Entry = t.record({ index: t.int, account: t.string, amount: t.i32 });

export default job('ledger', (flow, [entries = '20000', accounts = '200', ratePerSecond = '20000', out = 'out']) => {
  const ledger = flow.from(
    generate({
      count: Number(entries),
      ratePerSecond: Number(ratePerSecond),
      schema: Entry,
      make: (index) => ({ index, account: `account-${(index * 7919) % Number(accounts)}`, amount: ((index * 31) % 1009) - 500 }),
    }),
  );

  ledger
    .keyBy('account')
    .process({
      state: { entries: value(t.int, 0), balance: value(t.f64, 0), byDigit: map(t.i32, t.int) },
      onRecord(entry, { state, emit }) {
        state.entries.update((n) => n + 1);
        state.balance.update((balance) => balance + entry.amount);
        state.byDigit.set(entry.index % 10, (state.byDigit.get(entry.index % 10) ?? 0) + 1);
        emit(entry);
      },
      onEnd({ key, state, emit }) {
        const digits = [...state.byDigit.entries()]
          .map(([digit, n]) => `${digit}:${n}`)
          .toSorted()
          .join(' ');
        emit({ account: key, entries: state.entries.get(), balance: state.balance.get(), digits });
      },
    })
    .uid('accounts')
    .to(files.jsonl(`${out}/entries`));

  ledger
    .keyBy('account')
    .aggregate({ n: count(), sum: sum('amount') }, { emit: 'end' })
    .uid('totals')
    .to(files.jsonl(`${out}/totals`));
});
