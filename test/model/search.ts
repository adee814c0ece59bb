/** Through all states of a scenario, up to the first that is not sound. */
import type { FsPort } from '../../src/snapshot/fs-port.ts';
import { findCheckpointsOfJob } from '../../src/snapshot/restore.ts';
import { tablesOf } from '../../src/format/manifest.ts';
import type { Disk } from './disk.ts';
import { type Opened, OPERATIONS } from './operations.ts';
import { type Outcome, Program, stages } from './program.ts';
import { NotYet } from './machine.ts';
import { StateTable } from './state-table.ts';
import { KEY_WORDS, Model, type Scenario, type Step, type World, writeKey } from './world.ts';

export interface Result {
  readonly states: number;
  readonly transitions: number;
  /** As a process that starts would find them. */
  readonly disks: number;
  /** Steps to the deepest state, or to the violation. */
  readonly depth: number;
  /** null: every state is sound. */
  readonly violation: string | null;
  readonly trace: readonly string[];
}

/** A state whose steps are still to be taken, its number, and how many steps led to it. */
interface Waiting {
  readonly world: World;
  readonly state: number;
  readonly depth: number;
}

/**
 * @param order  breadth: the first violation has a shortest path. depth: to be there soon, where one is expected
 */
export async function search(scenario: Scenario, order: 'breadth' | 'depth' = 'breadth'): Promise<Result> {
  const model = new Model(scenario);
  const soundness = new Soundness(scenario);
  const table = new StateTable();
  const key = new Int32Array(KEY_WORDS);
  const add = (world: World, from: number, step: number): number => {
    writeKey(world, key);
    return table.add(key, from, step);
  };
  let waiting: Waiting[] = [{ world: model.initial, state: add(model.initial, 0, 0), depth: 0 }];
  let transitions = 0;
  let deepest = 0;
  while (waiting.length > 0) {
    const now = order === 'breadth' ? waiting : waiting.splice(-1);
    const reached: Waiting[] = [];
    for (const { world, state, depth } of now) {
      deepest = Math.max(deepest, depth);
      const steps = stepsOf(model, world);
      for (const [i, step] of (Array.isArray(steps) ? steps : await steps).entries()) {
        transitions++;
        const number = add(step.world, state, i);
        if (number < 0 && step.world.violation === null) continue;
        const violation = step.world.violation ?? soundness.problemOf(step.world);
        if (violation !== null) {
          const trace = await textsOf(model, [...table.pathTo(state), i]);
          return { states: table.size, transitions, disks: soundness.disks, depth: trace.length, violation, trace };
        }
        reached.push({ world: step.world, state: number, depth: depth + 1 });
      }
    }
    if (order === 'breadth') waiting = reached;
    else waiting.push(...reached.toReversed());
  }
  return { states: table.size, transitions, disks: soundness.disks, depth: deepest, violation: null, trace: [] };
}

/** The steps of a path, in words: it is taken again. */
async function textsOf(model: Model, path: readonly number[]): Promise<string[]> {
  const texts: string[] = [];
  let { initial: world } = model;
  for (const i of path) {
    const step = (await stepsOf(model, world))[i];
    texts.push(step.text());
    world = step.world;
  }
  return texts;
}

/** All steps; a promise of them where what the main threads do next is not known yet, and is worked out. */
function stepsOf(model: Model, world: World): Step[] | Promise<Step[]> {
  try {
    return model.steps(world);
  } catch (error) {
    if (!(error instanceof NotYet)) throw error;
    return error.ready.then(() => stepsOf(model, world));
  }
}

/** What a process finds that starts on a disk when all others are gone. */
interface Verdict {
  readonly problem: string | null;
  /** Newest checkpoint in the directory of each job, 0 for none. */
  readonly newest: readonly number[];
}

/** Of one directory: numbers of its checkpoints, newest first, and hashes of the tables that they name. */
interface Found {
  readonly numbers: readonly number[];
  readonly problem: string | null;
  readonly tables: readonly string[];
}

/** Of a job, with what is asked of it. */
interface Directory {
  readonly directory: string;
  readonly find: Program;
  readonly open: Program;
}

class Soundness {
  readonly #jobs: readonly Directory[];
  readonly #verdicts = new Map<Disk, Verdict>();

  constructor({ jobs }: Scenario) {
    const shared = jobs[0].jobDirectory === jobs[1].jobDirectory;
    this.#jobs = (shared ? [jobs[0]] : jobs).map((job) => ({
      directory: job.jobDirectory,
      find: new Program(
        'find',
        'find',
        stages((fs) => found(fs, job.jobDirectory)),
      ),
      open: new Program('start', 'open', OPERATIONS.open({ ...job, from: null }, null)),
    }));
  }

  get disks(): number {
    return this.#verdicts.size;
  }

  problemOf({ disk: met, completed, lives }: World): string | null {
    // Whoever starts now sees neither what is durable nor who chose which temporary name.
    const disk = this.#jobs.reduce((next, { directory }) => next.buried(directory), met.settled());
    let verdict = this.#verdicts.get(disk);
    if (verdict === undefined) {
      verdict = this.#examine(disk);
      this.#verdicts.set(disk, verdict);
    }
    // After a takeover a table may be lost: deletion has no fence.
    if (verdict.problem !== null && lives === 0) return verdict.problem;
    for (const [i, newest] of verdict.newest.entries())
      if (newest < completed[i]) return `checkpoint ${completed[i]} was complete, and the newest one that is left is ${newest}`;
    return null;
  }

  #examine(disk: Disk): Verdict {
    const examined = this.#jobs.map((job) => this.#examineOne(disk, job));
    return {
      problem: examined.find(({ problem }) => problem !== null)?.problem ?? null,
      newest: examined.map(({ newest }) => newest),
    };
  }

  #examineOne(disk: Disk, { directory, find, open }: Directory) {
    const { numbers, problem, tables } = valueOf(find.toEnd(disk)) as Found;
    const newest = numbers[0] ?? 0;
    if (problem !== null || newest === 0) return { problem, newest };
    const opened = open.toEnd(disk);
    const orphan = opened.disk
      .paths()
      .filter((path) => path.startsWith(`${directory}/`))
      .find((path) => /\/\.[^/]*\/?$/.test(path) || (path.endsWith('.sst') && !tables.includes(path.slice(-36, -4))));
    if (orphan !== undefined) return { problem: `an orphan is left by the sweep of a process that starts: ${orphan}`, newest };
    const { firstEpoch } = valueOf(opened) as Opened;
    return { problem: firstEpoch <= newest ? `a process would use number ${firstEpoch} again` : null, newest };
  }
}

function found(fs: FsPort, directory: string): Found {
  const checkpoints = findCheckpointsOfJob(fs, directory);
  return {
    numbers: checkpoints.map(({ checkpointId }) => checkpointId),
    problem: checkpoints.find(({ problem }) => problem !== null)?.problem?.message ?? null,
    tables: checkpoints.flatMap(({ checkpoint }) => (checkpoint === null ? [] : [...tablesOf(checkpoint.manifest).keys()])),
  };
}

function valueOf({ outcome }: { readonly outcome: Outcome }): unknown {
  if ('error' in outcome) throw outcome.error;
  return outcome.value;
}
