/** One process of the model: where it stands, and what it has in hand. */
import type { ClaimedCheckpoint } from '../../src/snapshot/claim.ts';
import type { Call, Disk, Reply } from './disk.ts';
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

export type Process =
  | { readonly is: 'absent'; readonly key: string }
  | { readonly is: 'superseded'; readonly key: string }
  | {
      readonly is: 'opening';
      readonly key: string;
      readonly life: number;
      /** The disk when the process began; null: an earlier attempt of it is what began. */
      readonly from: Disk | null;
      readonly point: Point;
    }
  | { readonly is: 'closing'; readonly key: string; readonly point: Point }
  | {
      readonly is: 'running';
      readonly key: string;
      readonly life: number;
      readonly paused: boolean;
      readonly moment: Moment;
      readonly tasks: readonly Task[];
      readonly claimed: ClaimedCheckpoint | null;
    };
export type Running = Extract<Process, { is: 'running' }>;

export const ABSENT: Process = { is: 'absent', key: '-' };
export const SUPERSEDED: Process = { is: 'superseded', key: 'x' };

export function running(process: Running): Running {
  const tasks = process.tasks.map(({ ordinal, point }) => `${ordinal}:${point === null ? '?' : point.id}`).join();
  return {
    ...process,
    key: `${process.paused ? 'p' : 'r'}${process.life}.${process.moment.id}:${tasks}${process.claimed === null ? '' : 'c'}`,
  };
}

export function isAlive(process: Process): boolean {
  return process.is !== 'absent' && process.is !== 'superseded';
}

export function isBarrier(input: Input): boolean {
  return input.type === 'checkpoint' || input.type === 'savepoint';
}

export function describe(call: Call, reply: Reply): string {
  const to = 'to' in call ? ` to ${short(call.to)}` : '';
  return `${call.op} ${short(call.path)}${to}${'errno' in reply ? ` -> ${reply.errno}` : ''}`;
}

/** Without the directory of all jobs; of hashes the beginning. */
export function short(path: string): string {
  return path.replace(/^\/checkpoints\/[0-9a-f]{32}\//, '').replace(/([0-9a-f]{4})[0-9a-f]{28}/, '$1');
}
