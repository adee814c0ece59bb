/**
 * Options from `tidemark.config.yaml`: YAML 1.2, flat keys, nested maps, or both mixed. A key given twice is an error,
 * also when once flat and once nested. Tags, anchors that repeat themselves and multiple documents are not configuration.
 */
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { TidemarkError } from '../../format/errors.ts';
import { configInvalid, type LayerEntry } from './layers.ts';
import { isGroup, optionKeyOf } from './options.ts';
import type { RawValue } from './value-kinds.ts';

export const CONFIG_FILE_NAME = 'tidemark.config.yaml';

/**
 * Reads the configuration file.
 *
 * @param path  from `--config`; must exist then. Without it `tidemark.config.yaml` in `cwd` is read if there is one
 * @throws TidemarkError ERR_CONFIG_INVALID with line and column
 */
export async function readConfigFile(path: string | undefined, cwd = process.cwd()): Promise<LayerEntry[]> {
  const file = resolve(cwd, path ?? CONFIG_FILE_NAME);
  let source: string;
  try {
    source = await readFile(file, 'utf8');
  } catch (error) {
    if (path === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new TidemarkError('ERR_CONFIG_INVALID', `The configuration file ${file} cannot be read: ${(error as Error).message}.`, {
      cause: error,
      facts: { file },
    });
  }
  return parseConfigFile(source, path ?? basename(file));
}

/** @param name  how messages call the file */
export async function parseConfigFile(source: string, name: string): Promise<LayerEntry[]> {
  // Loaded only when there is a file: the parser takes 20 to 45 ms to load.
  const { parseDocument, LineCounter, isMap, isScalar } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const at = (offset: number): string => `${name}:${lines.linePos(offset).line}`;
  // A warning is a tag that YAML does not know: a value that is not what it says.
  const problems = [...document.errors, ...document.warnings].map(({ code, message, pos: [offset] }) => {
    const { line, col } = lines.linePos(offset);
    return `${code === 'MULTIPLE_DOCS' ? 'the file must be one YAML document' : message} (${name}:${line}:${col})`;
  });
  if (problems.length > 0) throw configInvalid(problems);

  const entries = new Map<string, LayerEntry>();
  const isEmpty = (value: unknown): boolean => value === null || (isScalar(value) && value.value === null);
  const visit = (node: unknown, prefix: string): void => {
    if (!isMap(node)) return;
    for (const { key: keyNode, value } of node.items) {
      const offset = (keyNode as { range?: readonly number[] | null }).range?.[0] ?? 0;
      if (!isScalar(keyNode) || typeof keyNode.value !== 'string') {
        problems.push(`a key must be text (${at(offset)})`);
        continue;
      }
      const key = prefix + keyNode.value;
      if (isMap(value)) {
        visit(value, `${key}.`);
      } else if (value !== null && !isScalar(value)) {
        problems.push(`${key} must have one value, not a list or an alias (${at(offset)})`);
      } else if (isEmpty(value) && isGroup(key) && optionKeyOf(key) === undefined) {
        // A map of which all lines are commented out.
        continue;
      } else if (entries.has(key)) {
        problems.push(`${key} is given twice (${entries.get(key)?.origin} and ${at(offset)})`);
      } else {
        entries.set(key, { key, raw: scalar(value?.value), origin: at(offset) });
      }
    }
  };
  if (document.contents !== null && !isMap(document.contents)) problems.push(`the file must hold keys and values (${name}:1)`);
  visit(document.contents, '');
  if (problems.length > 0) throw configInvalid(problems);
  return [...entries.values()];
}

function scalar(value: unknown): RawValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return value === null || value === undefined ? null : JSON.stringify(value);
}
