/**
 * Verification of a checkpoint: is everything there, is it what was written, does each key group have its owner, and, deeply, does
 * the content have the digests that the manifest states? Problems are collected so that a person sees all of them.
 */
import { StateDigest } from '../format/digest.ts';
import { keyGroupRange } from '../format/key-groups.ts';
import { tablesOf, type Manifest } from '../format/manifest.ts';
import { statesOfManifest } from './find-state.ts';
import type { FsPort } from './fs-port.ts';
import { METADATA_NAME } from './paths.ts';
import { type Checkpoint, readCheckpoint, requireNotDeletedMeanwhile } from './restore.ts';
import {
  type DigestTask,
  planDigestTasks,
  planTableTasks,
  runVerifyTask,
  type VerifyProblem,
  type VerifyResult,
  type VerifyTask,
} from './verify-task.ts';

export type { VerifyProblem } from './verify-task.ts';

export interface VerifiedState {
  readonly uid: string;
  readonly name: string;
  readonly entries: number;
  readonly digest: string;
  readonly matches: boolean;
}

export interface VerifyReport {
  readonly directory: string;
  readonly ok: boolean;
  readonly deep: boolean;
  readonly files: number;
  readonly bytes: number;
  readonly problems: readonly VerifyProblem[];
  /** Only of a deep verification of sound files. */
  readonly states: readonly VerifiedState[];
}

/** Carries tasks out, in any order and in any thread; results in the order of the tasks. */
export type RunVerifyTasks = (tasks: readonly VerifyTask[]) => Promise<readonly VerifyResult[]>;

/**
 * Verifies manifest, sizes, content hashes and key groups; `deep` also decodes every entry and computes the digest of every state
 * anew. Reads everything and writes nothing.
 *
 * @param run  by default one after another in this thread
 * @throws TidemarkError when the manifest itself cannot be read, or is deleted before the end
 */
export async function verifyCheckpoint(
  fs: FsPort,
  path: string,
  options: { readonly deep: boolean; readonly run?: RunVerifyTasks },
): Promise<VerifyReport> {
  const { deep, run = (tasks) => Promise.resolve(tasks.map((task) => runVerifyTask(fs, task))) } = options;
  const checkpoint = readCheckpoint(fs, path);
  const problems = [...coverageProblems(checkpoint), ...problemsOf(await run(planTableTasks(checkpoint, deep)))];
  const states: VerifiedState[] = [];
  if (deep && problems.length === 0) {
    const tasks = planDigestTasks(checkpoint);
    const results = await run(tasks);
    problems.push(...problemsOf(results));
    states.push(...compareDigests(checkpoint.manifest, tasks, results));
    for (const state of states) if (!state.matches) problems.push(digestProblem(checkpoint.directory, state));
  }
  if (problems.length > 0) requireNotDeletedMeanwhile(fs, checkpoint);
  const tables = tablesOf(checkpoint.manifest);
  return {
    directory: checkpoint.directory,
    ok: problems.length === 0,
    deep,
    files: tables.size,
    bytes: [...tables.values()].reduce((sum, table) => sum + table.sizeBytes, 0),
    problems,
    states,
  };
}

function problemsOf(results: readonly VerifyResult[]): VerifyProblem[] {
  return results.flatMap(({ problem }) => problem ?? []);
}

/** Does each subtask own the key groups that follow from its number? Then each group has one owner. */
function coverageProblems({ directory, manifest }: Checkpoint): VerifyProblem[] {
  return manifest.stages.flatMap(({ operators, parallelism, maxParallelism, subtasks }) =>
    subtasks.flatMap(({ subtask, keyGroups }): VerifyProblem[] => {
      if (keyGroups === null) return [];
      const { start, end } = keyGroupRange(subtask, maxParallelism, parallelism);
      if (keyGroups.start === start && keyGroups.end === end) return [];
      const message = `Subtask ${subtask} of ${operators.join(', ')} owns the key groups ${keyGroups.start} to ${keyGroups.end}; at parallelism ${parallelism} of at most ${maxParallelism} they are ${start} to ${end}. Key groups without an owner would be lost. Restore an earlier retained checkpoint.`;
      return [{ path: `${directory}/${METADATA_NAME}`, code: 'ERR_MANIFEST_CORRUPT', message }];
    }),
  );
}

function compareDigests(manifest: Manifest, tasks: readonly DigestTask[], results: readonly VerifyResult[]): VerifiedState[] {
  return statesOfManifest(manifest).map(({ uid, state: { name, entries, digest } }) => {
    const found = new StateDigest();
    let counted = 0;
    for (const [i, task] of tasks.entries()) {
      if (task.uid !== uid || task.name !== name) continue;
      found.plus(StateDigest.fromHex(results[i].digest));
      counted += results[i].entries;
    }
    const actual = { entries: counted, digest: found.toHex() };
    return { uid, name, ...actual, matches: actual.entries === entries && actual.digest === digest };
  });
}

function digestProblem(path: string, state: VerifiedState): VerifyProblem {
  const message = `State ${JSON.stringify(state.name)} of operator ${JSON.stringify(state.uid)} has ${state.entries} entries with digest ${state.digest}; the manifest says otherwise. Its tables are whole, but they are not the state that was checkpointed.`;
  return { path, code: 'ERR_TABLE_CORRUPT', message };
}
