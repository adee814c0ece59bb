/** better-sqlite3 behind a Map of the interval's increments: a prepared upsert for each key that changed, in one transaction. */
import { entriesOf, openCounts } from './sqlite-counts.mjs';
import { WriteBehind } from './write-behind.mjs';

export function open({ directory, keys }) {
  const db = openCounts(directory, keys);
  const changes = new WriteBehind(keys);
  const upsert = db.prepare('INSERT INTO counts (key, n) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET n = n + excluded.n');
  const write = db.transaction((increments) => {
    for (const [key, increment] of increments) upsert.run(key, increment);
  });
  return {
    count: (from, to) => changes.count(from, to),
    commit() {
      write.immediate(changes.take());
    },
    entries: () => entriesOf(db),
    close: () => db.close(),
  };
}
