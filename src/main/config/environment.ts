/**
 * Options from environment variables. `TIDEMARK_` and the key in capitals, with `_` for each `.` and `-`:
 * `execution.checkpointing.min-pause` is `TIDEMARK_EXECUTION_CHECKPOINTING_MIN_PAUSE`. `__` for `.` is read too.
 */
import type { LayerEntry } from './layers.ts';
import { allSpellings, REFUSED } from './options.ts';

const PREFIX = 'TIDEMARK_';

/** Variables that are not options: where sockets lie, and what the tests of this project are told. */
const NOT_OPTIONS = /^TIDEMARK_(RUNTIME_DIR|TEST_.*)$/;

const KEY_OF_VARIABLE: ReadonlyMap<string, string> = new Map(
  [...REFUSED.map(([key]) => key), ...allSpellings()].map((key) => [variableOf(key), key]),
);

/** The environment variable of an option. */
export function variableOf(key: string): string {
  return PREFIX + key.toUpperCase().replace(/[.-]/g, '_');
}

/** Every variable that starts with `TIDEMARK_`; one that is no option becomes an unknown key and so an error. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): LayerEntry[] {
  const entries: LayerEntry[] = [];
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.startsWith(PREFIX) || NOT_OPTIONS.test(name)) continue;
    const key = KEY_OF_VARIABLE.get(name.replace(/_+/g, '_')) ?? name.slice(PREFIX.length).toLowerCase().replace(/_+/g, '.');
    entries.push({ key, raw: value, origin: `environment variable ${name}` });
  }
  return entries;
}
