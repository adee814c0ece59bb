/** Breadth first through the states of a scenario: the first violation has a shortest path. */
import { findCheckpointsOfJob } from '../../src/snapshot/restore.ts';
import { tablesOf } from '../../src/format/manifest.ts';
import type { Disk } from './disk.ts';
import { OPERATIONS } from './operations.ts';
import { runAlone } from './program.ts';
import { NotYet } from './machine.ts';
import { StateTable } from './state-table.ts';
import { keyOf, Model, type Scenario, type Step, type World } from './world.ts';

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

/** A state whose steps are still to be taken, and its number. */
interface Waiting {
  readonly world: World;
  readonly state: number;
}

export async function search(scenario: Scenario): Promise<Result> {
  const model = new Model(scenario);
  const soundness = new Soundness(scenario);
  const table = new StateTable();
  let frontier: Waiting[] = [{ world: model.initial, state: table.add(keyOf(model.initial), 0, 0) }];
  let transitions = 0;
  let depth = 0;
  for (; frontier.length > 0; depth++) {
    const next: Waiting[] = [];
    for (const { world, state } of frontier)
      for (const [i, step] of (await stepsOf(model, world)).entries()) {
        transitions++;
        const number = table.add(keyOf(step.world), state, i);
        if (number < 0 && step.world.violation === null) continue;
        const violation = step.world.violation ?? (scenario.lockIsSeen ? soundness.problemOf(step.world) : null);
        if (violation !== null) {
          const trace = await textsOf(model, [...table.pathTo(state), i]);
          return { states: table.size, transitions, disks: soundness.disks, depth: trace.length, violation, trace };
        }
        next.push({ world: step.world, state: number });
      }
    frontier = next;
  }
  return { states: table.size, transitions, disks: soundness.disks, depth: depth - 1, violation: null, trace: [] };
}

/** The steps of a path, in words: it is taken again. */
async function textsOf(model: Model, path: readonly number[]): Promise<string[]> {
  const texts: string[] = [];
  let { initial: world } = model;
  for (const i of path) {
    const step = (await stepsOf(model, world))[i];
    texts.push(step.text);
    world = step.world;
  }
  return texts;
}

/** All steps; what the main threads do next is worked out where it is not known yet. */
async function stepsOf(model: Model, world: World): Promise<Step[]> {
  for (;;) {
    try {
      return [...model.steps(world)];
    } catch (error) {
      if (!(error instanceof NotYet)) throw error;
      await error.ready;
    }
  }
}

/** What a disk is found to be by a process that starts on it when all others are gone. */
interface Verdict {
  readonly problem: string | null;
  /** Newest checkpoint in the directory of each job. */
  readonly newest: readonly number[];
}

class Soundness {
  readonly #scenario: Scenario;
  readonly #verdicts = new Map<Disk, Verdict>();

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
  }

  get disks(): number {
    return this.#verdicts.size;
  }

  problemOf({ disk: found, completed }: World): string | null {
    // Whoever starts now sees neither what is durable nor who chose which temporary name.
    const disk = this.#scenario.jobs.reduce((next, { jobDirectory }) => next.buried(jobDirectory), found.settled());
    let verdict = this.#verdicts.get(disk);
    if (verdict === undefined) {
      verdict = this.#examine(disk);
      this.#verdicts.set(disk, verdict);
    }
    if (verdict.problem !== null) return verdict.problem;
    for (const [i, newest] of verdict.newest.entries())
      if (newest < completed[i]) return `checkpoint ${completed[i]} was complete, and the newest one that is left is ${newest}`;
    return null;
  }

  #examine(disk: Disk): Verdict {
    const newest: number[] = [];
    for (const job of this.#scenario.jobs) {
      const found = runAlone(disk, (fs) => findCheckpointsOfJob(fs, job.jobDirectory)).value;
      for (const { problem } of found) if (problem !== null) return { problem: problem.message, newest };
      newest.push(found[0]?.checkpointId ?? 0);
      if (found.length === 0) continue;
      const opened = runAlone(disk, (fs) => OPERATIONS.open(fs, { ...job, from: null }, null));
      const named = new Set(found.flatMap(({ checkpoint }) => [...tablesOf(checkpoint!.manifest).keys()]));
      const orphan = opened.disk
        .paths()
        .filter((path) => path.startsWith(`${job.jobDirectory}/`))
        .find((path) => /\/\.[^/]*\/?$/.test(path) || (path.endsWith('.sst') && !named.has(path.slice(-36, -4))));
      if (orphan !== undefined) return { problem: `an orphan is left by the sweep of a process that starts: ${orphan}`, newest };
      if (opened.value.firstEpoch <= newest.at(-1)!)
        return { problem: `a process would use number ${opened.value.firstEpoch} again`, newest };
    }
    return { problem: null, newest };
  }
}
