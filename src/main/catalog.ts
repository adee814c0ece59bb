/**
 * The catalog of a job's checkpoints: its history in a LevelDB (`<base>/<job-id>/catalog/`), so that it survives the process. An index, never a
 * source of truth: nothing is restored or deleted by it, and one that is missing or damaged is made anew from the manifests.
 *
 * | key                                                    | value                                      |
 * |--------------------------------------------------------|--------------------------------------------|
 * | `1/<time in ms, 15 digits>/<number, 16 digits>/<type>` | `HistoryRecord` as JSON; 1 is the version  |
 *
 * Keys ascend with time. A record that is written again, after the same checkpoint was read back from its manifest, has the same key.
 *
 * LevelDB lets one process open a database: the runtime process of the job, which writes it. A command asks that process, or reads a
 * copy when the job does not run.
 */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { ClassicLevel } from 'classic-level';
import { realFs } from '../snapshot/fs-port.ts';
import { type HistoryRecord, recordsOfManifests } from '../snapshot/history.ts';
import { catalogDirectory } from '../snapshot/paths.ts';

type Database = ClassicLevel<string, HistoryRecord>;

const VERSION = '1';
/** Older records are dropped: about 10 MB at 8 subtasks. */
const MAX_RECORDS = 10_000;

export class Catalog {
  readonly #db: Database;
  #count: number;

  private constructor(db: Database, count: number) {
    this.#db = db;
    this.#count = count;
  }

  /**
   * Opens the catalog of a job's directory for writing. Makes it where it is missing, makes it anew where it is damaged, and adds what the
   * manifests know and it does not.
   *
   * @throws when another process has it open, or it cannot be made
   */
  static async open(jobDir: string): Promise<Catalog> {
    const location = catalogDirectory(jobDir);
    // LevelDB makes parents as well: a job's directory that was removed must not come back.
    if (!existsSync(jobDir)) throw new Error(`there is no directory ${jobDir}`);
    let known: readonly HistoryRecord[];
    let db: Database;
    try {
      db = await openDatabase(location, true);
      known = await readAll(db);
    } catch (error) {
      if (isLocked(error)) throw error;
      await rm(location, { recursive: true, force: true });
      db = await openDatabase(location, true);
      known = [];
    }
    const catalog = new Catalog(db, known.length);
    const keys = new Set(known.map(keyOf));
    await catalog.add(recordsOfManifests(realFs, jobDir).filter((record) => !keys.has(keyOf(record))));
    return catalog;
  }

  /**
   * Reads a catalog, newest first; null when there is none or it is damaged. LevelDB writes wherever it opens, so a copy is read: who only
   * looks at a job, or restores from it, changes nothing of it and keeps nobody out. Of a catalog that is just being written the copy
   * may be damaged.
   */
  static async read(jobDir: string): Promise<HistoryRecord[] | null> {
    const location = catalogDirectory(jobDir);
    if (!existsSync(location)) return null;
    const work = await mkdtemp(join(tmpdir(), 'tidemark-catalog-'));
    const copy = join(work, 'catalog');
    try {
      await cp(location, copy, { recursive: true, filter: (source) => basename(source) !== 'LOCK' });
      const db = await openDatabase(copy, false);
      try {
        return (await readAll(db)).toReversed();
      } finally {
        await db.close();
      }
    } catch {
      return null;
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  }

  async add(records: readonly HistoryRecord[]): Promise<void> {
    if (records.length === 0) return;
    await this.#db.batch(records.map((record) => ({ type: 'put', key: keyOf(record), value: record })));
    this.#count += records.length;
    if (this.#count > MAX_RECORDS) await this.#prune();
  }

  /** Newest first. */
  async list(limit: number): Promise<HistoryRecord[]> {
    return this.#db.values({ reverse: true, limit }).all();
  }

  async close(): Promise<void> {
    await this.#db.close();
  }

  /** A tenth at a time, so that it is rare. */
  async #prune(): Promise<void> {
    const surplus = this.#count - Math.floor(0.9 * MAX_RECORDS);
    const keys = await this.#db.keys({ limit: surplus }).all();
    await this.#db.batch(keys.map((key) => ({ type: 'del', key })));
    this.#count -= keys.length;
  }
}

/** Loaded when it is needed: a job without checkpoints does not need it. */
async function openDatabase(location: string, createIfMissing: boolean): Promise<Database> {
  const { ClassicLevel: Level } = await import('classic-level');
  const db = new Level<string, HistoryRecord>(location, { valueEncoding: 'json', createIfMissing });
  await db.open();
  return db;
}

/** @throws when a record cannot be read */
async function readAll(db: Database): Promise<HistoryRecord[]> {
  const records = await db.values({ gte: `${VERSION}/`, lt: `${VERSION}0` }).all();
  for (const record of records) {
    if (typeof record !== 'object' || record === null || typeof record.checkpointId !== 'number' || typeof record.at !== 'string')
      throw new Error('the catalog holds something that is no record');
  }
  return records;
}

function keyOf({ at, checkpointId, type }: HistoryRecord): string {
  const digits = (value: number, count: number): string => String(value).padStart(count, '0');
  return `${VERSION}/${digits(Math.max(0, Date.parse(at)), 15)}/${digits(checkpointId, 16)}/${type}`;
}

function isLocked(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return code === 'LEVEL_LOCKED' || cause?.code === 'LEVEL_LOCKED';
}
