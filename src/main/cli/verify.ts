/** `tidemark verify`: is a checkpoint what it was when it was taken? */
import type { VerifyReport } from '../../snapshot/verify.ts';
import { humanBytes, humanCount, humanDuration } from '../human.ts';
import { verifyInParallel } from '../verify-in-parallel.ts';
import { paintOut, printJson, printOut } from './output.ts';

/** @returns 3 when something is wrong: such a checkpoint cannot be restored */
export async function verifyCommand(path: string, flags: { readonly json?: boolean; readonly deep?: boolean }): Promise<number> {
  const startedMs = performance.now();
  const report = await verifyInParallel(path, { deep: flags.deep === true });
  const durationMs = performance.now() - startedMs;
  if (flags.json) printJson({ ...report, durationMs });
  else printReport(report, durationMs);
  return report.ok ? 0 : 3;
}

function printReport(report: VerifyReport, durationMs: number): void {
  for (const { code, path, message } of report.problems) printOut(`${paintOut('red', code)}  ${path}\n  ${message}`);
  const what = `${report.files} tables, ${humanBytes(report.bytes)}`;
  if (!report.ok) {
    printOut(
      `${report.directory} is ${paintOut('red', 'damaged')}: ${report.problems.length} ${report.problems.length === 1 ? 'problem' : 'problems'} in ${what}.`,
    );
    return;
  }
  for (const { uid, name, entries, digest } of report.states)
    printOut(`  ${uid}/${name}: ${humanCount(entries)} entries, digest ${digest}`);
  const depth = report.deep
    ? 'every entry decoded, every state digest computed anew and equal'
    : 'manifest, key groups, sizes and content hashes; `--deep` decodes the entries too';
  printOut(`${report.directory} is ${paintOut('green', 'sound')}: ${what} in ${humanDuration(durationMs)} (${depth}).`);
}
