/** `savepoint --dispose`: deletes a savepoint for its owner, who is the user. */
import { realFs } from '../../snapshot/fs-port.ts';
import { disposeSavepoint } from '../../snapshot/savepoint.ts';
import { humanBytes } from '../human.ts';
import { paintErr, printErr, printJson, printOut } from './output.ts';

export function disposeCommand(path: string, flags: { readonly json?: boolean }): number {
  const { directory, manifest, files, bytes, foreign } = disposeSavepoint(realFs, path);
  if (flags.json) printJson({ directory, jobId: manifest.jobId, jobName: manifest.jobName, files, bytes, foreign });
  else printOut(`Disposed of ${directory}: ${files} tables, ${humanBytes(bytes)}.`);
  if (foreign.length > 0)
    printErr(paintErr('yellow', `The directory stays: it holds ${foreign.join(', ')}, which are not the savepoint's.`));
  return 0;
}
