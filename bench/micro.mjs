/**
 * Has a part of the engine become slower? Hashes, codecs, state index and log, sorted tables and rings, each by itself, against the
 * figures that are stored in bench/micro/baseline.json.
 *
 *     npm run bench:micro                      under a minute; exit code 1 when a part is slower than its stored figure allows
 *     npm run bench:micro -- --only codecs     one group: hashes, codecs, state, tables, rings; may be repeated
 *     npm run bench:micro -- --quick           short, and no exit code for what is slower: shows that it runs
 *     npm run bench:micro -- --update          stores what was measured as the new baseline of this version of Node
 *     npm run bench:micro -- --tolerance 0.5   how much slower is still taken for the same; default 0.35
 *     npm run bench:micro -- --json            one JSON document on stdout; --out <file>: into a file
 *
 * Stored are no times but ratios to a loop of plain JavaScript that runs in turns with the part (bench/micro/reference.mjs): how fast
 * the machine is cancels out. More in docs/benchmarks.md.
 */
import { benchProgram, point } from './lib/program.mjs';
import { row } from './lib/report.mjs';
import { readBaseline, writeBaseline } from './micro/baseline.mjs';
import { codecs } from './micro/codecs.mjs';
import { hashes } from './micro/hashes.mjs';
import { measureTask } from './micro/measure.mjs';
import { rings } from './micro/rings.mjs';
import { state } from './micro/state.mjs';
import { tables } from './micro/tables.mjs';

/**
 * A part is slower when none of so many processes reaches its stored ratio with the tolerance. What varies is the process, hardly the
 * rounds in it: over 6 runs of 31 parts 10 of 186 processes were more than 35 % above the median of their part (1.4 to 1.8 times, all
 * rounds alike), because of how the loop was compiled, where its memory lay, or what else the machine did. So the best counts,
 * and what is stored is the best of three. With three tries, 3 of 620 comparisons of three processes with three others failed at
 * 35 % and none at 50 %, which is one false alarm in seven runs; a part goes on to five. A slowdown of 35 % is caught for half of the parts, one
 * of 50 % for nine in ten, one of 2 for all.
 */
const TRIES = 5;
const STORED_TRIES = 3;
const TOLERANCE = 0.35;

const baseline = readBaseline();
const measured = {};
let isUpdate = false;

const scenarios = [hashes, codecs, state, tables, rings].map(({ name, question, tasks }) => ({
  name,
  question,
  async *rows({ tolerance, ...times }) {
    for (const { task, unit } of tasks) {
      const id = `${name}: ${task}`;
      const stored = isUpdate ? undefined : baseline[id];
      const most = stored === undefined ? Infinity : stored * (1 + tolerance);
      const result = await measureTask(name, task, { ...times, allows: (ratio) => !isUpdate && ratio <= most });
      const { nsPerItem, referenceNs, ratio } = result;
      measured[id] = ratio;
      // The stored ratio, as a time on this machine now.
      const target = stored === undefined ? null : { atMost: Number((most * referenceNs).toPrecision(3)) };
      const change = stored === undefined ? 'nothing is stored' : `${percent(ratio / stored - 1)} against what is stored`;
      yield row(task, nsPerItem, `ns/${unit}`, target, isUpdate ? '' : change);
      yield point({ kind: 'micro.task', group: name, task, unit, storedRatio: stored ?? null, ...result });
    }
  },
}));

await benchProgram({
  bench: 'micro',
  scenarios,
  quick: { warmUpMs: 20, roundMs: 15, rounds: 1, tries: 1 },
  full: { warmUpMs: 200, roundMs: 60, rounds: 5, tries: TRIES },
  options: { update: { type: 'boolean', default: false }, tolerance: { type: 'string', default: String(TOLERANCE) } },
  settle(settings, { update, tolerance, quick }) {
    if (!(Number(tolerance) > 0)) throw new Error(`--tolerance takes a share above 0, not '${tolerance}'.`);
    if (update && quick) throw new Error('--quick is too short to be stored: leave it out with --update.');
    isUpdate = update;
    return { ...settings, ...(update && { tries: STORED_TRIES }), tolerance: Number(tolerance) };
  },
});

if (isUpdate && Object.keys(measured).length > 0) console.error(`Stored in ${writeBaseline(measured)}.`);

function percent(share) {
  return `${share < 0 ? '-' : '+'}${Math.abs(share * 100).toFixed(0)} %`;
}
