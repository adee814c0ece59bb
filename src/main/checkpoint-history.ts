/**
 * Keeps the history of a running job: in memory, and in the catalog of its directory. The job does not wait for it and never fails by it: what
 * goes wrong is told once, and tried again with the next record.
 */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { HistoryRecord } from '../snapshot/history.ts';
import { catalogDirectory } from '../snapshot/paths.ts';
import { Catalog } from './catalog.ts';
import { settledWithin } from './settled-within.ts';

/** Records kept in memory while the catalog cannot be written, and when it is closed. */
const MAX_WAITING = 1000;
/** How long the catalog is done without once the disk was full. */
const GIVE_WAY_MS = 10 * 60_000;
const CLOSE_WAIT_MS = 5000;

export class CheckpointHistory {
  readonly #jobDirectory: string | null;
  readonly #notice: (text: string) => void;
  #catalog: Catalog | null = null;
  /** Not in the catalog yet, oldest first. */
  #waiting: HistoryRecord[] = [];
  #work: Promise<void> = Promise.resolve();
  #told = false;
  #giveWayUntilMs = 0;
  #closed = false;

  /**
   * @param jobDirectory  owned by this process; null: there is none, and nothing is kept for later
   * @param notice        takes a line for people
   */
  constructor(jobDirectory: string | null, notice: (text: string) => void) {
    this.#jobDirectory = jobDirectory;
    this.#notice = notice;
  }

  /** Returns at once. */
  add(record: HistoryRecord): void {
    this.#waiting.push(record);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.#work = this.#work.then(() => this.#write());
  }

  /** Takes over the history of the job whose checkpoint is restored: its directory may be deleted before this job ends. */
  adopt(checkpointPath: string): void {
    const former = dirname(checkpointPath);
    if (former === this.#jobDirectory) return;
    this.#work = this.#work.then(async () => {
      this.#waiting.unshift(...((await Catalog.read(former)) ?? []).toReversed());
      await this.#write();
    });
  }

  /**
   * The disk is full: what the catalog takes is a checkpoint's. Its files are removed, since they can be made anew, and records stay in
   * memory for a while.
   */
  giveWay(): void {
    const jobDirectory = this.#jobDirectory;
    const givesWay = performance.now() < this.#giveWayUntilMs;
    this.#giveWayUntilMs = performance.now() + GIVE_WAY_MS;
    if (jobDirectory === null || givesWay) return;
    this.#work = this.#work.then(async () => {
      await this.#takeOut();
      await rm(catalogDirectory(jobDirectory), { recursive: true, force: true }).catch(() => undefined);
    });
  }

  /** Newest first; once it is closed, of the newest 1,000. */
  async list(limit: number): Promise<HistoryRecord[]> {
    if (!this.#closed) await this.#work;
    const kept = (await this.#catalog?.list(limit)) ?? [];
    return [...this.#waiting.toReversed(), ...kept].slice(0, limit);
  }

  /**
   * Writes what is left and lets go of the catalog, whose directory may be deleted next; what it held last is still told. A disk that does not
   * answer does not keep the job from ending.
   */
  async close(): Promise<void> {
    this.#work = this.#work.then(async () => {
      await this.#takeOut();
      this.#closed = true;
    });
    await settledWithin(this.#work, CLOSE_WAIT_MS);
    this.#closed = true;
  }

  /** What the catalog holds is in memory from now on, as far as there is room, and the catalog is closed. */
  async #takeOut(): Promise<void> {
    const catalog = this.#catalog;
    this.#catalog = null;
    if (catalog === null) return;
    const kept = await catalog.list(MAX_WAITING).catch(() => []);
    this.#waiting = [...kept.toReversed(), ...this.#waiting].slice(-MAX_WAITING);
    await catalog.close().catch(() => undefined);
  }

  async #write(): Promise<void> {
    if (this.#jobDirectory === null || this.#closed || this.#waiting.length === 0) return;
    if (performance.now() < this.#giveWayUntilMs) return;
    try {
      // Opened with the first record: a job that starts does not wait for a database.
      this.#catalog ??= await Catalog.open(this.#jobDirectory);
      const records = new Set(this.#waiting);
      await this.#catalog.add([...records]);
      this.#waiting = this.#waiting.filter((record) => !records.has(record));
    } catch (error) {
      if (/no space left/i.test((error as Error).message)) this.giveWay();
      if (this.#told) return;
      this.#told = true;
      this.#notice(
        `The history of checkpoints cannot be written and is kept in memory: ${(error as Error).message}. Checkpoints do not depend on it.`,
      );
    }
  }
}
