/** `tidemark get`: one key's value. */
import type { JsonValue } from '../../format/json.ts';
import { stateValueToJson } from '../../format/state-content.ts';
import { realFs } from '../../snapshot/fs-port.ts';
import { type FoundEntry, getEntry } from '../../snapshot/get.ts';
import { printable } from '../terminal.ts';
import { paintOut, printErr, printJson, printOut } from './output.ts';

/** @returns 1 when the key has no entry */
export async function getCommand(
  path: string,
  uid: string,
  state: string,
  key: string,
  flags: { readonly json?: boolean },
): Promise<number> {
  const found = getEntry(realFs, path, uid, state, key);
  if (flags.json) printJson({ ...found, value: found.value === null ? null : stateValueToJson(found.value) });
  else print(found);
  return found.found ? 0 : 1;
}

function print({ key, keyType, uid, state, directory, value }: FoundEntry): void {
  if (value === null) {
    printErr(`${text(key)} (${keyType}) has no entry in ${uid} ${state} of ${directory}.`);
    return;
  }
  switch (value.kind) {
    case 'value':
      printOut(text(value.value));
      return;
    case 'list':
      for (const element of value.values) printOut(text(element));
      return;
    case 'map':
      for (const [entryKey, entry] of value.entries) printOut(`${paintOut('cyan', text(entryKey))}\t${text(entry)}`);
      return;
  }
}

function text(value: JsonValue): string {
  return printable(JSON.stringify(value));
}
