/** `tidemark plan`: what starting a job from a checkpoint would do. */
import { resolve } from 'node:path';
import { loadJob } from '../../job/load.ts';
import { realFs } from '../../snapshot/fs-port.ts';
import { type Checkpoint, openCheckpoint } from '../../snapshot/restore.ts';
import { defaultThreads } from '../attempt.ts';
import { humanBytes, humanCount } from '../human.ts';
import { planJob } from '../plan.ts';
import { type OperatorPreflight, type Preflight, preflight, type StatePreflight } from '../preflight.ts';
import { recordedMaxParallelism } from '../restore-plan.ts';
import { resolveRunConfig } from '../run-config.ts';
import { printable } from '../terminal.ts';
import type { Column } from '../text-table.ts';
import { paintOut, printJson, printOut, printTable } from './output.ts';
import { type RunFlags, toStartOptions } from './run-options.ts';

const COLUMNS: readonly Column[] = [
  { title: 'uid', align: 'left', dropOrder: 0, minWidth: 12 },
  { title: 'operator', align: 'left', dropOrder: 3 },
  { title: '', align: 'left', dropOrder: 0 },
  { title: 'subtasks', align: 'right', dropOrder: 1 },
  { title: 'key groups', align: 'right', dropOrder: 2 },
  { title: 'state', align: 'left', dropOrder: 0 },
  { title: '', align: 'left', dropOrder: 0 },
  { title: 'entries', align: 'right', dropOrder: 1 },
];

/** @returns 3 when the job could not be restored */
export async function planCommand(
  jobFile: string,
  jobArgs: readonly string[],
  flags: Omit<RunFlags, 'fromCheckpoint'> & { readonly from: string },
): Promise<number> {
  const { from, ...others } = flags;
  const options = toStartOptions(others, jobArgs);
  const checkpoint = openCheckpoint(realFs, resolve(from));
  const { graph } = await loadJob(jobFile, { args: jobArgs });
  const config = await resolveRunConfig(graph, options, '-D');
  const maxParallelism = config.maxParallelism ?? undefined;
  const plan = planJob(graph, {
    parallelism: config.parallelism ?? config.threads ?? defaultThreads(),
    maxParallelism,
    recordedMaxParallelism: recordedMaxParallelism(checkpoint.manifest),
    slotBytes: config.runtime.batchBytes,
  });
  const answer = preflight(graph, plan, checkpoint.manifest, {
    allowNonRestoredState: config.recovery.allowNonRestoredState,
    maxParallelism,
    path: checkpoint.directory,
  });
  const { jobName, checkpointId } = checkpoint.manifest;
  if (flags.json) printJson({ job: graph.name, from: checkpoint.directory, jobName, checkpointId, ...answer });
  else print(graph.name, checkpoint, answer);
  return answer.ok ? 0 : 3;
}

function print(job: string, { directory, manifest }: Checkpoint, { ok, problems, operators, restore }: Preflight): void {
  printOut(`${printable(job)}, started from ${directory}`);
  printOut(`(${manifest.kind} ${manifest.checkpointId} of ${printable(manifest.jobName)}, completed ${manifest.completedAt})\n`);
  printTable(COLUMNS, operators.flatMap(rows));
  for (const line of operators.flatMap(remarks)) printOut(`\n${line}`);
  printOut('');
  for (const { code, message } of problems) printOut(`${paintOut('red', code)}: ${message}`);
  if (!ok) printOut(paintOut('red', 'The job cannot be started from it.'));
  else
    printOut(
      `The job ${paintOut('green', 'can be started')} from it: ${humanCount(restore.entries)} entries in ${restore.tables} tables are read, ${humanBytes(restore.bytes)}.`,
    );
}

function rows({ uid, name, outcome, parallelism, maxParallelism, states }: OperatorPreflight): string[][] {
  const first = [printable(uid), printable(name), outcome, change(parallelism), change(maxParallelism)];
  if (states.length === 0) return [[...first, '', '', '']];
  return states.map((state, i) => [...(i === 0 ? first : ['', '', '', '', '']), ...stateCells(state)]);
}

function stateCells({ name, outcome, entries, from, to }: StatePreflight): string[] {
  const shown = outcome === 'migrated' || outcome === 'incompatible' ? `${outcome}: ${from} -> ${to}` : outcome;
  return [printable(name), printable(shown), humanCount(entries)];
}

function change([before, after]: readonly [number | null, number | null]): string {
  if (before === null || after === null || before === after) return String(after ?? before ?? '');
  return `${before} -> ${after}`;
}

function remarks({ uid, name, outcome, derivedUid, states, committables }: OperatorPreflight): string[] {
  const lines: string[] = [];
  if (outcome === 'matched' && derivedUid && states.length > 0) {
    lines.push(
      `The uid of ${printable(name)} (${uid}) is derived from the graph: give it with .uid('${uid}') before you change the graph.`,
    );
  }
  if (outcome === 'dropped' && committables > 0)
    lines.push(`${committables} outputs that ${printable(name)} (${uid}) had prepared would never be committed.`);
  return lines;
}
