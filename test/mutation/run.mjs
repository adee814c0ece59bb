#!/usr/bin/env node
/**
 * Puts mistakes into a copy of the source, one at a time, and sees that the test named for each fails.
 *
 *   node test/mutation/run.mjs                       all of them
 *   node test/mutation/run.mjs --only fsync          those whose name has `fsync` in it
 *   node test/mutation/run.mjs --sample 6 --seed 7   six of them, chosen by the seed
 *
 * Exit status 1 when a mutant survives, does not apply any more, or names a test that is not there.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRandom } from '../support/random.mjs';
import { applyMutant, MUTANTS } from './apply.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
const COPIED = ['src', 'test', 'scripts', 'dist', 'examples', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
/** Of one mutant; a test that does not end has not failed for the reason it should. */
const TIMEOUT_MS = 120_000;

const { values } = parseArgs({
  options: { only: { type: 'string' }, sample: { type: 'string' }, seed: { type: 'string', default: String(Date.now() % 1e6) } },
});
const chosen = choose();
if (chosen.length === 0) fail(`no mutant has ${JSON.stringify(values.only)} in its name`);

const copy = mkdtempSync(join(tmpdir(), 'tidemark-mutation-'));
process.on('exit', () => rmSync(copy, { recursive: true, force: true }));
for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true, preserveTimestamps: true });
symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));

const started = performance.now();
let caught = 0;
for (const mutant of chosen) {
  const from = performance.now();
  const problem = tryMutant(mutant);
  const seconds = `${((performance.now() - from) / 1000).toFixed(1)} s`;
  if (problem === null) caught++;
  console.log(`${mutant.name}: ${problem === null ? `caught by "${mutant.test[1]}"` : problem} (${seconds})`);
}
const which = values.sample === undefined ? '' : `, seed ${values.seed}`;
console.log(`mutants: ${caught} of ${chosen.length} caught in ${((performance.now() - started) / 1000).toFixed(0)} s${which}`);
process.exitCode = caught === chosen.length ? 0 : 1;

function choose() {
  const named = MUTANTS.filter(({ name }) => name.includes(values.only ?? ''));
  if (values.sample === undefined) return named;
  const random = createRandom(Number(values.seed));
  return named
    .map((mutant) => ({ mutant, order: random.float() }))
    .toSorted((a, b) => a.order - b.order)
    .slice(0, Number(values.sample))
    .map(({ mutant }) => mutant);
}

/** @returns null when it is caught, else what went wrong */
function tryMutant(mutant) {
  const path = join(copy, mutant.file);
  const source = readFileSync(path, 'utf8');
  try {
    writeFileSync(path, applyMutant(mutant, source));
  } catch (error) {
    return `ERROR: ${error.message}`;
  }
  try {
    return runTest(mutant);
  } finally {
    writeFileSync(path, source);
  }
}

function runTest({ test: [file, name] }) {
  const engine = file.startsWith('test/e2e/');
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const pattern = `^${name.replaceAll(' > ', ' ').replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;
  const run = spawnSync(
    process.execPath,
    [VITEST, 'run', file, `--project=${engine ? 'engine' : 'unit'}`, '-t', pattern, '--reporter=json', `--outputFile=${report}`],
    {
      cwd: copy,
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      env: { ...process.env, ...(!engine && { TIDEMARK_TEST_UNBUILT: '1' }) },
    },
  );
  if (run.error !== undefined) return `ERROR: ${file} did not end: ${run.error.message}`;
  let results;
  try {
    results = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    return `ERROR: ${file} could not be run:\n${run.stdout}${run.stderr}`;
  }
  if (results.numFailedTests > 0) return null;
  if (results.numPassedTests > 0) return 'SURVIVED';
  return `ERROR: ${file} has no test ${JSON.stringify(name)}, or could not be loaded:\n${run.stderr}`;
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
