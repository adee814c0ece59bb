/** lmdb-js as the state itself: each record reads and writes it inside the transaction of the interval, which is then synced. */
import { keyAt } from '../keys.mjs';
import { entriesOf, openCounts } from './lmdb-counts.mjs';

export async function open({ directory, keys }) {
  const db = await openCounts(directory, keys);
  return {
    within: (work) => db.transactionSync(work),
    count(from, to) {
      for (let i = from; i < to; i++) {
        const key = keyAt(i, keys);
        db.putSync(key, db.get(key) + 1);
      }
    },
    // The transaction is committed by `within`; what is left is the sync, which lmdb-js does after it and reports here.
    commit: () => db.flushed,
    entries: () => entriesOf(db),
    close: () => db.close(),
  };
}
