/**
 * The world of the model: two processes, one disk, and what may happen next.
 *
 * ```
 * absent --start--> opening --> running --end--> closing --> absent
 *                      ^         |  |
 *                      +-failed--+  +--fenced--> absent, for good
 * ```
 *
 * A kill ends a process between any two of its calls; a power cut ends both, and the disk is any that may be found.
 *
 * Of two processes on one directory one is at work, the first of the two. It may be paused anywhere and another one start, which does
 * not see its lock, as from another host: a takeover. From then on the paused one may wake up anywhere, and the two take turns, as often
 * as there are `switches`; without a limit that is every order. What is promised then is the fence of publication alone, for deletion
 * has none: numbers only grow, and the newest that was complete, or a later one, keeps its name. Tables then decide only whether a task
 * fails, as tasks do by themselves: from a takeover on they have one content, and each checkpoint is a delta.
 */
import type { Call, Disk } from './disk.ts';
import { type LifeOptions, Lives } from './life.ts';
import type { Restart } from './operations.ts';
import { isLocal, isOfNames, isUnseen } from './local-steps.ts';
import { describe, isAlive, isBarrier, kindOf, type Process, type Reached, type Running, type Task } from './process.ts';
import type { Point } from './program.ts';

export interface Scenario extends LifeOptions {
  readonly name: string;
  readonly disk: Disk;
  /** Does the second process ever start? */
  readonly second: boolean;
  /** Checkpoints that are begun. */
  readonly checkpoints: number;
  readonly savepoints: number;
  /** Different contents of tables. */
  readonly tables: number;
  /** Kills, power cuts, attempts that fail, and writes that fail. */
  readonly faults: number;
  readonly takeovers: number;
  /** Where one may be paused for another: before any call, or only before those that concern the names of checkpoints, and without a call. */
  readonly pauses: 'anywhere' | 'at names';
  /** How often the one that is paused wakes up, and the other one is paused: up to 254, or `EVERY_ORDER`. */
  readonly switches: number;
  /** Jobs that come to their end. */
  readonly ends: number;
}
export const EVERY_ORDER = 255;

export interface World {
  readonly disk: Disk;
  readonly processes: readonly [Process, Process];
  /** What may still happen. */
  readonly left: {
    readonly checkpoints: number;
    readonly savepoints: number;
    readonly faults: number;
    readonly takeovers: number;
    readonly switches: number;
    readonly ends: number;
  };
  /** Contents that any table has had. */
  readonly tables: number;
  /** Processes and attempts since the directory had two owners, each of which has names of its own; 0: it never had. */
  readonly lives: number;
  /** By job, the highest number that was reported as complete. */
  readonly completed: readonly [number, number];
  /** The turn has just passed to the process at work: it would be for nothing to pass it on now. */
  readonly handed: boolean;
  /** What went wrong in the step that led here. */
  readonly violation: string | null;
}

export interface Step {
  readonly text: () => string;
  readonly world: World;
}

export const KEY_WORDS = 7;

/** What tells worlds apart. */
export function writeKey({ disk, processes, left, tables, lives, completed }: World, into: Int32Array): void {
  into[0] = disk.id;
  into[1] = processes[0].id;
  into[2] = processes[1].id;
  into[3] = left.checkpoints | (left.savepoints << 8) | (left.faults << 16) | (left.takeovers << 24);
  into[4] = left.switches | (left.ends << 8) | (tables << 16);
  into[5] = lives;
  into[6] = completed[0] | (completed[1] << 16);
}

type Slot = 0 | 1;
const SLOTS = [0, 1] as const;

export class Model {
  readonly #scenario: Scenario;
  readonly #lives: Lives;
  /** Both work in one directory, and so only the first of the two moves. */
  readonly #shared: boolean;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#lives = new Lives(scenario);
    this.#shared = scenario.jobs[0].jobDirectory === scenario.jobs[1].jobDirectory;
  }

  get initial(): World {
    const { disk, second, checkpoints, savepoints, faults, takeovers, switches, ends } = this.#scenario;
    return {
      disk: faults === 0 ? disk.settled() : disk,
      processes: [
        this.#lives.processes.of(0, { is: 'absent' }),
        this.#lives.processes.of(this.#shared ? 0 : 1, { is: second ? 'absent' : 'superseded' }),
      ],
      left: { checkpoints, savepoints, faults, takeovers, switches: takeovers === 0 ? 0 : switches, ends },
      tables: 0,
      lives: 0,
      completed: [0, 0],
      handed: false,
      violation: null,
    };
  }

  /** What may happen next; after it, what needs no order of its own has happened as well. */
  steps(world: World): Step[] {
    const steps: Step[] = [];
    const local = this.#localStep(world);
    if (local === null) this.#steps(world, steps);
    else steps.push(local);
    this.#handOver(world, steps);
    return steps.map(({ text, world: next }) => ({ text, world: this.#withoutIdle(this.#withLocal(next)) }));
  }

  /**
   * Where no checkpoint is left to begin, nothing comes of a process that has no task, or that opens: each disk is examined as such a
   * process would find it.
   */
  #withoutIdle(world: World): World {
    const { checkpoints, savepoints, ends } = world.left;
    if (checkpoints + savepoints + ends > 0 || world.violation !== null) return world;
    const idle = (process: Process) =>
      process.is === 'opening' || (process.is === 'running' && process.tasks.length === 0 && process.moment.inProgress === 0);
    let next = world;
    for (const process of world.processes)
      if (idle(process)) next = this.#gone(next, next.processes.indexOf(process) as Slot, 'superseded');
    return next;
  }

  get #moving(): readonly Slot[] {
    return this.#shared ? [0] : SLOTS;
  }

  #steps(world: World, steps: Step[]): void {
    for (const slot of this.#moving) this.#stepsOf(world, slot, steps);
    const { left } = world;
    const alive = world.processes.filter(isAlive).length;
    if (left.faults === 0 || (alive === 0 && left.checkpoints > 0)) return;
    const unfinished = SLOTS.reduce((disk, slot) => this.#withUnfinished(world, disk, slot), world.disk);
    for (const [i, disk] of unfinished.cuts().entries()) {
      // A kill is as bad, for what is durable now need not have been.
      if (alive === 1 && disk === world.disk.durable()) continue;
      let gone: World = { ...world, disk };
      // Where one is gone, the other one may have taken its place.
      for (let slot = aliveIn(gone); slot !== null; slot = aliveIn(gone)) gone = this.#gone(gone, slot);
      steps.push({ text: () => `power is cut (${i})`, world: this.#after(gone, SLOTS) });
    }
  }

  /** A fault has ended what processes were at. */
  #after(world: World, slots: readonly Slot[]): World {
    const left = { ...world.left, faults: world.left.faults - 1 };
    let { lives } = world;
    let disk = left.faults === 0 ? world.disk.settled() : world.disk;
    // Whoever is left works in another directory, or it is of two on one, and has read names of the other one.
    if (!this.#shared || !world.processes.some(isAlive)) {
      for (const slot of slots) disk = disk.buried(this.#directoryOf(world.processes[slot]));
      lives = Math.min(lives, 1);
    }
    return { ...world, disk, left, lives };
  }

  #directoryOf({ job }: Process): string {
    return this.#scenario.jobs[job].jobDirectory;
  }

  /** With the files that tables were being written to: they have no names that anybody else would look at, and are there for a crash only. */
  #withUnfinished(world: World, disk: Disk, slot: Slot): Disk {
    const process = world.processes[slot];
    if (process.is !== 'running') return disk;
    return process.tasks
      .filter(({ point }) => point === null)
      .reduce((next, task) => next.call(this.#lives.writing(process, task, 0).start(next).call as Call).disk, disk);
  }

  #stepsOf(world: World, slot: Slot, steps: Step[]): void {
    const process = world.processes[slot];
    const { left } = world;
    const who = this.#nameOf(world, slot);
    switch (process.is) {
      case 'superseded':
        return;
      case 'absent':
        if (left.checkpoints > 0) steps.push({ text: () => `${who} starts`, world: this.#open(world, slot, null) });
        return;
      case 'opening':
      case 'closing':
        steps.push(this.#advance(world, slot, process.point, null));
        break;
      case 'running':
        this.#stepsOfRunning(world, slot, process, steps);
    }
    // It has just begun, and nobody can tell.
    if (left.faults === 0 || (process.is === 'opening' && process.fresh)) return;
    for (const disk of new Set([world.disk, this.#withUnfinished(world, world.disk, slot)]))
      steps.push({ text: () => `${who} is killed`, world: this.#after(this.#gone({ ...world, disk }, slot), [slot]) });
  }

  #nameOf({ processes, lives }: World, slot: Slot): string {
    const process = processes[slot];
    if (!this.#shared) return `process ${slot}`;
    return lives > 0 && 'life' in process ? `owner ${process.life}` : 'the owner';
  }

  #stepsOfRunning(world: World, slot: Slot, process: Running, steps: Step[]): void {
    const { left } = world;
    const { tasks, moment } = process;
    const who = this.#nameOf(world, slot);
    for (const task of tasks) {
      if (task.point !== null) {
        steps.push(this.#advance(world, slot, task.point, task));
        continue;
      }
      for (const table of this.#contents(world)) {
        const text = () => `${who}: ${task.name} writes table ${'ABCD'[table]}`;
        steps.push({ text, world: this.#write(world, slot, process, task, table) });
      }
      if (left.faults > 0) {
        const error = new Error('ENOSPC');
        const input = { type: 'failed', task: task.ordinal, op: task.op, error, published: 0 } as const;
        const reached = this.#lives.told(process, `failed ${task.ordinal}`, input, world.disk);
        const failed = { ...world, left: { ...left, faults: left.faults - 1 } };
        steps.push({ text: () => `${who}: ${task.name} fails`, world: this.#with(failed, slot, reached) });
      }
    }
    const idle = moment.inProgress === 0;
    for (const type of ['checkpoint', 'savepoint'] as const) {
      const allowance = type === 'checkpoint' ? 'checkpoints' : 'savepoints';
      if (!idle || left[allowance] === 0) continue;
      for (const full of world.lives === 0 ? [true, false] : [false]) {
        const asked = { ...world, left: { ...left, [allowance]: left[allowance] - 1 } };
        const reached = this.#lives.told(process, `${type} ${full}`, { type, full }, world.disk);
        steps.push({ text: () => `${who}: ${type}${full ? ', full' : ''}`, world: this.#with(asked, slot, reached) });
      }
    }
    // Both wait for a collection that has begun.
    if (tasks.some(({ op }) => op === 'gc')) return;
    if (left.faults > 0) {
      const next = moment.start.firstEpoch + moment.inputs.filter(isBarrier).length;
      const known = Math.max(moment.known, this.#lives.published(process, world.disk));
      for (const disk of new Set([world.disk, this.#withUnfinished(world, world.disk, slot)])) {
        const failed = this.#after(this.#put(world, slot, this.#lives.processes.of(process.job, { is: 'absent' }), disk), [slot]);
        steps.push({ text: () => `${who}: the attempt fails`, world: this.#open(failed, slot, { next, known }) });
      }
    }
    if (left.ends > 0 && idle) {
      const closing = this.#lives.ended(process, world.disk);
      const ended = { ...this.#put(world, slot, closing), left: { ...left, ends: left.ends - 1 } };
      steps.push({ text: () => `${who}: the job ends`, world: ended });
    }
  }

  /** Contents that a table may have now: those that any had, and the next one. */
  #contents({ tables, lives }: World): number[] {
    if (lives > 0) return [0];
    return Array.from({ length: Math.min(tables + 1, this.#scenario.tables) }, (_, table) => table);
  }

  #mayHandOver({ left, processes: [process, other] }: World): boolean {
    if (!this.#shared || !isAlive(process)) return false;
    if (isAlive(other) ? left.switches === 0 : other.is !== 'absent' || left.takeovers === 0 || left.checkpoints === 0)
      return false;
    return this.#scenario.pauses === 'anywhere' || callsOf(process).every(isOfNames);
  }

  /** The process at work is paused, wherever it stands. */
  #handOver(world: World, steps: Step[]): void {
    const { left, processes, lives, handed } = world;
    if (handed || !this.#mayHandOver(world)) return;
    const paused = `${this.#nameOf(world, 0)} is paused`;
    for (const stopped of this.#stoppedAnywhere(world, processes[0])) {
      if (isAlive(processes[1])) {
        const switches = left.switches === EVERY_ORDER ? EVERY_ORDER : left.switches - 1;
        const woken = { ...swapped(stopped), left: { ...left, switches }, handed: true };
        steps.push({ text: () => `${paused}, and ${this.#nameOf(woken, 0)} wakes up`, world: woken });
      } else {
        const begun = { ...swapped(stopped), lives: Math.max(lives, 1), left: { ...left, takeovers: left.takeovers - 1 } };
        steps.push({ text: () => `${paused}, and another one starts`, world: { ...this.#open(begun, 0, null), handed: true } });
      }
    }
  }

  /** As long as nobody else is at work tables are written in one step. */
  *#stoppedAnywhere(world: World, process: Process): Generator<World> {
    yield world;
    if (process.is !== 'running' || this.#scenario.pauses === 'at names') return;
    for (const task of process.tasks) {
      if (task.point !== null) continue;
      for (const table of this.#contents(world)) {
        let { disk } = world;
        let point = this.#lives.writing(process, task, table).start(disk);
        while (point.call !== null) {
          const called = disk.call(point.call);
          point = point.program.after(point, called.reply, called.disk);
          ({ disk } = called);
          // As soon as it has a name, there is something to be found.
          if (point.call !== null && !isUnseen(point.call, disk.call(point.call).disk === disk))
            yield this.#put(
              { ...world, disk, tables: Math.max(world.tables, table + 1) },
              0,
              this.#withTask(process, task, point),
            );
        }
      }
    }
  }

  #open(world: World, slot: Slot, restart: Restart | null): World {
    const { lives, disk, processes } = world;
    const process = this.#lives.opened(processes[slot].job, lives, restart, disk);
    return this.#put({ ...world, lives: lives === 0 ? 0 : lives + 1 }, slot, process);
  }

  /** A task, or what else a process does, goes on by one call. */
  #advance(world: World, slot: Slot, from: Point, task: Task | null): Step {
    const call = from.call as Call;
    const { disk, reply } = world.disk.call(call);
    const point = from.program.after(from, reply, disk);
    const reached = this.#lives.reached(world.processes[slot], task, point, disk, disk !== world.disk);
    return {
      text: () => `${this.#nameOf(world, slot)}: ${from.program.name}: ${describe(call, reply)}`,
      world: this.#with(world, slot, reached, disk),
    };
  }

  /** Steps that need no order of their own are taken; only as far as nobody sees them while another process may find the state before. */
  #withLocal(world: World): World {
    let now = world;
    while (now.violation === null) {
      const next = this.#mayHandOver(now) ? this.#unseenStep(now) : this.#localStep(now);
      if (next === null) break;
      now = next.world;
    }
    return now === world ? world : { ...now, handed: world.handed };
  }

  #unseenStep(world: World): Step | null {
    const { disk } = world;
    return this.#firstStep(world, (call) => isUnseen(call, disk.call(call).disk === disk));
  }

  #localStep(world: World): Step | null {
    return this.#firstStep(world, (call, slot, task) => this.#isLocal(world, slot, call, task));
  }

  #firstStep(world: World, may: (call: Call, slot: Slot, task: Task | null) => boolean): Step | null {
    for (const slot of this.#moving) {
      const process = world.processes[slot];
      if (process.is === 'opening' || process.is === 'closing') {
        if (may(process.point.call as Call, slot, null)) return this.#advance(world, slot, process.point, null);
      } else if (process.is === 'running') {
        for (const task of process.tasks)
          if (task.point !== null && may(task.point.call as Call, slot, task))
            return this.#advance(world, slot, task.point, task);
      }
    }
    return null;
  }

  #isLocal({ disk, processes, left }: World, slot: Slot, call: Call, task: Task | null): boolean {
    if (isUnseen(call, disk.call(call).disk === disk)) return true;
    const process = processes[slot];
    const tasks = process.is === 'running' ? process.tasks : [];
    return isLocal(call, {
      kind: task === null ? 'process' : kindOf(task),
      alone: this.#shared || !isAlive(processes[1 - slot]),
      crashes: left.faults > 0,
      beside: (kind) => tasks.some((other) => other !== task && kindOf(other) === kind),
      writesToCome: left.checkpoints + left.savepoints > 0,
      publicationWaits: this.#scenario.publicationWaits,
    });
  }

  /**
   * A table is written and gets its name, in one step: until then it has a temporary name, which is passed over as long as the
   * writer lives. What is found of it meanwhile, see `withUnfinished` and `stoppedAnywhere`.
   */
  #write(world: World, slot: Slot, process: Running, chosen: Task, table: number): World {
    const { disk, end } = this.#lives.writing(process, chosen, table).toEnd(world.disk);
    const reached = this.#lives.reached(process, chosen, end, disk, true);
    return this.#with({ ...world, disk, tables: Math.max(world.tables, table + 1) }, slot, reached);
  }

  #put(world: World, slot: Slot, process: Process, disk = world.disk): World {
    const { processes } = world;
    // Each field by its name: a spread here takes a seventh of the time of a search.
    return {
      disk,
      processes: slot === 0 ? [process, processes[1]] : [processes[0], process],
      left: world.left,
      tables: world.tables,
      lives: world.lives,
      completed: world.completed,
      handed: false,
      violation: null,
    };
  }

  /** It is at work no more. If there is another one on the directory, that one is. */
  #gone(world: World, slot: Slot, is: 'absent' | 'superseded' = 'absent'): World {
    const process = world.processes[slot];
    if (!isAlive(process)) return world;
    const next = this.#put(world, slot, this.#lives.processes.of(process.job, { is }));
    if (!this.#shared) return next;
    const turned = isAlive(next.processes[1]) || next.processes[0].is === 'superseded' ? swapped(next) : next;
    return { ...turned, left: { ...turned.left, switches: turned.left.takeovers === 0 ? 0 : turned.left.switches } };
  }

  #withTask(process: Running, task: Task, point: Point): Process {
    const tasks = process.tasks.map((other) => (other === task ? { ...task, point } : other));
    return this.#lives.processes.of(process.job, { ...process, tasks });
  }

  /** What has become of a process, and what that says about the world. */
  #with(world: World, slot: Slot, { process, completed, knew = 0, started, failure }: Reached, disk = world.disk): World {
    const { job } = process;
    if (failure !== undefined) {
      const violation = this.#mayFail(world, job, failure)
        ? null
        : `${this.#nameOf(world, slot)} fails while ${failure.when}: ${failure.message}`;
      return { ...this.#gone({ ...world, disk }, slot, 'superseded'), violation };
    }
    if (process.is === 'superseded') return this.#gone({ ...world, disk }, slot, 'superseded');
    const next = this.#put(world, slot, process, disk);
    if (completed !== undefined) {
      const before = world.completed[job];
      const what = `${this.#nameOf(world, slot)} completes checkpoint ${completed}`;
      let violation: string | null = null;
      if (completed <= before) violation = `${what}, but ${before} is complete`;
      // Both would commit the records in between.
      else if (knew < before) violation = `${what} on top of ${knew}, but ${before} is complete`;
      return { ...withCompleted(next, job, completed), violation };
    }
    // The sinks of what it was restored from are committed again. Its publisher may yet report the same where there were two owners.
    return started !== undefined && world.lives === 0 ? withCompleted(next, job, started) : next;
  }

  #mayFail({ lives }: World, job: 0 | 1, { when }: NonNullable<Reached['failure']>): boolean {
    if (lives > 0 || when === 'fenced') return true;
    // Whoever starts from a checkpoint that it does not own may find that it is gone.
    const { from, claim } = this.#scenario.jobs[job];
    return when === 'starting' && from !== null && !claim;
  }
}

function swapped(world: World): World {
  return { ...world, processes: [world.processes[1], world.processes[0]] };
}

function aliveIn({ processes }: World): Slot | null {
  return SLOTS.find((slot) => isAlive(processes[slot])) ?? null;
}

function callsOf(process: Process): Call[] {
  if (process.is === 'running') return process.tasks.flatMap(({ point }) => (point === null ? [] : [point.call as Call]));
  return 'point' in process ? [process.point.call as Call] : [];
}

function withCompleted(world: World, job: 0 | 1, checkpointId: number): World {
  if (checkpointId <= world.completed[job]) return world;
  const [first, second] = world.completed;
  return { ...world, completed: job === 0 ? [checkpointId, second] : [first, checkpointId] };
}
