/** The database of both SQLite peers. */
import { join } from 'node:path';
import Database from 'better-sqlite3';

/** @returns database with a table `counts`, all keys in it with 0, in WAL mode with a sync at each commit */
export function openCounts(directory, keys) {
  const db = new Database(join(directory, 'counts.sqlite'));
  db.pragma('journal_mode = WAL');
  // With NORMAL, WAL mode syncs at its own checkpoints only, and the last commits may be lost with the power.
  db.pragma('synchronous = FULL');
  // The whole database stays in memory, as everyone else's state does.
  db.pragma(`cache_size = -${2 * 2 ** 20}`);
  db.exec('CREATE TABLE counts (key INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT');
  const insert = db.prepare('INSERT INTO counts (key, n) VALUES (?, 0)');
  db.transaction(() => {
    for (let key = 0; key < keys; key++) insert.run(key);
  })();
  db.pragma('wal_checkpoint(TRUNCATE)');
  // Copying the log back after each commit of many pages would write every page twice a second; so it is once in some commits.
  db.pragma('wal_autocheckpoint = 65536');
  return db;
}

export function entriesOf(db) {
  return db.prepare('SELECT key, n FROM counts').raw().iterate();
}
