/** Breadth first through the states of a scenario: the first violation has a shortest path. */
import { findCheckpointsOfJob } from '../../src/snapshot/restore.ts';
import { tablesOf } from '../../src/format/manifest.ts';
import type { Disk } from './disk.ts';
import { OPERATIONS } from './operations.ts';
import { runAlone } from './program.ts';
import { NotYet } from './machine.ts';
import { keyOf, Model, type Scenario, type Step, type World } from './world.ts';

export interface Result {
  readonly states: number;
  readonly transitions: number;
  readonly disks: number;
  /** Steps to the deepest state, or to the violation. */
  readonly depth: number;
  /** null: every state is sound. */
  readonly violation: string | null;
  readonly trace: readonly string[];
}

interface Visited {
  readonly from: Visited | null;
  readonly text: string;
  readonly depth: number;
}

export async function search(scenario: Scenario): Promise<Result> {
  const model = new Model(scenario);
  const soundness = new Soundness(scenario);
  const visited = new Set<string>([keyOf(model.initial)]);
  let frontier: { readonly world: World; readonly visited: Visited }[] = [
    { world: model.initial, visited: { from: null, text: '', depth: 0 } },
  ];
  let transitions = 0;
  let depth = 0;
  while (frontier.length > 0) {
    const next: typeof frontier = [];
    for (const { world, visited: here } of frontier) {
      for (const step of await stepsOf(model, world)) {
        transitions++;
        const key = keyOf(step.world);
        const violation = step.world.violation ?? (scenario.lockIsSeen ? soundness.problemOf(step.world) : null);
        if (violation === null && visited.has(key)) continue;
        const there: Visited = { from: here, text: step.text, depth: here.depth + 1 };
        if (violation !== null)
          return {
            states: visited.size,
            transitions,
            disks: soundness.disks,
            depth: there.depth,
            violation,
            trace: traceTo(there),
          };
        visited.add(key);
        depth = there.depth;
        next.push({ world: step.world, visited: there });
      }
    }
    frontier = next;
  }
  return { states: visited.size, transitions, disks: soundness.disks, depth, violation: null, trace: [] };
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

function traceTo(end: Visited): string[] {
  const trace: string[] = [];
  for (let at: Visited = end; at.from !== null; at = at.from) trace.unshift(at.text);
  return trace;
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

  problemOf({ disk, completed }: World): string | null {
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
