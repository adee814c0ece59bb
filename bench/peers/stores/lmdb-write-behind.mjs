/** lmdb-js behind a Map of the interval's increments, which are put by the library's own thread in one transaction, synced. */
import { entriesOf, openCounts } from './lmdb-counts.mjs';
import { WriteBehind } from './write-behind.mjs';

export async function open({ directory, keys }) {
  const db = await openCounts(directory, keys);
  const changes = new WriteBehind(keys);
  return {
    commitsInBackground: true,
    count: (from, to) => changes.count(from, to),
    commit() {
      // The commit before this one is durable, so `get` sees all that was put. Puts of one turn of the event loop are one transaction.
      for (const [key, increment] of changes.take()) {
        // A put that fails rejects a promise that nobody handles, which ends the process.
        void db.put(key, db.get(key) + increment);
      }
      return db.flushed;
    },
    entries: () => entriesOf(db),
    close: () => db.close(),
  };
}
