/**
 * The input of a stage that begins with a source: takes splits from the shared queue, reads them, and notes how far it
 * came when a barrier is due.
 *
 * State names in the manifest, under the source's uid:
 * - `$done`: ids of splits read to their end
 * - `$splits`: `{ split, position }` of splits being read
 * - `$pending`: `{ split, position }` of splits that were being read at the restored checkpoint and that nobody had taken up
 *   again; subtask 0 reports them all, and whoever has taken one reports it as well, which counts
 */
import type { JsonValue } from '../format/json.ts';
import { Memory } from '../format/memory.ts';
import type { RecordOutput, SourceContext, Split, SplitReader } from '../job/source.ts';
import { closeAll } from './close-all.ts';
import type { RowSplitReader, RuntimeSource } from './connectors/source-runtime.ts';
import type { InputStop, StageInput } from './input.ts';
import type { Rows } from './operator.ts';
import { CONTROL_ROW_DOUBLES, CONTROL_ROW_WORDS, ControlDouble, ControlWord, type QueuedSplit } from './protocol.ts';

/** Head of a source's chain: takes values, or rows where the source makes them in binary. */
export interface SourceHead {
  emit(value: unknown, timestampMs: number): void;
  emitRows: ((rows: Rows) => void) | null;
  readonly full: boolean;
}

export interface SourceInputOptions {
  readonly source: RuntimeSource;
  readonly context: SourceContext;
  readonly head: SourceHead;
  readonly queue: readonly QueuedSplit[];
  /** Cursor into the queue, shared by the subtasks; for fixed splits every subtask takes those of its own index. */
  readonly cursor: Int32Array;
  readonly fixedSplits: boolean;
  readonly done: readonly string[];
  readonly control: { readonly i32: Int32Array; readonly f64: Float64Array };
  /** Row of this subtask in the control block. */
  readonly row: number;
  readonly epoch: number;
  readonly malformed: (raw: string, reason: string, where: string) => void;
}

interface OpenSplit {
  readonly split: Split;
  readonly reader: SplitReader<unknown> | null;
  readonly rowReader: RowSplitReader | null;
  /** performance.now() before which there is nothing to read. */
  wakeMs: number;
}

const PIECE_MS = 0.5;
const MAX_PIECE_RECORDS = 16_384;
/** Rows that are made and sent together: they stay in the nearest cache between. */
const ROW_BATCH_BYTES = 16 * 1024;

export class SourceInput implements StageInput, RecordOutput<unknown> {
  recordsIn = 0;
  watermarkMs = -Infinity;
  firstBarrierAtMs = 0;
  readonly #options: SourceInputOptions;
  readonly #done: string[];
  readonly #pending: readonly QueuedSplit[];
  #open: OpenSplit[] = [];
  #fixedNext: number;
  #current = 0;
  #epoch: number;
  #ended = false;
  #finishedHere = 0;
  #limit = 256;
  #emitted = 0;
  #allowed = 0;
  #rowMemory: Memory | null = null;
  readonly #rows: Rows = { memory: Memory.local(8), from: 0, to: 0, count: 0 };

  constructor(options: SourceInputOptions) {
    this.#options = options;
    this.#epoch = options.epoch;
    this.#fixedNext = options.context.subtask;
    this.#done = options.context.subtask === 0 ? [...options.done] : [];
    this.#pending = options.context.subtask === 0 ? options.queue.filter((queued) => queued.position !== null) : [];
  }

  /** Where the record that is being processed came from, for error messages. */
  where(): string {
    const open = this.#open[this.#current];
    return open?.reader?.location?.() ?? (open === undefined ? 'no split' : `split ${open.split.id}`);
  }

  run(deadlineMs: number): InputStop | Promise<InputStop> {
    for (;;) {
      const stop = this.#stopBefore(deadlineMs);
      if (stop !== null) return stop;
      const open = this.#nextReadable();
      if (open === null) {
        const taken = this.#takeSplit();
        if (taken === null) return this.#nothing();
        const opening = this.#openSplit(taken);
        if (opening !== null) return opening.then(() => this.run(deadlineMs));
        continue;
      }
      const waiting = this.#readSome(open, deadlineMs);
      if (waiting !== null) return waiting.then(() => this.run(deadlineMs));
    }
  }

  flipped(epoch: number): void {
    this.#epoch = epoch;
    this.firstBarrierAtMs = 0;
  }

  snapshot(): Readonly<Record<string, readonly JsonValue[]>> {
    const splits = this.#open.map(({ split, reader, rowReader }) => ({
      split: { id: split.id, data: split.data },
      position: (reader ?? rowReader)?.position() ?? null,
    }));
    const pending = this.#pending.map(({ split, position }) => ({ split: { id: split.id, data: split.data }, position }));
    return { $done: [...this.#done], $splits: splits, $pending: pending };
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = [];
    await closeAll(
      open.map(
        ({ reader, rowReader }) =>
          () =>
            (reader ?? rowReader)?.close(),
      ),
    );
  }

  get progress(): number {
    let splits = this.#finishedHere;
    for (const { reader, rowReader } of this.#open) splits += (reader ?? rowReader)?.progress?.() ?? 0;
    return splits;
  }

  get backlog(): boolean {
    for (const { reader } of this.#open) if (reader?.backlog?.() === true) return true;
    return false;
  }

  // RecordOutput, as the reader sees it.

  emit(value: unknown, timestampMs = -Infinity): void {
    this.#emitted++;
    this.#options.head.emit(value, timestampMs);
  }

  get full(): boolean {
    return this.#emitted >= this.#allowed || this.#options.head.full;
  }

  malformed(raw: string, reason: string, where: string): void {
    this.#options.malformed(raw, reason, where);
  }

  #stopBefore(deadlineMs: number): InputStop | null {
    const { control, row, head } = this.#options;
    const words = row * CONTROL_ROW_WORDS;
    const triggered = Atomics.load(control.i32, words + ControlWord.triggered);
    if (triggered >= this.#epoch) {
      this.firstBarrierAtMs = performance.timeOrigin + performance.now();
      return 'barrier';
    }
    if (Atomics.load(control.i32, words + ControlWord.cancelled) !== 0) return 'idle';
    const stopAfter = Atomics.load(control.i32, words + ControlWord.stopAfter);
    if (stopAfter !== 0 && this.#epoch > stopAfter) {
      control.f64[row * CONTROL_ROW_DOUBLES + ControlDouble.wakeAtMs] = Infinity;
      return 'idle';
    }
    if (Atomics.load(control.i32, words + ControlWord.drain) !== 0) this.#ended = true;
    if (this.#ended) return 'ended';
    if (head.full) return 'full';
    if (performance.now() >= deadlineMs || Atomics.load(control.i32, words + ControlWord.wanted) !== 0) return 'more';
    return null;
  }

  /** An open split that is due, in turn; fixed splits are all open at once, so there is one to take first. */
  #nextReadable(): OpenSplit | null {
    if (this.#options.fixedSplits && this.#fixedNext < this.#options.queue.length) return null;
    const now = performance.now();
    for (let i = 0; i < this.#open.length; i++) {
      const at = (this.#current + i) % this.#open.length;
      if (this.#open[at].wakeMs <= now) {
        this.#current = at;
        return this.#open[at];
      }
    }
    return null;
  }

  #takeSplit(): QueuedSplit | null {
    const { queue, cursor, fixedSplits, context } = this.#options;
    if (fixedSplits) {
      const index = this.#fixedNext;
      if (index >= queue.length) return null;
      this.#fixedNext += context.parallelism;
      return queue[index];
    }
    if (this.#open.length > 0) return null;
    const index = Atomics.add(cursor, 0, 1);
    return index < queue.length ? queue[index] : null;
  }

  #nothing(): InputStop {
    if (this.#open.length === 0) {
      this.#ended = true;
      return 'ended';
    }
    const { control, row } = this.#options;
    const due = this.#open.reduce((least, open) => Math.min(least, open.wakeMs), Infinity);
    control.f64[row * CONTROL_ROW_DOUBLES + ControlDouble.wakeAtMs] = performance.timeOrigin + due;
    return 'idle';
  }

  #openSplit(queued: QueuedSplit): Promise<void> | null {
    const { source, context, head } = this.#options;
    if (head.emitRows !== null && source.openRows !== undefined) {
      const rowReader = source.openRows(queued.split, queued.position, context);
      if (rowReader !== null) {
        this.#open.push({ split: queued.split, reader: null, rowReader, wakeMs: 0 });
        return null;
      }
    }
    const reader = source.open(queued.split, queued.position, context);
    if (reader instanceof Promise) {
      return reader.then((opened) => {
        this.#open.push({ split: queued.split, reader: opened, rowReader: null, wakeMs: 0 });
      });
    }
    this.#open.push({ split: queued.split, reader, rowReader: null, wakeMs: 0 });
    return null;
  }

  #readSome(open: OpenSplit, deadlineMs: number): Promise<void> | null {
    if (open.rowReader !== null) {
      this.#readRows(open, open.rowReader);
      return null;
    }
    const started = performance.now();
    this.#emitted = 0;
    this.#allowed = Math.max(1, Math.min(this.#limit, Math.ceil((this.#limit * (deadlineMs - started)) / PIECE_MS)));
    const result = (open.reader as SplitReader<unknown>).read(this.#allowed, this);
    if (result instanceof Promise) {
      return result.then(async (settled) => {
        await this.#settle(open, settled, started);
      });
    }
    return this.#settle(open, result, started);
  }

  #settle(open: OpenSplit, result: 'more' | 'end' | number, started: number): Promise<void> | null {
    this.recordsIn += this.#emitted;
    this.#adapt(this.#emitted, performance.now() - started);
    if (typeof result === 'number') open.wakeMs = performance.now() + Math.max(result, 0);
    if (result !== 'end') {
      if (this.#open.length > 1) this.#current = (this.#current + 1) % this.#open.length;
      return null;
    }
    return this.#finishSplit(open);
  }

  #finishSplit(open: OpenSplit): Promise<void> | null {
    this.#done.push(open.split.id);
    this.#finishedHere++;
    this.#open = this.#open.filter((other) => other !== open);
    this.#current = 0;
    const closing = (open.reader ?? (open.rowReader as RowSplitReader)).close();
    return closing instanceof Promise ? closing : null;
  }

  #readRows(open: OpenSplit, reader: RowSplitReader): void {
    const started = performance.now();
    let memory = this.#rowMemory;
    if (memory === null) {
      memory = Memory.local(ROW_BATCH_BYTES);
      this.#rowMemory = memory;
    }
    const read = reader.readRows(this.#limit, memory, 0, memory.byteLength);
    if (read.count === 0 && read.result === 'more') this.#rowMemory = Memory.local(memory.byteLength * 2);
    if (read.count > 0) {
      const rows = this.#rows;
      rows.memory = memory;
      rows.from = 0;
      rows.to = read.bytes;
      rows.count = read.count;
      this.#options.head.emitRows?.(rows);
    }
    this.recordsIn += read.count;
    this.#adapt(read.count, performance.now() - started);
    if (typeof read.result === 'number') open.wakeMs = performance.now() + Math.max(read.result, 0);
    if (read.result === 'end') void this.#finishSplit(open);
    else if (this.#open.length > 1) this.#current = (this.#current + 1) % this.#open.length;
  }

  #adapt(records: number, elapsedMs: number): void {
    if (records === 0) return;
    const wanted = (PIECE_MS * records) / Math.max(elapsedMs, 0.001);
    this.#limit = Math.max(1, Math.min(MAX_PIECE_RECORDS, Math.floor(Math.min(wanted, this.#limit * 2))));
  }
}
