/** `tidemark drill`: could this checkpoint be restored? */
import { drillCheckpoint } from '../drill.ts';
import { humanBytes, humanCount, humanDuration } from '../human.ts';
import { printable } from '../terminal.ts';
import { paintOut, printJson, printOut } from './output.ts';

/** @returns 3 when what was restored is not what was checkpointed */
export async function drillCommand(path: string, flags: { readonly json?: boolean }): Promise<number> {
  const report = await drillCheckpoint(path);
  if (flags.json) {
    printJson(report);
    return report.ok ? 0 : 3;
  }
  for (const { uid, state, entries, digest, matches, snapshotBytes } of report.states) {
    const verdict = matches ? paintOut('green', 'equal') : paintOut('red', 'NOT what was checkpointed');
    printOut(
      `  ${printable(uid)} ${printable(state)}: ${humanCount(entries)} entries restored, a snapshot of ${humanBytes(snapshotBytes)}, digest ${digest}: ${verdict}`,
    );
  }
  printOut(
    report.ok
      ? `${report.directory} ${paintOut('green', 'can be restored')}: done in ${humanDuration(report.durationMs)}, and what a snapshot of it holds is equal.`
      : `${report.directory} is ${paintOut('red', 'not sound')}. Restore another retained checkpoint.`,
  );
  return report.ok ? 0 : 3;
}
