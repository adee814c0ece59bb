/** `tidemark export`: a state as JSONL or CSV. */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { Writable } from 'node:stream';
import type { JsonValue } from '../../format/json.ts';
import type { KeyedStateInfo } from '../../format/manifest.ts';
import { parseKeyType } from '../../format/key-type.ts';
import { exportState, type ExportRow } from '../../snapshot/export.ts';
import { errnoOf, fileError } from '../../snapshot/files.ts';
import { realFs } from '../../snapshot/fs-port.ts';
import { humanCount } from '../human.ts';
import { printErr, printJson } from './output.ts';

interface ExportFlags {
  readonly json?: boolean;
  readonly format?: 'jsonl' | 'csv';
  readonly output?: string;
}

/** Characters written at a time. */
const CHUNK = 64 * 1024;

export async function exportCommand(path: string, uid: string, name: string, flags: ExportFlags): Promise<number> {
  const { state, rows } = exportState(realFs, path, uid, name);
  const format = flags.format === 'csv' ? csvFormat(state) : jsonlFormat();
  // Without a file, standard output is the export's, and what is said about it goes to standard error.
  const out = flags.output === undefined ? process.stdout : createWriteStream(flags.output, { flags: 'wx' });
  let count = 0;
  try {
    count = await writeRows(out, rows, format);
    if (out !== process.stdout) {
      out.end();
      await once(out, 'close');
    }
  } catch (error) {
    // Whoever reads has enough: `tidemark export ... | head`.
    if (errnoOf(error) !== 'EPIPE') throw fileError('write', flags.output ?? 'standard output', error);
  }
  if (flags.json && flags.output !== undefined)
    printJson({ uid, state: name, format: flags.format ?? 'jsonl', output: flags.output, rows: count });
  else printErr(`${humanCount(count)} rows.`);
  return 0;
}

interface Format {
  readonly header: string;
  line(row: ExportRow): string;
}

async function writeRows(out: Writable, rows: Iterable<ExportRow>, format: Format): Promise<number> {
  const failures: Error[] = [];
  out.on('error', (error: Error) => failures.push(error));
  const flush = async (text: string): Promise<void> => {
    const full = !out.write(text);
    // `once` rejects when the stream fails meanwhile; one that has failed never drains.
    if (full && failures.length === 0) await once(out, 'drain');
    if (failures.length > 0) throw failures[0];
  };
  let count = 0;
  let chunk = format.header;
  for (const row of rows) {
    count++;
    chunk += format.line(row);
    if (chunk.length < CHUNK) continue;
    await flush(chunk);
    chunk = '';
  }
  if (chunk !== '') await flush(chunk);
  return count;
}

function jsonlFormat(): Format {
  return { header: '', line: (row) => `${JSON.stringify(row)}\n` };
}

/** RFC 4180. Parts of a key and fields of a record have columns of their own; what is no scalar is JSON text. */
function csvFormat({ kind, keyType, schema }: KeyedStateInfo): Format {
  const parts = parseKeyType(keyType)?.length ?? 1;
  const fields = schema?.type === 'record' && kind !== 'list' && kind !== 'topN' ? schema.fields.map(({ name }) => name) : null;
  const header = [
    ...(parts === 1 ? ['key'] : Array.from({ length: parts }, (_, i) => `key${i + 1}`)),
    ...(kind === 'map' ? ['mapKey'] : []),
    ...(fields ?? ['value']),
  ];
  return {
    header: csvLine(header),
    line: ({ key, mapKey, value }) =>
      csvLine([
        ...(parts === 1 ? [key] : (key as readonly JsonValue[])),
        ...(mapKey === undefined ? [] : [mapKey]),
        ...(fields === null ? [value] : fields.map((name) => (value as Readonly<Record<string, JsonValue>>)[name] ?? null)),
      ]),
  };
}

function csvLine(cells: readonly JsonValue[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(value: JsonValue): string {
  if (value === null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
