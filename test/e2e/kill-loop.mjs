#!/usr/bin/env node
/**
 * Kill loop: runs a job with the real command line, kills it with SIGKILL at seeded moments, resumes it until it ends, and
 * compares what it wrote with an independent program. Usage, after a build:
 *
 *     node test/e2e/kill-loop.mjs [--kills 30] [--seed N] [--scenario ledger] [--keep] [--json]
 *
 * Each life of a job has another number of subtasks. After each, every checkpoint that is there must be complete. A job that
 * has ended is compared, output and state, and the next one begins, until so many kills have been made. Everything is decided
 * by the seed but for what the operating system decides.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { digestsOf, findIncompleteCheckpoints, listCheckpoints, readManifest } from '../support/checkpoint-reader.mjs';
import { compareOutput } from '../support/output.mjs';
import { createRandom } from '../support/random.mjs';
import { live } from './kill-loop/life.mjs';
import { chooseMoment } from './kill-loop/moments.mjs';
import { SCENARIOS } from './kill-loop/scenarios.mjs';

/** After so many lives a job is left to end, so that a slow machine cannot make it last for ever. */
const MOST_LIVES = 60;

/** Kills beyond those asked for until a life has begun from a checkpoint: few kills may all come before the first one. */
const MOST_EXTRA_KILLS = 30;

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    scenario: { type: 'string' },
    keep: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

process.exitCode = await main(Number(options.kills), Number(options.seed));

async function main(wantedKills, seed) {
  const random = createRandom(seed);
  const startedAt = performance.now();
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-kill-loop-'));
  const total = { seed, jobs: 0, kills: 0, lives: 0, restores: 0, records: 0, moments: {} };
  log(`seed ${seed}, ${wantedKills} kills, in ${directory}`);
  const names = options.scenario === undefined ? Object.keys(SCENARIOS) : [options.scenario];
  let error = null;
  try {
    const prepared = new Map();
    while (wantsKill(total, wantedKills)) {
      const name = names[total.jobs % names.length];
      if (!prepared.has(name)) prepared.set(name, await prepare(name, directory, random));
      await killUntilItEnds(prepared.get(name), directory, random, total, wantedKills);
    }
  } catch (caught) {
    error = caught.message;
    log(`FAILED: ${error}\nagain: node test/e2e/kill-loop.mjs --kills ${wantedKills} --seed ${seed}   files: ${directory}`);
  }
  if (error === null && !options.keep) rmSync(directory, { recursive: true, force: true });
  const moments = Object.entries(total.moments).map(([moment, n]) => `${n} ${moment}`);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  log(
    `${total.kills} kills (${moments.join(', ')}), ${total.restores} restores, ${total.jobs} jobs, ${total.records} records compared, ` +
      `${error === null ? '0 lost, 0 duplicated' : 'FAILED'}, ${seconds} s, seed ${seed}`,
  );
  if (options.json) console.log(JSON.stringify({ ...total, error }));
  return error === null ? 0 : 1;
}

/** @throws Error where so many kills went by without a life that began from a checkpoint */
function wantsKill(total, wantedKills) {
  if (total.kills < wantedKills) return true;
  if (total.restores > 0) return false;
  if (total.kills < wantedKills + MOST_EXTRA_KILLS) return true;
  throw new Error(`no life began from a checkpoint after ${total.kills} kills`);
}

/**
 * Runs a scenario once in one piece: the state at its end is what a killed one must come to, and the times to its first checkpoint
 * and to its end are the measure for the moments of the kills.
 */
async function prepare(name, directory, random) {
  const scenario = await SCENARIOS[name](join(directory, `input-${name}`), random);
  const work = join(directory, `whole-${name}`);
  mkdirSync(work);
  const startedAt = performance.now();
  const { code, stderr, firstCheckpointMs } = await live(scenario, work, null, 3);
  const lifeMs = performance.now() - startedAt;
  if (code !== 0) throw new Error(`${name} fails without any kill:\n${stderr}`);
  return { ...scenario, digests: checkResult(scenario, work), paceMs: firstCheckpointMs, lifeMs };
}

/** One job, life after life, until one of them is not killed before its end. */
async function killUntilItEnds(scenario, directory, random, total, wantedKills) {
  const { name } = scenario;
  const work = join(directory, `${total.jobs}-${name}`);
  mkdirSync(work);
  for (let lives = 0; ; lives++) {
    const moment = wantsKill(total, wantedKills) && lives < MOST_LIVES ? chooseMoment(random, scenario) : null;
    const life = await live(scenario, work, moment, 1 + random.int(4));
    total.lives++;
    if (life.restored) total.restores++;
    if (life.kills > 0) {
      total.kills += life.kills;
      total.moments[moment.kind] = (total.moments[moment.kind] ?? 0) + life.kills;
    }
    const problems = findIncompleteCheckpoints(join(work, 'checkpoints'));
    if (problems.length > 0) throw new Error(`${name}, life ${lives}, ${JSON.stringify(moment)}:\n  ${problems.join('\n  ')}`);
    if (life.code === 0) break;
    // Nothing is known of the job yet, not even its restart strategy, so the supervisor does not try again.
    if (moment?.kind === 'runtime' && life.stderr.includes('while it loaded the job')) continue;
    if (life.signal !== 'SIGKILL')
      throw new Error(
        `${name}, life ${lives}, ${JSON.stringify(moment)}: ended with ${life.code ?? life.signal}:\n${life.stderr}`,
      );
  }
  const digests = checkResult(scenario, work);
  if (digests !== scenario.digests) {
    throw new Error(`${name}: the state at the end is not that of a run without kills:\n  ${digests}\n  ${scenario.digests}`);
  }
  total.records += scenario.expected.length;
  total.jobs++;
  if (!options.keep) rmSync(work, { recursive: true, force: true });
}

/** Compares the output with the oracle's. @returns the digests of the state in the final checkpoint */
function checkResult({ name, expected }, work) {
  const { records, lost, extra } = compareOutput(join(work, 'out'), expected);
  if (lost.length > 0 || extra.length > 0) {
    const some = (lines) => lines.slice(0, 5).join('\n    ');
    throw new Error(
      `${name}: ${lost.length} records lost, ${extra.length} duplicated or invented, of ${records}\n  lost\n    ${some(lost)}\n  extra\n    ${some(extra)}`,
    );
  }
  const last = listCheckpoints(join(work, 'checkpoints')).at(-1);
  if (last === undefined) throw new Error(`${name} ended without a final checkpoint`);
  return JSON.stringify(digestsOf(readManifest(last.metadata)));
}

function log(line) {
  process.stderr.write(`${line}\n`);
}
