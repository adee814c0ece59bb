/**
 * The world of the model: two processes, one disk, and what may happen next.
 *
 * ```
 * absent --start--> opening --> running --end--> closing --> absent
 *                      ^         |  |  pause, resume
 *                      +-failed--+  +--fenced--> absent, for good
 * ```
 *
 * A kill ends a process between any two of its calls; a power cut ends both, and the disk is any that may be found.
 */
import type { ClaimedCheckpoint } from '../../src/snapshot/claim.ts';
import { isTidemarkError } from '../../src/format/errors.ts';
import type { Call, Disk, Reply } from './disk.ts';
import { Attempts, type Input, type Moment, type OpenTask } from './machine.ts';
import type { JobOptions, Opened, Operations } from './operations.ts';
import { idOf, type Point, Program } from './program.ts';

export interface Scenario {
  readonly name: string;
  /** Of each of the two processes. */
  readonly jobs: readonly [JobOptions, JobOptions];
  readonly disk: Disk;
  /** Does the second process ever start? */
  readonly second: boolean;
  readonly operations: Operations;
  /**
   * False: the other process does not see the lock of one that is paused, as from another host. What is promised then is the fence of
   * publication alone, for deletion has none.
   */
  readonly lockIsSeen: boolean;
  readonly checkpoints: number;
  readonly savepoints: number;
  /** Different contents of tables. */
  readonly tables: number;
  /** Kills, power cuts, attempts that fail, and writes that fail. */
  readonly faults: number;
  readonly pauses: number;
  /** Jobs that come to their end. */
  readonly ends: number;
}

interface Task {
  /** In its attempt; -1 is not of the attempt. */
  readonly ordinal: number;
  readonly op: OpenTask['task']['op'];
  readonly name: string;
  /** null: it has not begun, since the content of its table is open. */
  readonly point: Point | null;
}

type Process =
  | { readonly is: 'absent'; readonly key: string }
  | { readonly is: 'superseded'; readonly key: string }
  | { readonly is: 'opening'; readonly key: string; readonly life: number; readonly point: Point }
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
type Running = Extract<Process, { is: 'running' }>;

export interface World {
  readonly disk: Disk;
  readonly processes: readonly [Process, Process];
  /** What may still happen. */
  readonly left: {
    readonly checkpoints: number;
    readonly savepoints: number;
    readonly faults: number;
    readonly pauses: number;
    readonly ends: number;
  };
  /** Contents that any table has had. */
  readonly tables: number;
  /** Processes and attempts so far: each has names of its own. */
  readonly lives: number;
  /** Of each process, the highest number that it reported as complete in the directory that they share or in its own. */
  readonly completed: readonly [number, number];
  /** What went wrong in the step that led here. */
  readonly violation: string | null;
}

export interface Step {
  readonly text: string;
  readonly world: World;
}

const ABSENT: Process = { is: 'absent', key: '-' };
const SUPERSEDED: Process = { is: 'superseded', key: 'x' };
const READS = new Set<Call['op']>(['list', 'open']);

export function keyOf(world: World): string {
  const { checkpoints, savepoints, faults, pauses, ends } = world.left;
  return `${world.disk.id}|${world.processes[0].key}|${world.processes[1].key}|${checkpoints},${savepoints},${faults},${pauses},${ends},${world.tables},${world.lives},${world.completed.join()}`;
}

export class Model {
  readonly #scenario: Scenario;
  readonly #attempts = new Attempts();
  readonly #programs = new Map<string, Program>();

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
  }

  get initial(): World {
    const { disk, checkpoints, savepoints, faults, pauses, ends } = this.#scenario;
    return {
      disk,
      processes: [ABSENT, ABSENT],
      left: { checkpoints, savepoints, faults, pauses, ends },
      tables: 0,
      lives: 0,
      completed: [0, 0],
      violation: null,
    };
  }

  *steps(world: World): Generator<Step> {
    for (const index of [0, 1] as const) yield* this.#stepsOf(world, index);
    const { left } = world;
    if (left.faults > 0 && world.processes.some(isAlive))
      for (const [i, disk] of world.disk.cuts().entries())
        yield {
          text: `power is cut (${i})`,
          world: { ...world, disk, processes: [ABSENT, ABSENT], left: { ...left, faults: left.faults - 1 } },
        };
  }

  *#stepsOf(world: World, index: 0 | 1): Generator<Step> {
    const process = world.processes[index];
    const { left } = world;
    switch (process.is) {
      case 'superseded':
        return;
      case 'absent':
        if (left.checkpoints > 0 && this.#mayOwn(world, index)) yield this.#start(world, index);
        return;
      case 'opening':
      case 'closing':
        yield this.#advance(world, index, process.point, null);
        break;
      case 'running':
        if (process.paused) {
          yield { text: `process ${index} wakes up`, world: this.#put(world, index, running({ ...process, paused: false })) };
          break;
        }
        yield* this.#stepsOfRunning(world, index, process);
    }
    if (left.faults > 0)
      yield {
        text: `process ${index} is killed`,
        world: { ...this.#put(world, index, ABSENT), left: { ...left, faults: left.faults - 1 } },
      };
  }

  *#stepsOfRunning(world: World, index: 0 | 1, process: Running): Generator<Step> {
    const { left } = world;
    for (const task of process.tasks) {
      if (task.point !== null) {
        yield this.#advance(world, index, task.point, task);
        continue;
      }
      for (let table = 0; table < Math.min(world.tables + 1, this.#scenario.tables); table++) {
        const begun = this.#begin(world, index, process, task, table);
        yield { text: `process ${index}: ${task.name} writes table ${'ABCD'[table]}`, world: begun };
      }
      if (left.faults > 0) {
        const failed = this.#tell(
          { ...world, left: { ...left, faults: left.faults - 1 } },
          index,
          process,
          `failed ${task.ordinal}`,
          {
            type: 'failed',
            task: task.ordinal,
            op: task.op,
            error: new Error('ENOSPC'),
          },
        );
        yield { text: `process ${index}: ${task.name} fails`, world: failed };
      }
    }
    const idle = process.moment.inProgress === 0;
    for (const type of ['checkpoint', 'savepoint'] as const) {
      const allowance = type === 'checkpoint' ? 'checkpoints' : 'savepoints';
      if (!idle || left[allowance] === 0) continue;
      for (const full of [true, false]) {
        const asked = { ...world, left: { ...left, [allowance]: left[allowance] - 1 } };
        const next = this.#tell(asked, index, process, `${type} ${full}`, { type, full });
        yield { text: `process ${index}: ${type}${full ? ', full' : ''}`, world: next };
      }
    }
    if (left.pauses > 0)
      yield {
        text: `process ${index} is paused`,
        world: { ...this.#put(world, index, running({ ...process, paused: true })), left: { ...left, pauses: left.pauses - 1 } },
      };
    // Both wait for a collection that has begun.
    if (process.tasks.some(({ op }) => op === 'gc')) return;
    if (left.faults > 0) {
      const next = process.moment.start.firstEpoch + process.moment.inputs.filter(isBarrier).length;
      const program = this.#opening(index, next);
      const opening: Process = { is: 'opening', life: world.lives, point: program.start, key: `o${program.start.id}` };
      yield {
        text: `process ${index}: the attempt fails`,
        world: { ...this.#put(world, index, opening), lives: world.lives + 1, left: { ...left, faults: left.faults - 1 } },
      };
    }
    if (left.ends > 0 && idle) {
      const program = this.#program(`end ${index}`, 'end', `end${index}`, (fs) =>
        this.#scenario.operations.end(fs, this.#scenario.jobs[index]),
      );
      const closing: Process = { is: 'closing', point: program.start, key: `c${program.start.id}` };
      yield {
        text: `process ${index}: the job ends`,
        world: { ...this.#put(world, index, closing), lives: world.lives + 1, left: { ...left, ends: left.ends - 1 } },
      };
    }
  }

  #mayOwn(world: World, index: 0 | 1): boolean {
    const { jobs, lockIsSeen, second } = this.#scenario;
    if (index === 1 && !second) return false;
    const other = world.processes[1 - index];
    const shared = jobs[0].jobDirectory === jobs[1].jobDirectory;
    // Two that are absent are as one: the first goes first.
    if (shared && index === 1 && other.is === 'absent') return false;
    if (!shared) return true;
    return !isAlive(other) || (!lockIsSeen && other.is === 'running' && other.paused);
  }

  /** Whoever starts from a checkpoint that it does not own may find that it is gone. */
  #mayFailToStart(index: 0 | 1): boolean {
    const { lockIsSeen, jobs } = this.#scenario;
    return !lockIsSeen || (jobs[index].from !== null && !jobs[index].claim);
  }

  #start(world: World, index: 0 | 1): Step {
    const point = this.#opening(index, null).start;
    const opening: Process = { is: 'opening', life: world.lives, point, key: `o${point.id}` };
    return { text: `process ${index} starts`, world: { ...this.#put(world, index, opening), lives: world.lives + 1 } };
  }

  #opening(index: 0 | 1, next: number | null): Program {
    const { operations, jobs } = this.#scenario;
    return this.#program(`open ${index} ${next}`, 'open', 'open', (fs) => operations.open(fs, jobs[index], next));
  }

  #program(key: string, name: string, label: string, run: ConstructorParameters<typeof Program>[2]): Program {
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = new Program(name, label, run);
      this.#programs.set(key, program);
    }
    return program;
  }

  /** A task, or what else a process does, goes on by one call that others can see, or that they may come between. */
  #advance(world: World, index: 0 | 1, from: Point, task: Task | null): Step {
    const alone = task === null && !isAlive(world.processes[1 - index]);
    const call = from.call as Call;
    let { disk } = world;
    let point = from;
    let first: Reply | null = null;
    do {
      const called = disk.call(point.call as Call);
      first ??= called.reply;
      disk = called.disk;
      point = point.program.after(point, called.reply);
    } while (point.call !== null && this.#isHidden(point.call, disk, alone));
    const text = `process ${index}: ${point.program.name}: ${describe(call, first)}`;
    return { text, world: this.#reached({ ...world, disk }, index, point, task) };
  }

  /**
   * What others cannot see needs no step of its own: what a program does with temporary names that it has chosen (a crash in
   * between leaves garbage, which one case stands for), a sync on a disk that forgets nothing, and what one reads who is alone.
   */
  #isHidden({ op, path }: Call, { forgets }: Disk, alone: boolean): boolean {
    if (alone && READS.has(op)) return true;
    if (op === 'create' || op === 'store' || (op === 'sync' && !forgets)) return true;
    if (!this.#scenario.lockIsSeen) return false;
    if (op === 'makeDirectory' || op === 'sync') return path.includes('/.new-');
    return (op === 'list' || op === 'removeDirectory') && path.includes('/.old-');
  }

  #reached(world: World, index: 0 | 1, point: Point, task: Task | null): World {
    const process = world.processes[index];
    if (process.is === 'running') {
      const mine = task as Task;
      if (point.outcome === null) {
        const tasks = process.tasks.map((other) => (other === mine ? { ...mine, point } : other));
        return this.#put(world, index, running({ ...process, tasks }));
      }
      // Its deletion is no task of the attempt: nobody waits for it.
      if (mine.ordinal < 0) {
        const tasks = process.tasks.filter((other) => other !== mine);
        const dropped = 'value' in point.outcome && point.outcome.value === true;
        return this.#put(world, index, running({ ...process, tasks, claimed: dropped ? null : process.claimed }));
      }
      return this.#tell(
        world,
        index,
        process,
        `${mine.ordinal} ${idOf(point.outcome)}`,
        'value' in point.outcome
          ? { type: 'done', task: mine.ordinal, op: mine.op, result: point.outcome.value }
          : { type: 'failed', task: mine.ordinal, op: mine.op, error: point.outcome.error as Error },
      );
    }
    if (process.is === 'opening') {
      if (point.outcome === null) return this.#put(world, index, { ...process, point, key: `o${point.id}` });
      if ('error' in point.outcome) {
        const message = `process ${index} cannot start: ${(point.outcome.error as Error).message}`;
        return { ...this.#put(world, index, SUPERSEDED), violation: this.#mayFailToStart(index) ? null : message };
      }
      const { claimed, ...start } = point.outcome.value as Opened;
      const moment = this.#attempts.begin(start);
      return this.#put(
        world,
        index,
        running({ is: 'running', life: process.life, paused: false, moment, tasks: [], claimed, key: '' }),
      );
    }
    if (process.is === 'closing')
      return this.#put(world, index, point.outcome === null ? { ...process, point, key: `c${point.id}` } : SUPERSEDED);
    return world;
  }

  #tell(world: World, index: 0 | 1, process: Running, key: string, input: Input): World {
    const moment = this.#attempts.tell(process.moment, key, input);
    const { fatal, completed } = moment;
    if (fatal !== null) {
      const expected = isTidemarkError(fatal) && fatal.code === 'ERR_CHECKPOINT_FENCED';
      return {
        ...this.#put(world, index, SUPERSEDED),
        violation: expected || !this.#scenario.lockIsSeen ? null : `process ${index} fails: ${fatal.message}`,
      };
    }
    const known = new Map(process.tasks.map((task) => [task.ordinal, task]));
    const tasks = moment.open.map((open) => known.get(open.ordinal) ?? this.#task(process, open));
    const dropping = known.get(-1);
    if (dropping !== undefined) tasks.push(dropping);
    const newest = completed.at(-1) ?? 0;
    const isNew = newest !== (process.moment.completed.at(-1) ?? 0);
    if (isNew && process.claimed !== null && dropping === undefined)
      tasks.push(this.#dropping(index, process, newest, process.claimed));
    const next = this.#put(world, index, running({ ...process, moment, tasks }));
    return isNew ? this.#completed(next, index, newest) : next;
  }

  #completed(world: World, index: 0 | 1, checkpointId: number): World {
    const [first, second] = this.#scenario.jobs;
    const shared = first.jobDirectory === second.jobDirectory;
    const before = shared ? Math.max(...world.completed) : world.completed[index];
    const violation =
      checkpointId > before ? null : `process ${index} completes checkpoint ${checkpointId}, but ${before} is complete`;
    const completed = [world.completed[0], world.completed[1]] as [number, number];
    completed[index] = checkpointId;
    return { ...world, completed, violation };
  }

  #task({ life }: Running, { ordinal, task }: OpenTask): Task {
    const name = task.op === 'persist' ? `persist ${task.checkpointId}` : `${task.op} (${ordinal})`;
    if (task.op === 'persist' || task.op === 'merge') return { ordinal, op: task.op, name, point: null };
    return { ordinal, op: task.op, name, point: this.#carryingOut(name, life, task, 0) };
  }

  #begin(world: World, index: 0 | 1, process: Running, chosen: Task, table: number): World {
    const { task } = process.moment.open.find(({ ordinal }) => ordinal === chosen.ordinal) as OpenTask;
    const point = this.#carryingOut(chosen.name, process.life, task, table);
    const tasks = process.tasks.map((other) => (other === chosen ? { ...chosen, point } : other));
    return { ...this.#put(world, index, running({ ...process, tasks })), tables: Math.max(world.tables, table + 1) };
  }

  #carryingOut(name: string, life: number, task: OpenTask['task'], table: number): Point {
    // One at a time of each kind is at work in an attempt, and what an earlier one left has another number in its name, or is gone.
    const label = `${life}${task.op}`;
    const key = JSON.stringify([label, task, table]);
    return this.#program(key, name, label, (fs) => this.#scenario.operations.carryOut(fs, task, table)).start;
  }

  #dropping(index: 0 | 1, { life }: Running, newest: number, claimed: ClaimedCheckpoint): Task {
    const label = `${life}drop${newest}`;
    const { operations, jobs } = this.#scenario;
    const program = this.#program(`claimed ${index} ${label}`, 'drop claimed', label, (fs) =>
      operations.dropClaimed(fs, jobs[index], claimed),
    );
    return { ordinal: -1, op: 'gc', name: 'drop claimed', point: program.start };
  }

  #put(world: World, index: 0 | 1, process: Process): World {
    return { ...world, violation: null, processes: index === 0 ? [process, world.processes[1]] : [world.processes[0], process] };
  }
}

function running(process: Running): Running {
  const tasks = process.tasks.map(({ ordinal, point }) => `${ordinal}:${point === null ? '?' : point.id}`).join();
  return {
    ...process,
    key: `${process.paused ? 'p' : 'r'}${process.life}.${process.moment.id}:${tasks}${process.claimed === null ? '' : 'c'}`,
  };
}

function isAlive(process: Process): boolean {
  return process.is !== 'absent' && process.is !== 'superseded';
}

function isBarrier(input: Input): boolean {
  return input.type === 'checkpoint' || input.type === 'savepoint';
}

function describe(call: Call, reply: Reply): string {
  const to = 'to' in call ? ` to ${short(call.to)}` : '';
  return `${call.op} ${short(call.path)}${to}${'errno' in reply ? ` -> ${reply.errno}` : ''}`;
}

/** Without the directory of all jobs; of hashes the beginning. */
export function short(path: string): string {
  return path.replace(/^\/checkpoints\/[0-9a-f]{32}\//, '').replace(/([0-9a-f]{4})[0-9a-f]{28}/, '$1');
}
