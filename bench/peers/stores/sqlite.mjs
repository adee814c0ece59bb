/** better-sqlite3 as the state itself: a prepared upsert for each record, one transaction for each interval. */
import { keyAt } from '../keys.mjs';
import { entriesOf, openCounts } from './sqlite-counts.mjs';

export function open({ directory, keys }) {
  const db = openCounts(directory, keys);
  const begin = db.prepare('BEGIN IMMEDIATE');
  const end = db.prepare('COMMIT');
  const upsert = db.prepare('INSERT INTO counts (key, n) VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET n = n + 1');
  return {
    count(from, to) {
      if (!db.inTransaction) begin.run();
      for (let i = from; i < to; i++) upsert.run(keyAt(i, keys));
    },
    commit() {
      if (db.inTransaction) end.run();
    },
    entries: () => entriesOf(db),
    close: () => db.close(),
  };
}
