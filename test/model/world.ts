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
import assert from 'node:assert/strict';
import type { ClaimedCheckpoint } from '../../src/snapshot/claim.ts';
import { isTidemarkError } from '../../src/format/errors.ts';
import type { Call, Disk } from './disk.ts';
import { isLocal } from './local-steps.ts';
import { Attempts, type Input, type OpenTask } from './machine.ts';
import type { JobOptions, Opened, Operations } from './operations.ts';
import { ABSENT, describe, isAlive, isBarrier, type Process, type Running, running, SUPERSEDED, type Task } from './process.ts';
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
  /** False: a publication may begin while a collection runs. */
  readonly publicationWaits: boolean;
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
  /** Where the lock is not seen, processes and attempts so far: each has names of its own, since others find them. */
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
      disk: faults === 0 ? disk.settled() : disk,
      processes: [ABSENT, ABSENT],
      left: { checkpoints, savepoints, faults, pauses, ends },
      tables: 0,
      lives: 0,
      completed: [0, 0],
      violation: null,
    };
  }

  /** What may happen next; after it, what needs no order of its own has happened as well. */
  *steps(world: World): Generator<Step> {
    for (const { text, world: next } of this.#steps(world)) yield { text, world: this.#withLocalSteps(next) };
  }

  *#steps(world: World): Generator<Step> {
    for (const index of [0, 1] as const) yield* this.#stepsOf(world, index);
    const { left } = world;
    const alive = world.processes.filter(isAlive).length;
    if (left.faults === 0 || alive === 0) return;
    const unfinished = [0, 1].reduce((disk, index) => this.#withUnfinished(world, disk, index as 0 | 1), world.disk);
    for (const [i, disk] of unfinished.cuts().entries()) {
      // A kill is as bad, for what is durable now need not have been.
      if (alive === 1 && disk === world.disk.durable()) continue;
      yield { text: `power is cut (${i})`, world: this.#after({ ...world, disk, processes: [ABSENT, ABSENT] }, [0, 1]) };
    }
  }

  /** A fault has ended what the processes were at. */
  #after(world: World, indices: readonly (0 | 1)[]): World {
    const left = { ...world.left, faults: world.left.faults - 1 };
    let { disk } = world;
    // Whoever is left works in another directory.
    if (this.#scenario.lockIsSeen) for (const index of indices) disk = disk.buried(this.#scenario.jobs[index].jobDirectory);
    return { ...world, disk: left.faults === 0 ? disk.settled() : disk, left };
  }

  /** With the files that tables were being written to: they have no names that anybody else would look at, and are there for a crash only. */
  #withUnfinished(world: World, disk: Disk, index: 0 | 1): Disk {
    const process = world.processes[index];
    if (process.is !== 'running' || !this.#scenario.lockIsSeen) return disk;
    return process.tasks
      .filter(({ point }) => point === null)
      .reduce((next, task) => next.call(this.#writing(process, task, 0).call as Call).disk, disk);
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
    if (left.faults === 0) return;
    // It has just begun, and nobody can tell.
    if (process.is === 'opening' && process.from === world.disk) return;
    for (const disk of new Set([world.disk, this.#withUnfinished(world, world.disk, index)]))
      yield { text: `process ${index} is killed`, world: this.#after({ ...this.#put(world, index, ABSENT), disk }, [index]) };
  }

  *#stepsOfRunning(world: World, index: 0 | 1, process: Running): Generator<Step> {
    const { left } = world;
    for (const task of process.tasks) {
      if (task.point !== null) {
        yield this.#advance(world, index, task.point, task);
        continue;
      }
      for (let table = 0; table < Math.min(world.tables + 1, this.#scenario.tables); table++) {
        const text = `process ${index}: ${task.name} writes table ${'ABCD'[table]}`;
        yield { text, world: this.#write(world, index, process, task, table) };
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
      for (const disk of new Set([world.disk, this.#withUnfinished(world, world.disk, index)])) {
        const failed = this.#after({ ...this.#put(world, index, ABSENT), disk }, [index]);
        yield { text: `process ${index}: the attempt fails`, world: this.#open(failed, index, next) };
      }
    }
    if (left.ends > 0 && idle) {
      const program = this.#program(`end ${index}`, 'end', `end${index}`, (fs) =>
        this.#scenario.operations.end(fs, this.#scenario.jobs[index]),
      );
      const closing: Process = { is: 'closing', point: program.start, key: `c${program.start.id}` };
      yield {
        text: `process ${index}: the job ends`,
        world: { ...this.#put(world, index, closing), lives: this.#nextLife(world), left: { ...left, ends: left.ends - 1 } },
      };
    }
  }

  #nextLife({ lives }: World): number {
    return this.#scenario.lockIsSeen ? lives : lives + 1;
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
    return { text: `process ${index} starts`, world: this.#open(world, index, null) };
  }

  #open(world: World, index: 0 | 1, next: number | null): World {
    const point = this.#opening(index, next).start;
    const from = next === null && this.#scenario.lockIsSeen ? world.disk : null;
    const opening: Process = { is: 'opening', life: world.lives, from, point, key: `o${point.id}` };
    return { ...this.#put(world, index, opening), lives: this.#nextLife(world) };
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

  /** A task, or what else a process does, goes on by one call. */
  #advance(world: World, index: 0 | 1, from: Point, task: Task | null): Step {
    const call = from.call as Call;
    const { disk, reply } = world.disk.call(call);
    const text = `process ${index}: ${from.program.name}: ${describe(call, reply)}`;
    return { text, world: this.#reached({ ...world, disk }, index, from.program.after(from, reply), task) };
  }

  #withLocalSteps(world: World): World {
    let now = world;
    while (now.violation === null) {
      const next = this.#localStep(now);
      if (next === null) break;
      now = next;
    }
    return now;
  }

  #localStep(world: World): World | null {
    for (const index of [0, 1] as const) {
      const process = world.processes[index];
      if (process.is === 'opening' || process.is === 'closing') {
        if (this.#isLocal(world, index, process.point, null)) return this.#advance(world, index, process.point, null).world;
      } else if (process.is === 'running' && !process.paused) {
        for (const task of process.tasks)
          if (task.point !== null && this.#isLocal(world, index, task.point, task))
            return this.#advance(world, index, task.point, task).world;
      }
    }
    return null;
  }

  #isLocal(world: World, index: 0 | 1, { call }: Point, task: Task | null): boolean {
    const { lockIsSeen, publicationWaits } = this.#scenario;
    const process = world.processes[index];
    const others = process.is === 'running' ? process.tasks.filter((other) => other !== task).map(kindOf) : [];
    return isLocal(call as Call, {
      kind: task === null ? 'process' : kindOf(task),
      changesNothing: world.disk.call(call as Call).disk === world.disk,
      alone: !isAlive(world.processes[1 - index]),
      crashes: world.left.faults > 0,
      beside: {
        publish: others.includes('publish'),
        gc: others.includes('gc'),
        other: others.includes('other'),
        writes: others.includes('write'),
      },
      writesToCome: world.left.checkpoints + world.left.savepoints > 0,
      lockIsSeen,
      publicationWaits,
    });
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
      const begun = running({ is: 'running', life: process.life, paused: false, moment, tasks: [], claimed, key: '' });
      const next = this.#put(world, index, begun);
      // The sinks of what it was restored from are committed again. One that is paused may yet report the same, where the lock is not seen.
      return this.#scenario.lockIsSeen ? this.#withCompleted(next, index, start.before.at(-1) ?? 0) : next;
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
    const kinds = new Set(tasks.map(kindOf));
    assert(
      !this.#scenario.publicationWaits || !kinds.has('gc') || !kinds.has('publish'),
      'a publication runs beside a collection: steps were taken as local that are not',
    );
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
    return { ...this.#withCompleted(world, index, checkpointId), violation };
  }

  #withCompleted(world: World, index: 0 | 1, checkpointId: number): World {
    const completed = [world.completed[0], world.completed[1]] as [number, number];
    completed[index] = checkpointId;
    return { ...world, completed };
  }

  #task({ life }: Running, { ordinal, task }: OpenTask): Task {
    const name = task.op === 'persist' ? `persist ${task.checkpointId}` : `${task.op} (${ordinal})`;
    if (task.op === 'persist' || task.op === 'merge') return { ordinal, op: task.op, name, point: null };
    return { ordinal, op: task.op, name, point: this.#carryingOut(name, life, task, 0) };
  }

  /**
   * A table is written and gets its name. In one step: until then it has a temporary name, which others pass over as long as the writer
   * lives. What a crash finds of it meanwhile, see `withUnfinished`.
   */
  #write(world: World, index: 0 | 1, process: Running, chosen: Task, table: number): World {
    let point = this.#writing(process, chosen, table);
    const begun = { ...world, tables: Math.max(world.tables, table + 1) };
    if (!this.#scenario.lockIsSeen) {
      const tasks = process.tasks.map((other) => (other === chosen ? { ...chosen, point } : other));
      return this.#put(begun, index, running({ ...process, tasks }));
    }
    let { disk } = world;
    while (point.call !== null) {
      const called = disk.call(point.call);
      disk = called.disk;
      point = point.program.after(point, called.reply);
    }
    return this.#reached({ ...begun, disk }, index, point, chosen);
  }

  /** @param table  which content it has */
  #writing(process: Running, chosen: Task, table: number): Point {
    const { task } = process.moment.open.find(({ ordinal }) => ordinal === chosen.ordinal) as OpenTask;
    return this.#carryingOut(chosen.name, process.life, task, table);
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

function kindOf({ op, ordinal }: Task): 'publish' | 'gc' | 'write' | 'other' {
  if (op === 'persist' || op === 'merge') return 'write';
  return (op === 'publish' || op === 'gc') && ordinal >= 0 ? op : 'other';
}
