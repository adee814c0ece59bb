/**
 * Calls of sinks that users wrote: which one runs, for messages, and how long those in the background may take. A `persist` or `commit` that
 * does not return is ended as a turn is, by the end of the attempt: its thread would be missing for the checkpoints that follow, and the
 * job could never end. Nothing is lost: the manifest names what is to be committed, and the next attempt commits it again.
 */
import { TidemarkError } from '../format/errors.ts';
import { type JobGraph, sinkOf } from '../job/graph.ts';
import type { JobPlan, Task } from '../worker/protocol.ts';

/** Longest delay of a timer. */
const MAX_TIMER_MS = 0x7fffffff;

const CONSEQUENCES: Readonly<Record<string, string>> = {
  commit: 'The checkpoint is complete and names what is to be committed: the next attempt commits it again.',
  persist: 'The checkpoint was not completed; the next attempt starts from the one before.',
  recover: 'The job has not started: the next attempt recovers again what the checkpoint had prepared.',
  close: 'What the job was to do is done and committed.',
};

export interface RunningSinkCall {
  readonly uid: string;
  /** Index in its stage; null where the call is for all subtasks. */
  readonly subtask: number | null;
  readonly method: string;
}

/** "commit() of sink 'rows', subtask 1," or "recover() of sink 'rows'" */
export function describeSinkCall({ uid, subtask, method }: RunningSinkCall): string {
  return `${method}() of sink '${uid}'${subtask === null ? '' : `, subtask ${subtask},`}`;
}

/**
 * The result of a call that is alone on its thread, if it comes in time.
 *
 * @param call  asked when the time is up; null: something else than a call of a sink is under way, which `otherwise` names
 * @throws TidemarkError ERR_TASK_TIMEOUT
 */
export async function withinTaskTimeout<T>(
  work: Promise<T>,
  call: () => RunningSinkCall | null,
  timeoutMs: number,
  otherwise = '',
): Promise<T> {
  if (timeoutMs > MAX_TIMER_MS) return work;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(takesTooLong(call() ?? otherwise, timeoutMs, timeoutMs)), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The calls that a background task makes, in order; null stands for one of a sink of ours. */
export function sinkCallsOf(task: Task, graph: JobGraph, plan: JobPlan): (RunningSinkCall | null)[] {
  const callOf = (node: number, subtask: number, method: string): RunningSinkCall | null =>
    sinkOf(graph.nodes[node])?.kind === 'custom' ? { uid: graph.nodes[node].uid, subtask, method } : null;
  if (task.op === 'commit') return task.subtasks.map((subtask) => callOf(task.node, subtask, 'commit'));
  if (task.op !== 'persist') return [];
  return task.committables.flatMap(({ node, values }) => {
    const stage = plan.stages.find(({ nodes }) => nodes.includes(node));
    return values.map(() => callOf(node, task.subtask - (stage?.firstSubtask ?? 0), 'persist'));
  });
}

/**
 * The result of a task whose calls return in time. Time in which the task waits for a thread, or works itself, does not count.
 *
 * @param run      begins the task; its word holds the number of the call that runs, from 1, and 0 between calls
 * @param overdue  takes the error as soon as a call is overdue, before it is thrown
 * @throws TidemarkError ERR_TASK_TIMEOUT
 */
export async function watchSinkCalls<T>(
  run: (word: SharedArrayBuffer) => Promise<T>,
  calls: readonly (RunningSinkCall | null)[],
  timeoutMs: number,
  overdue: (error: TidemarkError) => void,
): Promise<T> {
  const memory = new SharedArrayBuffer(4);
  const word = new Int32Array(memory);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    let running = 0;
    let sinceMs = 0;
    const look = (): void => {
      const number = Atomics.load(word, 0);
      const nowMs = performance.now();
      if (number !== running) {
        running = number;
        sinceMs = nowMs;
      }
      const call = running === 0 ? null : calls[running - 1];
      if (call === null || nowMs - sinceMs < timeoutMs) return;
      const error = takesTooLong(call, nowMs - sinceMs, timeoutMs);
      overdue(error);
      reject(error);
    };
    timer = setInterval(look, Math.min(1000, Math.max(50, timeoutMs / 4)));
  });
  try {
    return await Promise.race([run(memory), late]);
  } finally {
    clearInterval(timer);
  }
}

/** @param doing  a call of a sink, or what else is under way */
function takesTooLong(doing: RunningSinkCall | string, elapsedMs: number, timeoutMs: number): TidemarkError {
  const [what, facts, consequence] =
    typeof doing === 'string'
      ? [doing, { doing }, '']
      : [describeSinkCall(doing), { ...doing }, ` ${CONSEQUENCES[doing.method] ?? ''}`];
  return new TidemarkError(
    'ERR_TASK_TIMEOUT',
    `${what} has not returned for ${Math.round(elapsedMs)} ms (task.timeout is ${timeoutMs} ms): it is in an endless loop, or awaits something that does not come.${consequence} Raise task.timeout if it may take so long.`,
    { facts: { ...facts, timeoutMs } },
  );
}
