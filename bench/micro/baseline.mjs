/** The stored figures: for each major version of Node an object from "group: task" to its ratio to the reference loop. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FILE = fileURLToPath(new URL('./baseline.json', import.meta.url));
const NODE = `node ${process.versions.node.split('.')[0]}`;

/** @returns those of this version of Node; empty where none are stored */
export function readBaseline() {
  return readAll()[NODE] ?? {};
}

/** Stores ratios beside those of tasks that were not measured. @returns the file */
export function writeBaseline(ratios) {
  const all = readAll();
  const rounded = Object.entries(ratios).map(([id, ratio]) => [id, Number(ratio.toPrecision(3))]);
  const merged = { ...all, [NODE]: { ...all[NODE], ...Object.fromEntries(rounded) } };
  writeFileSync(FILE, `${JSON.stringify(merged, null, 2)}\n`);
  return FILE;
}

function readAll() {
  return JSON.parse(readFileSync(FILE, 'utf8'));
}
