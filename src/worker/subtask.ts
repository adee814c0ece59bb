/**
 * One subtask: an input, a chain of operators, outputs; and one turn of it.
 *
 * Invariants:
 * - An epoch is flipped only when the input says that it ended, after everything the chain had buffered was emitted and
 *   before anything of the next epoch is read.
 * - At the end of a turn every position lies in shared memory or in what `snapshot` reports; rows that found no room
 *   wait in the writers' heap and pin the subtask to this worker.
 */
import { TidemarkError } from '../format/errors.ts';
import type { JsonValue } from '../format/json.ts';
import type { JobGraph } from '../job/graph.ts';
import { CheckpointNotices } from './checkpoint-notices.ts';
import { closeAll } from './close-all.ts';
import type { Chain } from './operators/chain.ts';
import type { ExchangeOutput } from './exchange.ts';
import type { StageInput } from './input.ts';
import type { InputGate } from './input-gate.ts';
import type { OperatorCounterRow } from './operator-counters.ts';
import {
  CONTROL_ROW_DOUBLES,
  CONTROL_ROW_WORDS,
  ControlDouble,
  ControlWord,
  InTurn,
  type Deployment,
  type OpenState,
  type OversizeRow,
  type StagePlan,
  SubtaskFlag,
  type SyncSnapshot,
  type Task,
  type TurnResult,
} from './protocol.ts';
import type { SinkOutput } from './sink-output.ts';
import { pinReader } from './state/log-state-map.ts';
import type { StateMap } from './state/state-map.ts';

export type TurnTask = Extract<Task, { readonly op: 'turn' }>;

export interface SubtaskParts {
  readonly deployment: Deployment;
  readonly graph: JobGraph;
  readonly stage: StagePlan;
  readonly index: number;
  readonly input: StageInput;
  readonly gate: InputGate | null;
  readonly sourceUid: string | null;
  readonly chain: Chain;
  readonly exchanges: readonly ExchangeOutput[];
  readonly sinks: readonly SinkOutput[];
  readonly states: readonly { readonly info: Omit<OpenState, 'handles'>; readonly map: StateMap }[];
  /** Some state was restored into another schema. */
  readonly migrated: boolean;
  readonly oversize: OversizeRow[];
  readonly control: { readonly i32: Int32Array; readonly f64: Float64Array };
  readonly counters: { malformed: number };
  readonly operatorCounters: OperatorCounterRow;
}

/**
 * From this share of changed entries on, a checkpoint writes all of them: a delta would be as large, would need the old
 * versions for the digest, and would have to be merged. With 2^20 keys that nearly all change
 * the count of bench engine went from 6.3 to 7.1 M records/s on 2 threads.
 */
const FULL_SHARE = 0.5;
/**
 * Share of a turn that may go into moving live entries out of sparse segments: the least; from which share of garbage on it is more, how
 * much more, and the most. With a tenth alone, and no turns for nothing else, the process of a job with 10 million entries of 8 + 8 bytes, of
 * which 5 % changed each second in a twentieth of the time, took 3.2 GB after ten minutes instead of 0.9.
 */
const CLEAN_SHARE = 0.1;
const MUCH_GARBAGE = 0.4;
const CLEAN_SHARE_SLOPE = 4 / 3;
const MOST_CLEAN_SHARE = 0.5;
/** The same in a turn that was given for nothing else: short, since a record that comes meanwhile waits for its end. */
const TIDYING_SHARE = 0.15;
/** How long a turn goes on after a barrier. */
const AFTER_BARRIER_MS = 4;
/** Weight of the newest turn in the moving average of the cost of a record. */
const COST_WEIGHT = 0.2;

export class Subtask {
  readonly #parts: SubtaskParts;
  readonly #word: number;
  readonly #double: number;
  readonly #firstEpoch: number;
  #epoch: number;
  #completed: number;
  #ending = false;
  #finished = false;
  #costRecords = 0;
  #busyMs = 0;
  #turns = 0;
  #snapshots: SyncSnapshot[] = [];
  readonly #notices: CheckpointNotices;

  constructor(parts: SubtaskParts, epoch: number) {
    this.#parts = parts;
    this.#word = parts.index * CONTROL_ROW_WORDS;
    this.#double = parts.index * CONTROL_ROW_DOUBLES;
    this.#epoch = epoch;
    this.#firstEpoch = epoch;
    this.#completed = epoch - 1;
    this.#notices = new CheckpointNotices((outcome) => {
      parts.chain.onCheckpoint(outcome);
      for (const sink of parts.sinks) sink.onCheckpoint(outcome);
    });
    for (const exchange of parts.exchanges) exchange.setEpoch(epoch);
    parts.control.i32[this.#word + ControlWord.epoch] = epoch;
    this.#storeCounters();
  }

  openStates(): readonly OpenState[] {
    return this.#parts.states.map(({ info, map }) => ({ ...info, handles: map.handles() }));
  }

  /**
   * One turn.
   *
   * @param turn  `budgetMs`: time after which to return, though not in the middle of a record
   * @throws whatever a user function, source or sink throws; the subtask must not be used again then
   */
  async turn({ budgetMs, tidying, oversize, outcomes }: TurnTask): Promise<TurnResult | undefined> {
    const started = performance.now();
    const { input, gate, exchanges, control } = this.#parts;
    if (oversize !== null) gate?.addOversize(oversize);
    for (const exchange of exchanges) {
      exchange.refresh();
      exchange.limitFrames(this.#maxFrames(exchange));
    }
    this.#noteCompleted();
    if (outcomes !== null) this.#notices.add(outcomes);
    this.#notices.deliver(this.#epoch);
    const recordsBefore = input.recordsIn;
    const reason = await this.#process(started + budgetMs);
    this.#notices.deliver(this.#epoch);
    const flushing = this.#endTurn(reason === 'ended');
    if (flushing !== undefined) await flushing;
    const untidy = this.#clean(budgetMs, tidying);
    this.#checkMemory();
    const elapsed = performance.now() - started;
    this.#busyMs += elapsed;
    this.#turns++;
    this.#noteCost(input.recordsIn - recordsBefore, elapsed);
    this.#storeCounters();
    let flags = 0;
    if (reason === 'more') flags |= SubtaskFlag.more;
    if (reason === 'idle') flags |= SubtaskFlag.waiting;
    if (this.#ending && !this.#finished) flags |= SubtaskFlag.ending;
    if (this.#finished) flags |= SubtaskFlag.finished;
    if (input.backlog) flags |= SubtaskFlag.backlog;
    if (untidy) flags |= SubtaskFlag.untidy;
    Atomics.store(control.i32, this.#word + ControlWord.flags, flags);
    return this.#result();
  }

  /** @throws what the first of its parts throws that cannot be closed, when all have been asked to */
  async close(): Promise<void> {
    const { input, chain, sinks } = this.#parts;
    await closeAll([() => input.close(), () => chain.close(), ...sinks.map((sink) => () => sink.close())]);
  }

  async #process(deadlineMs: number): Promise<'idle' | 'more' | 'full' | 'ended'> {
    const { input, chain, exchanges, control } = this.#parts;
    for (;;) {
      const running = input.run(deadlineMs);
      const stop = typeof running === 'string' ? running : await running;
      if (stop !== 'barrier' && stop !== 'ended') return stop;
      if (stop === 'barrier' || Atomics.load(control.i32, this.#word + ControlWord.triggered) >= this.#epoch) {
        if (!this.#drain()) return this.#full() ? 'full' : 'more';
        await this.#flip();
        // What is to be written is told at the end of the turn.
        deadlineMs = Math.min(deadlineMs, performance.now() + AFTER_BARRIER_MS);
        continue;
      }
      if (this.#finished) return 'ended';
      this.#ending = true;
      if (this.#full()) return 'full';
      if (performance.now() >= deadlineMs) return 'more';
      if (!chain.end(deadlineMs) || !this.#drain()) return this.#full() ? 'full' : 'more';
      for (const exchange of exchanges) exchange.end();
      this.#finished = true;
    }
  }

  /** Has everything left that operators buffer and combiners hold? */
  #drain(): boolean {
    const { chain } = this.#parts;
    chain.endTurn();
    return chain.drain();
  }

  #full(): boolean {
    return this.#parts.exchanges.some((exchange) => exchange.full);
  }

  /**
   * Ends the epoch: what was processed so far belongs to the checkpoint of the same number. This is the synchronous part;
   * it takes time for buffered output and operator state only, never for keyed state, whose map just notes a mark.
   */
  async #flip(): Promise<void> {
    const started = performance.now();
    const { chain, exchanges, sinks, states, input, control, deployment, migrated } = this.#parts;
    const checkpointId = this.#epoch;
    Atomics.store(control.i32, this.#word + ControlWord.inTurn, InTurn.atBarrier);
    const barrierAtMs = input.firstBarrierAtMs;
    const operatorState: Record<string, Readonly<Record<string, readonly JsonValue[]>>> = { ...chain.snapshot(checkpointId) };
    const splits = input.snapshot();
    if (splits !== null && this.#parts.sourceUid !== null) operatorState[this.#parts.sourceUid] = splits;
    const committables: SyncSnapshot['committables'][number][] = [];
    for (const sink of sinks) {
      const values = await sink.prepare(checkpointId);
      if (values.length > 0) committables.push({ node: sink.node, values });
    }
    let liveBytes = 0;
    let changedBytes = 0;
    for (const { map } of states) {
      liveBytes += map.liveBytes;
      changedBytes += map.changedBytes;
    }
    // A state that was migrated while it was restored has no tables in its present schema yet.
    const full =
      !deployment.settings.incremental ||
      changedBytes >= liveBytes * FULL_SHARE ||
      (migrated && this.#completed < this.#firstEpoch);
    for (const { map } of states) {
      pinReader(map.handles(), full ? 'full' : 'delta');
      map.mark(checkpointId + 1);
    }
    for (const exchange of exchanges) if (!this.#finished) exchange.barrier(checkpointId);
    this.#epoch = checkpointId + 1;
    input.flipped(this.#epoch);
    control.i32[this.#word + ControlWord.epoch] = this.#epoch;
    Atomics.store(control.i32, this.#word + ControlWord.inTurn, InTurn.yes);
    const nowMs = performance.timeOrigin + performance.now();
    const syncMs = performance.now() - started;
    const triggeredAtMs = control.f64[this.#double + ControlDouble.triggeredAtMs];
    this.#snapshots.push({
      checkpointId,
      full,
      syncMs,
      alignmentMs: barrierAtMs === 0 ? 0 : Math.max(0, nowMs - syncMs - barrierAtMs),
      startDelayMs: barrierAtMs === 0 || triggeredAtMs === 0 ? 0 : Math.max(0, barrierAtMs - triggeredAtMs),
      operatorState,
      committables,
      finished: this.#finished,
      liveBytes,
      recordsIn: input.recordsIn,
      malformed: this.#parts.counters.malformed,
    });
  }

  /** Buffered output leaves, partly filled slots are published. */
  #endTurn(ended: boolean): Promise<void> | undefined {
    const { chain, exchanges, sinks, input } = this.#parts;
    if (!ended) chain.endTurn();
    for (const exchange of exchanges) {
      exchange.setWatermark(input.watermarkMs);
      exchange.publish();
    }
    let flushing: Promise<void> | undefined;
    for (const sink of sinks) {
      const flushed = sink.flush();
      if (flushed !== undefined)
        flushing = flushing === undefined ? flushed : Promise.all([flushing, flushed]).then(() => undefined);
    }
    return flushing;
  }

  #noteCompleted(): void {
    const completed = this.#parts.control.i32[this.#word + ControlWord.completed];
    if (completed <= this.#completed) return;
    this.#completed = completed;
    for (const { map } of this.#parts.states) map.complete(completed);
  }

  /** Gives memory back: for longer the more of it is garbage, and where there is nothing else to do. True when there was no time for all. */
  #clean(budgetMs: number, tidying: boolean): boolean {
    let untidy = false;
    for (const { map } of this.#parts.states) {
      const garbage = 1 - map.liveBytes / Math.max(map.usedBytes, 1);
      const more = Math.max(garbage - MUCH_GARBAGE, 0) * CLEAN_SHARE_SLOPE;
      const share = tidying ? TIDYING_SHARE : Math.min(CLEAN_SHARE + more, MOST_CLEAN_SHARE);
      if (map.clean(budgetMs * share)) untidy = true;
    }
    return untidy;
  }

  /** The limit holds for the job: its subtasks add up what each last noted. A turn may go beyond by what it wrote. */
  #checkMemory(): void {
    const { deployment, control, states, stage, index } = this.#parts;
    const { stateLimitBytes } = deployment.settings;
    if (states.length === 0) return;
    let used = 0;
    for (let i = 0; i < deployment.plan.subtaskCount; i++)
      used += control.f64[i * CONTROL_ROW_DOUBLES + ControlDouble.stateBytes];
    if (used <= stateLimitBytes) return;
    throw new TidemarkError(
      'ERR_STATE_MEMORY_LIMIT',
      `Keyed state takes ${used} bytes over all subtasks, more than state.memory.limit (${stateLimitBytes} bytes); noticed in stage '${stage.name}', subtask ${index - stage.firstSubtask}. Raise the limit, or keep less per key (clear state that is no longer needed).`,
      { facts: { usedBytes: used, limitBytes: stateLimitBytes, stage: stage.name } },
    );
  }

  #maxFrames(exchange: ExchangeOutput): number {
    const { plan, settings } = this.#parts.deployment;
    const consumer = plan.stages[plan.edges[exchange.edge].to];
    const { f64 } = this.#parts.control;
    let costNs = 0;
    for (let i = 0; i < consumer.parallelism; i++) {
      costNs = Math.max(costNs, f64[(consumer.firstSubtask + i) * CONTROL_ROW_DOUBLES + ControlDouble.nsPerRecord]);
    }
    if (costNs === 0) return 0x7fffffff;
    return Math.max(1, Math.floor((settings.batchBudgetMs * 1e6) / costNs));
  }

  /** The moving average must see enough records to mean something, but one record of 50 ms at once. */
  #noteCost(records: number, elapsedMs: number): void {
    if (records === 0) return;
    const ns = (elapsedMs * 1e6) / records;
    const { f64 } = this.#parts.control;
    const at = this.#double + ControlDouble.nsPerRecord;
    f64[at] = this.#costRecords === 0 ? ns : f64[at] + COST_WEIGHT * (ns - f64[at]);
    this.#costRecords += records;
  }

  #storeCounters(): void {
    const { control, input, states, counters } = this.#parts;
    const { f64 } = control;
    f64[this.#double + ControlDouble.recordsIn] = input.recordsIn;
    f64[this.#double + ControlDouble.recordsOut] = this.#recordsOut();
    f64[this.#double + ControlDouble.busyMs] = this.#busyMs;
    f64[this.#double + ControlDouble.turns] = this.#turns;
    f64[this.#double + ControlDouble.watermarkMs] = input.watermarkMs;
    f64[this.#double + ControlDouble.malformed] = counters.malformed;
    f64[this.#double + ControlDouble.progress] = input.progress;
    let entries = 0;
    let bytes = 0;
    for (const { map } of states) {
      entries += map.size;
      bytes += map.usedBytes;
    }
    f64[this.#double + ControlDouble.stateEntries] = entries;
    f64[this.#double + ControlDouble.stateBytes] = bytes;
    this.#parts.operatorCounters.store();
  }

  #recordsOut(): number {
    let out = 0;
    for (const exchange of this.#parts.exchanges) out += exchange.recordsOut;
    for (const sink of this.#parts.sinks) out += sink.recordsOut;
    return out;
  }

  #result(): TurnResult | undefined {
    const { oversize, sinks } = this.#parts;
    const printed = sinks.map((sink) => sink.takePrinted()).join('');
    const snapshots = this.#snapshots;
    if (snapshots.length === 0 && oversize.length === 0 && printed === '') return undefined;
    this.#snapshots = [];
    return {
      ...(snapshots.length > 0 && { snapshots }),
      ...(oversize.length > 0 && { oversize: oversize.splice(0) }),
      ...(printed !== '' && { printed }),
    };
  }
}
