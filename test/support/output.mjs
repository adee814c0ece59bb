/** Reads what file sinks made visible, and compares it with what an oracle expects. Shares no code with Tidemark. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Lines of all visible files below a directory; names that begin with a dot are in-progress work and not output. */
export function readLines(directory) {
  const lines = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.name.startsWith('.')) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      lines.push(...readLines(path));
      continue;
    }
    const text = readFileSync(path, 'utf8');
    if (text !== '' && !text.endsWith('\n'))
      throw new Error(`${path} does not end with a newline: a part was published half written`);
    for (const line of text.split('\n')) if (line !== '') lines.push(line);
  }
  return lines;
}

/** Records as a multiset; the order of fields in a record does not count. */
export function multiset(records) {
  const counts = new Map();
  for (const record of records) {
    const text = JSON.stringify(Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1))));
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

/** @returns {{ records: number, lost: string[], extra: string[] }} what is missing, and what is there too often */
export function compare(expected, actual) {
  const lost = [];
  const extra = [];
  let records = 0;
  for (const [text, count] of expected) {
    records += count;
    for (let i = actual.get(text) ?? 0; i < count; i++) lost.push(text);
  }
  for (const [text, count] of actual) for (let i = expected.get(text) ?? 0; i < count; i++) extra.push(text);
  return { records, lost, extra };
}

/** Compares the output directories of a job with an oracle's records. */
export function compareOutput(directory, expectedRecords) {
  return compare(multiset(expectedRecords), multiset(readLines(directory).map((line) => JSON.parse(line))));
}
