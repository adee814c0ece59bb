/** `tidemark why`: who needs a file, and since when. */
import { realFs } from '../../snapshot/fs-port.ts';
import { explainFile, type TableWhy, type Why } from '../../snapshot/why.ts';
import { humanBytes, humanCount } from '../human.ts';
import { printable } from '../terminal.ts';
import { printJson, printOut, printTable } from './output.ts';

/** @returns 1 when nobody needs it */
export async function whyCommand(directory: string, file: string, flags: { readonly json?: boolean }): Promise<number> {
  const why = explainFile(realFs, directory, file);
  const needed = why.kind === 'checkpoint' || (why.kind === 'table' && why.neededBy.length > 0);
  if (flags.json) printJson({ ...why, needed });
  else print(why);
  return needed ? 0 : 1;
}

function print(why: Why): void {
  switch (why.kind) {
    case 'table':
      return printTableWhy(why);
    case 'checkpoint':
      printOut(`${why.file} is a checkpoint. No other checkpoint needs it.`);
      printOut(`Only it has ${filesText(why.own)}: they go with it. ${filesText(why.shared)} are also others' and stay.`);
      return;
    case 'temporary':
      printOut(`${why.file} is unfinished work: of a job that runs, or garbage that \`tidemark gc\` removes.`);
      return;
    case 'retired':
      printOut(`${why.file} is a checkpoint whose deletion has begun: the next collection, or \`tidemark gc\`, finishes it.`);
      return;
  }
}

function printTableWhy({ file, sizeBytes, createdBy, neededBy, sections }: TableWhy): void {
  const contents = sections.map(({ uid, state, entries }) => `${humanCount(entries)} entries of ${uid} ${state}`).join(', ');
  printOut(`${file}: ${humanBytes(sizeBytes)}${contents === '' ? '' : `, ${printable(contents)}`}`);
  if (neededBy.length === 0) {
    printOut('No checkpoint needs it: it is being written by a job that runs, or garbage that `tidemark gc` removes.');
    return;
  }
  printOut(`Written by checkpoint ${createdBy}, needed by ${neededBy.length === 1 ? 'one' : neededBy.length}:`);
  printTable(
    [
      { title: 'checkpoint', align: 'left', dropOrder: 0 },
      { title: 'job', align: 'left', dropOrder: 2 },
      { title: 'completed', align: 'left', dropOrder: 1 },
      { title: 'subtasks', align: 'left', dropOrder: 0, minWidth: 16 },
    ],
    neededBy.map((need) => [need.directory, printable(need.jobName), need.completedAt, printable(need.subtasks.join(' '))]),
  );
}

function filesText({ files, bytes }: { readonly files: number; readonly bytes: number }): string {
  return `${files} ${files === 1 ? 'table' : 'tables'} (${humanBytes(bytes)})`;
}
