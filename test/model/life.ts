/**
 * What becomes of one process, whatever the rest of the world does meanwhile: it begins, its programs go on by a reply, its main
 * thread is told something. Each such thing is worked out once for equal processes.
 */
import assert from 'node:assert/strict';
import { isTidemarkError } from '../../src/format/errors.ts';
import type { Manifest } from '../../src/format/manifest.ts';
import type { ClaimedCheckpoint } from '../../src/snapshot/claim.ts';
import { isPublished } from '../../src/snapshot/publish.ts';
import type { PublishTask } from '../../src/worker/protocol.ts';
import type { Disk } from './disk.ts';
import { Attempts, type Input, type Moment, type OpenTask } from './machine.ts';
import type { JobOptions, Opened, Operations, Restart } from './operations.ts';
import { kindOf, type Process, Processes, type Reached, type Running, type Task } from './process.ts';
import { idOf, type Point, Program, type Stages, stages } from './program.ts';

export interface LifeOptions {
  /** Of each of the two processes. */
  readonly jobs: readonly [JobOptions, JobOptions];
  readonly operations: Operations;
  /** False: a publication may begin while a collection runs. */
  readonly publicationWaits: boolean;
}

export class Lives {
  readonly #options: LifeOptions;
  readonly processes = new Processes();
  readonly #attempts = new Attempts();
  readonly #programs = new Map<string, Program>();

  constructor(options: LifeOptions) {
    this.#options = options;
  }

  /** @param restart  null: the process has just begun */
  opened(job: 0 | 1, life: number, restart: Restart | null, disk: Disk): Process {
    const { operations, jobs } = this.#options;
    const program = this.#program(`open ${job} ${JSON.stringify(restart)}`, 'open', 'open', () =>
      operations.open(jobs[job], restart),
    );
    return this.processes.of(job, { is: 'opening', life, fresh: restart === null, point: program.start(disk) });
  }

  ended({ job, life }: Running, disk: Disk): Process {
    const { operations, jobs } = this.#options;
    const program = this.#program(`end ${job} ${life}`, 'end', `${life}end${job}`, () => operations.end(jobs[job]));
    return this.processes.of(job, { is: 'closing', life, point: program.start(disk) });
  }

  /** A program of the process goes on. @param task  null: of one that opens or closes. @param disk  as it is then */
  reached(process: Process, task: Task | null, point: Point, disk: Disk, changed: boolean): Reached {
    const key = changed && process.is === 'opening' && process.fresh ? `changed ${point.id}` : point;
    let reached = process.next?.get(key);
    if (reached === undefined) {
      reached = this.#reach(process, task, point, disk, changed);
      (process.next ??= new Map()).set(key, reached);
    }
    return reached;
  }

  #reach(process: Process, task: Task | null, point: Point, disk: Disk, changed: boolean): Reached {
    const { job } = process;
    const { outcome } = point;
    switch (process.is) {
      case 'opening':
        if (outcome === null) return { process: this.processes.of(job, { ...process, fresh: process.fresh && !changed, point }) };
        return 'error' in outcome
          ? {
              process: this.processes.of(job, { is: 'superseded' }),
              failure: { message: messageOf(outcome.error), when: 'starting' },
            }
          : this.#begin(job, process.life, outcome.value as Opened);
      case 'closing':
        return { process: this.processes.of(job, outcome === null ? { ...process, point } : { is: 'superseded' }) };
      case 'running': {
        const mine = task as Task;
        if (outcome === null) {
          const tasks = process.tasks.map((other) => (other === mine ? { ...mine, point } : other));
          return { process: this.processes.of(job, { ...process, tasks }) };
        }
        // Its deletion is no task of the attempt: nobody waits for it.
        if (mine.ordinal < 0) {
          const tasks = process.tasks.filter((other) => other !== mine);
          const dropped = 'value' in outcome && outcome.value === true;
          return { process: this.processes.of(job, { ...process, tasks, claimed: dropped ? null : process.claimed }) };
        }
        const { ordinal, op } = mine;
        return 'value' in outcome
          ? this.told(process, `${ordinal} ${idOf(outcome)}`, { type: 'done', task: ordinal, op, result: outcome.value }, disk)
          : this.told(
              process,
              `${ordinal} ${idOf(outcome)} ${this.published(process, disk)}`,
              { type: 'failed', task: ordinal, op, error: outcome.error as Error, published: this.published(process, disk) },
              disk,
            );
      }
      default:
        throw new Error(`a process that is ${process.is} has no programs`);
    }
  }

  #begin(job: 0 | 1, life: number, { claimed, ...start }: Opened): Reached {
    const moment = this.#attempts.begin({ ...start, owner: life });
    return {
      process: this.processes.of(job, { is: 'running', life, moment, tasks: [], claimed }),
      started: start.restored,
    };
  }

  /** @param key  equal for equal inputs to one process */
  told(process: Running, key: string, input: Input, disk: Disk): Reached {
    let reached = process.next?.get(key);
    if (reached === undefined) {
      reached = this.#tell(process, this.#attempts.tell(process.moment, key, input), disk);
      (process.next ??= new Map()).set(key, reached);
    }
    return reached;
  }

  #tell(process: Running, moment: Moment, disk: Disk): Reached {
    const { job } = process;
    const { fatal, completed } = moment;
    if (fatal !== null) {
      const when = isTidemarkError(fatal) && fatal.code === 'ERR_CHECKPOINT_FENCED' ? 'fenced' : 'running';
      return { process: this.processes.of(job, { is: 'superseded' }), failure: { message: fatal.message, when } };
    }
    const known = new Map(process.tasks.map((task) => [task.ordinal, task]));
    const tasks = moment.open.map((open) => known.get(open.ordinal) ?? this.#task(process, open, disk));
    const dropping = known.get(-1);
    if (dropping !== undefined) tasks.push(dropping);
    const kinds = new Set(tasks.map(kindOf));
    assert(
      !this.#options.publicationWaits || !kinds.has('gc') || !kinds.has('publish'),
      'a publication runs beside a collection: steps were taken as local that are not',
    );
    const newest = completed.at(-1) ?? 0;
    if (newest === (process.moment.completed.at(-1) ?? 0))
      return { process: this.processes.of(job, { ...process, moment, tasks }) };
    if (process.claimed !== null && dropping === undefined) tasks.push(this.#dropping(process, newest, process.claimed, disk));
    const { completed: before, start } = process.moment;
    const knew = before.at(-1) ?? start.restored;
    return { process: this.processes.of(job, { ...process, moment, tasks }), completed: newest, knew };
  }

  /** Number of what a process is publishing if it has been published, else 0. */
  published({ moment, life }: Running, disk: Disk): number {
    const task = moment.open.map((open) => open.task).find(({ op }) => op === 'publish') as PublishTask | undefined;
    if (task === undefined) return 0;
    const manifest = JSON.parse(task.manifest) as Manifest;
    const key = JSON.stringify(['published', life, task]);
    const program = this.#program(key, 'look', `${life}look`, () => stages((fs) => isPublished(fs, task.jobDirectory, manifest)));
    const { outcome } = program.toEnd(disk);
    return outcome !== null && 'value' in outcome && outcome.value === true ? manifest.checkpointId : 0;
  }

  #task({ life }: Running, { ordinal, task }: OpenTask, disk: Disk): Task {
    const name = task.op === 'persist' ? `persist ${task.checkpointId}` : `${task.op} (${ordinal})`;
    const writes = task.op === 'persist' || task.op === 'merge';
    return { ordinal, op: task.op, name, point: writes ? null : this.#carryingOut(name, life, task, 0).start(disk) };
  }

  /** The program that writes the table of a task. @param table  which content it has */
  writing(process: Running, chosen: Task, table: number): Program {
    const { task } = process.moment.open.find(({ ordinal }) => ordinal === chosen.ordinal) as OpenTask;
    return this.#carryingOut(chosen.name, process.life, task, table);
  }

  #carryingOut(name: string, life: number, task: OpenTask['task'], table: number): Program {
    // One at a time of each kind is at work in an attempt, and what an earlier one left has another number in its name, or is gone.
    const label = `${life}${task.op}`;
    const key = JSON.stringify([label, task, table]);
    return this.#program(key, name, label, () => this.#options.operations.carryOut(task, table));
  }

  #dropping({ job, life }: Running, newest: number, claimed: ClaimedCheckpoint, disk: Disk): Task {
    const label = `${life}drop${newest}`;
    const { operations, jobs } = this.#options;
    const program = this.#program(`claimed ${job} ${label}`, 'drop claimed', label, () =>
      operations.dropClaimed(jobs[job], claimed),
    );
    return { ordinal: -1, op: 'gc', name: 'drop claimed', point: program.start(disk) };
  }

  #program(key: string, name: string, label: string, all: () => Stages): Program {
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = new Program(name, label, all());
      this.#programs.set(key, program);
    }
    return program;
  }
}

function messageOf(error: unknown): string {
  return (error as Error).message;
}
