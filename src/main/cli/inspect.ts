/** `tidemark inspect`: what a checkpoint holds. */
import { realFs } from '../../snapshot/fs-port.ts';
import { type CheckpointInspection, inspectCheckpoint } from '../../snapshot/inspect.ts';
import type { StoredState, WeighedState } from '../../snapshot/weigh.ts';
import { humanBytes, humanCount, humanDuration } from '../human.ts';
import { printable } from '../terminal.ts';
import { paintOut, printJson, printOut, printTable } from './output.ts';
import { usage } from './run-options.ts';

interface InspectFlags {
  readonly json?: boolean;
  readonly heaviest?: string;
  readonly keyGroups?: boolean;
}

/** Key groups that are shown to people; `--json` has all. */
const SHOWN_KEY_GROUPS = 10;

export async function inspectCommand(path: string, flags: InspectFlags): Promise<number> {
  const inspection = inspectCheckpoint(realFs, path, weighing(flags));
  if (flags.json) {
    printJson(inspection);
    return 0;
  }
  printHead(inspection);
  printOperators(inspection);
  printStages(inspection);
  printTables(inspection);
  if (flags.keyGroups) for (const weighed of inspection.weights ?? []) printKeyGroups(weighed);
  if (flags.heaviest !== undefined) for (const weighed of inspection.weights ?? []) printHeaviest(weighed);
  return 0;
}

function weighing({ heaviest, keyGroups }: InspectFlags): { readonly weigh?: number } {
  if (heaviest === undefined) return keyGroups ? { weigh: 0 } : {};
  if (!/^[1-9]\d{0,5}$/.test(heaviest))
    throw usage(`--heaviest needs a whole number from 1 to 999999; it was given ${JSON.stringify(heaviest)}`);
  return { weigh: Number(heaviest) };
}

function printHead(inspection: CheckpointInspection): void {
  const { kind, checkpointId, jobName, jobId, sizes, parent, amplification } = inspection;
  const format = inspection.savepointFormat === null ? '' : ` (${inspection.savepointFormat})`;
  printOut(paintOut('bold', `${kind} ${checkpointId} of ${printable(jobName)}${format}`));
  printOut(`  directory   ${inspection.directory}`);
  printOut(`  job id      ${jobId}`);
  printOut(`  completed   ${inspection.completedAt}, ${inspection.trigger}, in ${humanDuration(inspection.durationMs)}`);
  printOut(`  parent      ${parent === null ? 'none' : `checkpoint ${parent.checkpointId} of job ${parent.jobId}`}`);
  printOut(
    `  bytes       ${humanBytes(sizes.newBytes)} new, ${humanBytes(sizes.referencedBytes)} referenced, ${humanBytes(sizes.liveBytes)} live, in ${sizes.files} files`,
  );
  if (amplification !== null) printOut(`  tables      ${amplification.toFixed(2)} times the live bytes`);
  printOut(`  written by  tidemark ${inspection.tidemarkVersion}`);
}

function printOperators({ operators, states }: CheckpointInspection): void {
  printOut(`\n${paintOut('bold', 'operators')}`);
  printTable(
    [
      { title: '  uid', align: 'left', dropOrder: 0 },
      { title: 'kind', align: 'left', dropOrder: 3 },
      { title: 'name', align: 'left', dropOrder: 2 },
      { title: 'state', align: 'left', dropOrder: 0 },
      { title: 'key', align: 'left', dropOrder: 4 },
      { title: 'entries', align: 'right', dropOrder: 0 },
      { title: 'stored', align: 'right', dropOrder: 0 },
      { title: 'shadowed', align: 'right', dropOrder: 1 },
      { title: 'digest', align: 'left', dropOrder: 5 },
    ],
    operators.flatMap((operator): string[][] => {
      const first = [`  ${printable(operator.uid)}`, operator.kind, printable(operator.name)];
      if (operator.keyedStates.length === 0) return [[...first, '', '', '', '', '', '']];
      return operator.keyedStates.map((state, i) => [
        ...(i === 0 ? first : ['', '', '']),
        ...stateCells(states.find((one) => one.uid === operator.uid && one.state === state.name) as StoredState),
        state.digest,
      ]);
    }),
  );
}

function stateCells({ state, kind, keyType, entries, storedBytes, storedEntries }: StoredState): string[] {
  return [
    printable(`${state} (${kind})`),
    printable(keyType),
    humanCount(entries),
    humanBytes(storedBytes),
    humanCount(Math.max(0, storedEntries - entries)),
  ];
}

function printStages({ stages }: CheckpointInspection): void {
  printOut(`\n${paintOut('bold', 'stages')}`);
  printTable(
    [
      { title: '  operators', align: 'left', dropOrder: 0, minWidth: 16 },
      { title: 'subtasks', align: 'right', dropOrder: 0 },
      { title: 'key groups', align: 'right', dropOrder: 3 },
      { title: 'tables', align: 'right', dropOrder: 1 },
      { title: 'bytes', align: 'right', dropOrder: 0 },
      { title: 'sync', align: 'right', dropOrder: 2 },
    ],
    stages.map((stage) => [
      `  ${printable(stage.operators.join(', '))}`,
      String(stage.parallelism),
      String(stage.maxParallelism),
      String(stage.tables),
      humanBytes(stage.tableBytes),
      humanDuration(stage.longestSyncMs),
    ]),
  );
}

function printTables({ tables }: CheckpointInspection): void {
  if (tables.length === 0) return;
  printOut(`\n${paintOut('bold', 'tables')}`);
  printTable(
    [
      { title: '  hash', align: 'left', dropOrder: 0 },
      { title: 'bytes', align: 'right', dropOrder: 0 },
      { title: 'entries', align: 'right', dropOrder: 1 },
      { title: 'tombstones', align: 'right', dropOrder: 2 },
      { title: 'written by checkpoint', align: 'right', dropOrder: 0 },
    ],
    tables.map((table) => [
      `  ${table.hash}`,
      humanBytes(table.sizeBytes),
      humanCount(table.entries),
      humanCount(table.tombstones),
      String(table.createdBy),
    ]),
  );
}

function printKeyGroups({ uid, state, entries, bytes, keyGroups }: WeighedState): void {
  const heaviest = keyGroups.toSorted((a, b) => b.bytes - a.bytes).slice(0, SHOWN_KEY_GROUPS);
  printOut(
    `\n${paintOut('bold', printable(`key groups of ${uid} ${state}`))}  ${keyGroups.length} with ${humanCount(entries)} entries, ${humanBytes(bytes)}; the heaviest:`,
  );
  if (heaviest.length === 0) return;
  printTable(
    [
      { title: '  key group', align: 'right', dropOrder: 0 },
      { title: 'entries', align: 'right', dropOrder: 0 },
      { title: 'bytes', align: 'right', dropOrder: 0 },
      { title: 'times the mean', align: 'right', dropOrder: 1 },
    ],
    heaviest.map((group) => [
      String(group.keyGroup),
      humanCount(group.entries),
      humanBytes(group.bytes),
      ((group.bytes * keyGroups.length) / bytes).toFixed(2),
    ]),
  );
}

function printHeaviest({ uid, state, bytes, heaviest }: WeighedState): void {
  if (heaviest.length === 0) return;
  printOut(`\n${paintOut('bold', printable(`heaviest keys of ${uid} ${state}`))}`);
  printTable(
    [
      { title: '  key', align: 'left', dropOrder: 0, minWidth: 16 },
      { title: 'entries', align: 'right', dropOrder: 1 },
      { title: 'bytes', align: 'right', dropOrder: 0 },
      { title: 'share', align: 'right', dropOrder: 0 },
    ],
    heaviest.map((key) => [
      `  ${printable(JSON.stringify(key.key))}`,
      humanCount(key.entries),
      humanBytes(key.bytes),
      `${((100 * key.bytes) / bytes).toFixed(1)} %`,
    ]),
  );
}
