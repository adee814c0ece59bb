/**
 * What piscina runs in every worker of an attempt, in the turn pool and in the background pool. The job module is loaded
 * once per thread, as soon as the thread starts; functions are never sent between threads.
 */
import { constants, getPriority, setPriority } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { threadId, workerData } from 'node:worker_threads';
import { encodeError } from '../format/errors.ts';
import { Memory } from '../format/memory.ts';
import type { GraphNode } from '../job/graph.ts';
import { loadJob } from '../job/load.ts';
import { realFs } from '../snapshot/fs-port.ts';
import { BackgroundSinks } from './background-sinks.ts';
import { closeAll } from './close-all.ts';
import { createSource } from './connectors/source-runtime.ts';
import { collect, publish, savepoint } from './file-tasks.ts';
import { merge } from './merge-task.ts';
import { openSubtask, type WorkerEnvironment } from './open-subtask.ts';
import { persist } from './persist-task.ts';
import { CONTROL_ROW_WORDS, ControlWord, InTurn, loadedSlotOf } from './protocol.ts';
import type { Deployment, OpenResult, Outcome, Task, TurnResult } from './protocol.ts';
import type { Subtask, TurnTask } from './subtask.ts';

// piscina hands `workerData` of its options through unchanged.
const deployment = workerData as Deployment;
const environment = openEnvironment();

const controlWords = new Int32Array(deployment.control);
/** Subtasks whose home this worker is. */
const subtasks = new Map<number, Subtask>();
const sinks = environment.then(({ graph }) => new BackgroundSinks(deployment, graph));
sinks.catch(() => {});

async function openEnvironment(): Promise<WorkerEnvironment> {
  const { graph } = await loadJob(deployment.jobFile, { args: deployment.jobArgs });
  return {
    deployment,
    graph,
    control: { i32: new Int32Array(deployment.control), f64: new Float64Array(deployment.control) },
    channels: deployment.channels.map((bytes) => new Memory(bytes)),
  };
}

// A failure is reported by the first task. A thread without a task is blocked by piscina once this module is evaluated, and with it all
// that it still loads: one that takes the place of a thread that died never gets a task.
await environment.catch(() => {});
Atomics.store(new Int32Array(deployment.loadedThreads), loadedSlotOf(threadId), threadId);

export default async function handle(task: Task): Promise<unknown> {
  switch (task.op) {
    case 'ready':
      return outcome(async () => {
        await environment;
        return threadId;
      });
    case 'turn':
      return turn(task);
    default:
      return outcome(() => perform(task));
  }
}

/** The last turn that was given, until it is done. */
let lastTurn: Promise<TurnResult | undefined> | null = null;

/** Turns follow one another. */
async function turn(task: TurnTask): Promise<TurnResult | undefined> {
  const given = lastTurn === null ? runTurn(task) : runAfter(lastTurn, task);
  lastTurn = given;
  try {
    return await given;
  } finally {
    if (lastTurn === given) lastTurn = null;
  }
}

/** The result of the turn before leaves first. */
async function runAfter(before: Promise<unknown>, task: TurnTask): Promise<TurnResult | undefined> {
  await before;
  await setImmediate();
  return runTurn(task);
}

async function runTurn(task: TurnTask): Promise<TurnResult | undefined> {
  const subtask = subtasks.get(task.subtask);
  // It failed in a turn before, and the main thread did not know yet when it gave this one.
  if (subtask === undefined) return undefined;
  const inTurn = task.subtask * CONTROL_ROW_WORDS + ControlWord.inTurn;
  Atomics.store(controlWords, inTurn, InTurn.yes);
  try {
    return await subtask.turn(task);
  } catch (error) {
    subtasks.delete(task.subtask);
    return { error: encodeError(error) };
  } finally {
    Atomics.store(controlWords, inTurn, InTurn.no);
  }
}

/**
 * Threads that write tables yield to those in turns. At half of the highest rate, with a checkpoint every second, the 99th percentile of
 * the latency went from 10.2 to 7.9 ms; where all cores are busy a checkpoint takes 340 ms instead of 190, and throughput is the
 * same. At 10 steps it was no better. A thread that merges yields to those that write what a checkpoint waits for.
 */
const WRITER_NICE = 5;
const MERGER_NICE = 10;
let yields = false;

/** Linux has priorities by thread; elsewhere it would be that of the whole process. */
function yieldToTurns(steps: number): void {
  if (yields || process.platform !== 'linux') return;
  yields = true;
  setPriority(Math.min(getPriority() + steps, constants.priority.PRIORITY_LOW));
}

async function perform(task: Exclude<Task, { op: 'ready' | 'turn' }>): Promise<unknown> {
  const { graph } = await environment;
  const { compression } = deployment.settings;
  switch (task.op) {
    case 'enumerate': {
      const stage = deployment.plan.stages[task.stage];
      const node = graph.nodes[stage.nodes[0]] as Extract<GraphNode, { kind: 'source' }>;
      const source = createSource(node.source);
      const splits = await source.enumerate({ parallelism: stage.parallelism, subtask: 0, args: deployment.jobArgs }, task.taken);
      return { splits, fixed: source.fixedSplits };
    }
    case 'open': {
      const opened = await openSubtask(await environment, task.subtask, task.restore, task.splits, task.fixedSplits);
      subtasks.set(task.subtask, opened.subtask);
      return { states: opened.subtask.openStates(), restored: opened.restored } satisfies OpenResult;
    }
    case 'close':
      await lastTurn;
      await closeAll([...subtasks.values()].map((subtask) => () => subtask.close()));
      return null;
    case 'persist':
      yieldToTurns(WRITER_NICE);
      return persist(realFs, task, compression, async () => (await sinks).persist(task));
    case 'merge':
      yieldToTurns(MERGER_NICE);
      return merge(realFs, task, compression);
    case 'publish':
      return publish(realFs, task);
    case 'savepoint':
      return savepoint(realFs, task, compression);
    case 'gc':
      return collect(realFs, task);
    case 'commit':
      return (await sinks).commit(task);
    case 'recover':
      return (await sinks).recover(task.node, task.committables);
  }
}

async function outcome(run: () => Promise<unknown>): Promise<Outcome<unknown>> {
  try {
    return { ok: await run() };
  } catch (error) {
    return { error: encodeError(error) };
  }
}
