/** One process of the model: where it stands, and what it has in hand. */
import type { ClaimedCheckpoint } from '../../src/snapshot/claim.ts';
import type { Call, Reply } from './disk.ts';
import type { Input, Moment, OpenTask } from './machine.ts';
import type { Point } from './program.ts';

export interface Task {
  /** In its attempt; -1 is not of the attempt. */
  readonly ordinal: number;
  readonly op: OpenTask['task']['op'];
  readonly name: string;
  /** null: it has not begun, since the content of its table is open. */
  readonly point: Point | null;
}

type Standing =
  | { readonly is: 'absent' }
  | { readonly is: 'superseded' }
  | {
      readonly is: 'opening';
      /** Of the processes and attempts in a directory with two owners, each has a number: others find the names that it chose. */
      readonly life: number;
      /** It has just begun, and has only looked: nobody can tell. */
      readonly fresh: boolean;
      readonly point: Point;
    }
  | { readonly is: 'closing'; readonly life: number; readonly point: Point }
  | {
      readonly is: 'running';
      readonly life: number;
      readonly moment: Moment;
      readonly tasks: readonly Task[];
      readonly claimed: ClaimedCheckpoint | null;
    };

/** Equal ones are one object. */
export type Process = Standing & {
  readonly id: number;
  /** Which of the two jobs it runs. */
  readonly job: 0 | 1;
  /** What it becomes, by the point that it reaches or the input that its main thread is told. */
  next: Map<Point | string, Reached> | null;
};
export type Running = Extract<Process, { is: 'running' }>;

/** What a process has become, and what others learn of it. */
export interface Reached {
  readonly process: Process;
  /** Checkpoint that it reports as complete. */
  readonly completed?: number;
  /** With it: the newest that it knew of before, 0 for none. */
  readonly knew?: number;
  /** Newest checkpoint that it started from, 0 for none. */
  readonly started?: number;
  readonly failure?: { readonly message: string; readonly when: 'starting' | 'fenced' | 'running' };
}

/** The processes of a model, each once. */
export class Processes {
  readonly #known = new Map<string, Process>();

  of(job: 0 | 1, standing: Standing): Process {
    const key = `${job} ${keyOf(standing)}`;
    let process = this.#known.get(key);
    if (process === undefined) {
      process = { ...standing, id: this.#known.size, job, next: null };
      this.#known.set(key, process);
    }
    return process;
  }
}

function keyOf(standing: Standing): string {
  switch (standing.is) {
    case 'opening':
      return `o${standing.fresh ? 'f' : ''}${standing.life}.${standing.point.id}`;
    case 'closing':
      return `c${standing.life}.${standing.point.id}`;
    case 'running': {
      const tasks = standing.tasks.map(({ ordinal, point }) => `${ordinal}:${point === null ? '?' : point.id}`).join();
      return `r${standing.life}.${standing.moment.id}:${tasks}${standing.claimed === null ? '' : 'c'}`;
    }
    default:
      return standing.is;
  }
}

export function isAlive({ is }: Process): boolean {
  return is !== 'absent' && is !== 'superseded';
}

export function isBarrier(input: Input): boolean {
  return input.type === 'checkpoint' || input.type === 'savepoint';
}

export function kindOf({ op, ordinal }: Task): 'publish' | 'gc' | 'write' | 'other' {
  if (op === 'persist' || op === 'merge') return 'write';
  return (op === 'publish' || op === 'gc') && ordinal >= 0 ? op : 'other';
}

export function describe(call: Call, reply: Reply): string {
  const to = 'to' in call ? ` to ${short(call.to)}` : '';
  return `${call.op} ${short(call.path)}${to}${'errno' in reply ? ` -> ${reply.errno}` : ''}`;
}

/** Without the directory of all jobs; of hashes the beginning. */
function short(path: string): string {
  return path.replace(/^\/checkpoints\/[0-9a-f]{32}\//, '').replace(/([0-9a-f]{4})[0-9a-f]{28}/, '$1');
}
