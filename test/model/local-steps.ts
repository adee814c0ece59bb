/**
 * Steps that need no place of their own in the order of things. A process that stands before one takes it at once, before any other
 * step is tried. No violation is lost by that.
 *
 * Unseen: nobody else can tell whether it was taken, so that it makes no difference either whether another process comes before or after it.
 *
 * | call                                             | because |
 * |--------------------------------------------------|---------|
 * | a file with a temporary name begins, gets bytes  | only its program knows the name; to a crash, or a sweep, one state of garbage stands for all |
 * | a look whether a directory is there              | the sync that follows finds it missing as well |
 * | a sync that finds everything durable             | it changes nothing now, and later it could only make more durable: fewer disks that a power cut shows |
 * | a directory is made that is there                | directories of jobs are never removed while a checkpoint is kept |
 *
 * Local: no other task of its process, and no process in another directory, can tell. Where another process may be given the directory, it
 * is given it before such a step as well (`handOver` in `world.ts`): then only the other steps of the one at work are left out.
 *
 * | call                                             | when                                     | because |
 * |--------------------------------------------------|------------------------------------------|---------|
 * | in a directory with a temporary name             | always                                   | only its program knows the name |
 * | a read, while a process opens or closes          | no other process is there                | nobody can write before it, and a crash before or after it finds one disk |
 * | a read of a publication                          | no collection runs                       | merges only add tables; nobody else takes anything away |
 * | a read of the job's directory by a collection    | no publication runs beside one           | merges and parts are written to `shared/` alone |
 * | a look into `shared/`, a deletion there          | no table is or can be written any more   | nobody else is there |
 * | anything but the two                             | as these, and no crash can come any more | the disks in between are seen by nobody, and what others do to `shared/` neither needs nor hinders it |
 *
 * What must not be assumed but is the product's promise, that no publication begins while a collection runs, is watched:
 * `life.ts` fails where it is not so. A scenario without it says `publicationWaits: false`, and has the reads in every order.
 */
import type { Call } from './disk.ts';

export interface Surroundings {
  /** What the program belongs to: a process that opens or closes, or a task of a running one. */
  readonly kind: 'process' | 'publish' | 'gc' | 'write' | 'other';
  /** No other process moves until this one is given up or gone. */
  readonly alone: boolean;
  /** A crash may still come. */
  readonly crashes: boolean;
  /** Has the process another task of this kind open? */
  readonly beside: (kind: Surroundings['kind']) => boolean;
  /** A task that writes a table may still be opened. */
  readonly writesToCome: boolean;
  /** Publications wait for collections. */
  readonly publicationWaits: boolean;
}

export function isUnseen({ op, path }: Call, changesNothing: boolean): boolean {
  switch (op) {
    case 'look':
    case 'store':
      return true;
    case 'create':
      return TEMPORARY.test(path);
    case 'sync':
      return changesNothing;
    case 'makeDirectory':
      return changesNothing && !TEMPORARY.test(path);
    default:
      return false;
  }
}

export function isLocal(call: Call, around: Surroundings): boolean {
  const { kind, alone, crashes, beside, publicationWaits } = around;
  if (isOfTemporary(call)) return true;
  const reads = call.op === 'list' || call.op === 'open';
  if (!alone) return false;
  if (kind === 'process') return reads || !crashes;
  if (beside('other') || kind === 'other' || kind === 'write') return false;
  if (kind === 'publish') return !beside('gc') && (reads || !crashes);
  if (!publicationWaits || beside('publish')) return false;
  if (isOfTables(call)) return !beside('write') && !around.writesToCome && (reads || !crashes);
  return reads || !crashes;
}

/** Where a checkpoint is there for others, or is not: neither a table, nor what is in a directory on the way to its deletion. */
export function isOfNames({ path }: Call): boolean {
  return !path.includes('/shared') && !path.includes('/.old-');
}

const TEMPORARY = /\/\.(tmp|new|old)-/;

function isOfTemporary({ op, path }: Call): boolean {
  if (op === 'makeDirectory' || op === 'sync') return path.includes('/.new-');
  return (op === 'list' || op === 'removeDirectory') && path.includes('/.old-');
}

function isOfTables({ op, path }: Call): boolean {
  return path.endsWith('/shared') || (op === 'unlink' && path.includes('/shared/'));
}
