/** `tidemark diff`: what differs between two checkpoints. */
import { type ChangedKey, listChangedKeys } from '../../snapshot/changed-keys.ts';
import { type ChangeKind, type ChangeSum, type CheckpointDiff, diffCheckpoints, type StateDiff } from '../../snapshot/diff.ts';
import { realFs } from '../../snapshot/fs-port.ts';
import { humanBytes, humanCount } from '../human.ts';
import { printable } from '../terminal.ts';
import type { Column } from '../text-table.ts';
import { paintOut, printJson, printOut, printTable } from './output.ts';

const SIGNS: Readonly<Record<ChangeKind, string>> = { added: '+', removed: '-', changed: '~' };

const COLUMNS: readonly Column[] = [
  { title: 'uid', align: 'left', dropOrder: 0 },
  { title: 'state', align: 'left', dropOrder: 0 },
  { title: 'entries in a', align: 'right', dropOrder: 2 },
  { title: 'in b', align: 'right', dropOrder: 2 },
  { title: 'added', align: 'right', dropOrder: 0 },
  { title: 'removed', align: 'right', dropOrder: 0 },
  { title: 'changed', align: 'right', dropOrder: 0 },
  { title: 'written', align: 'right', dropOrder: 1 },
  { title: '', align: 'left', dropOrder: 3 },
];

const METHODS: Readonly<Record<StateDiff['method'], string>> = {
  equal: 'equal, by its digest',
  counted: 'counted',
  compared: 'compared',
};

export async function diffCommand(
  a: string,
  b: string,
  flags: { readonly json?: boolean; readonly keys?: boolean; readonly exact?: boolean },
): Promise<number> {
  const keys: ChangedKey[] = [];
  const onKey = flags.json ? (key: ChangedKey): void => void keys.push(key) : printKey;
  const diff = diffCheckpoints(realFs, a, b, {
    exact: flags.exact === true,
    ...(flags.keys && { onChange: listChangedKeys(onKey) }),
  });
  if (flags.json) printJson({ ...diff, ...(flags.keys && { keys }) });
  else print(diff);
  return 0;
}

function printKey({ uid, state, change, key, mapKey }: ChangedKey): void {
  const colour = change === 'added' ? 'green' : change === 'removed' ? 'red' : 'yellow';
  const path = mapKey === undefined ? JSON.stringify(key) : `${JSON.stringify(key)} ${JSON.stringify(mapKey)}`;
  printOut(paintOut(colour, `${SIGNS[change]} ${printable(`${uid} ${state} ${path}`)}`));
}

function print({ a, b, files, states, totalBytes, bytesRead }: CheckpointDiff): void {
  printOut(`a  ${a}`);
  printOut(`b  ${b}`);
  const { both, onlyA, onlyB } = files;
  printOut(
    `files: ${both.files} in both (${humanBytes(both.bytes)}), ${onlyA.files} only in a (${humanBytes(onlyA.bytes)}), ${onlyB.files} only in b (${humanBytes(onlyB.bytes)})`,
  );
  printTable(COLUMNS, states.map(row));
  printOut(`Read ${humanBytes(bytesRead)} of ${humanBytes(totalBytes)}.`);
  if (states.some(({ method }) => method === 'counted')) {
    printOut(
      'Counted: what was written in between, where looking up what was there before would read much. An entry that was written again as it was counts as changed. `--exact` compares each.',
    );
  }
}

function row({ uid, state, in: where, method, sample, entries, added, removed, changed, writtenBytes }: StateDiff): string[] {
  return [
    printable(uid),
    printable(state),
    humanCount(entries[0]),
    humanCount(entries[1]),
    sumText(added),
    sumText(removed),
    sumText(changed),
    humanBytes(writtenBytes),
    where === 'both' ? METHODS[method] + sampleText(sample) : `only in ${where}`,
  ];
}

/** How far a count may be off. */
function sampleText(sample: StateDiff['sample']): string {
  if (sample === null || sample.lookedUp === 0) return '';
  return `; of ${sample.lookedUp} looked up, ${sample.asBefore === 0 ? 'all differ' : `${sample.asBefore} as before`}`;
}

function sumText({ entries, bytes }: ChangeSum): string {
  return entries === 0 || bytes === null ? humanCount(entries) : `${humanCount(entries)} (${humanBytes(bytes)})`;
}
