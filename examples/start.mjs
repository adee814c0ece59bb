/**
 * `npm start`: runs the flagship, `near-duplicates.ts`, with the command line of this package and reports what it found.
 *
 *     npm start                                  node_modules of this project, from the beginning
 *     npm start -- --resume                      goes on from the newest checkpoint, for example after a kill -9
 *     npm start -- --directory ../other/project  another tree; further options are those of `tidemark run`
 *
 * The command line runs in this very process, as its supervisor: who kills this process kills the job with it.
 */
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const OUTPUT = 'out/near-duplicates';
const CHECKPOINTS = 'checkpoints/near-duplicates';
const SHOWN = 10;

const root = fileURLToPath(new URL('..', import.meta.url));
const options = process.argv.slice(2);
const directoryAt = options.indexOf('--directory');
const directory = directoryAt < 0 ? join(root, 'node_modules') : resolve(options.splice(directoryAt, 2)[1] ?? '.');
process.chdir(root);

const goesOn = options.some((option) => option === '--resume' || option === '-s');
if (!goesOn) {
  // Both or none: checkpoints say which files of the output are committed.
  rmSync(OUTPUT, { recursive: true, force: true });
  rmSync(CHECKPOINTS, { recursive: true, force: true });
}

process.on('exit', (code) => {
  if (code === 0) report();
});
console.error(`process ${process.pid}; to see it survive: kill -9 ${process.pid}, then npm start -- --resume`);
process.argv.splice(
  2,
  process.argv.length,
  'run',
  ...options,
  'examples/near-duplicates.ts',
  directory.startsWith(root) ? directory.slice(root.length) : directory,
  OUTPUT,
);
await import('../dist/main/cli/main.js');

/** The most similar pairs that are not equal, totals, checkpoints, places. */
function report() {
  const pairs = readOutput();
  const alike = pairs
    .filter(({ similarity }) => similarity < 1)
    .toSorted((a, b) => b.similarity - a.similarity || b.shared - a.shared || (a.left < b.left ? -1 : 1));
  const checkpoints = readCheckpoints();
  const lines = [
    '',
    `${pairs.length} pairs of sections resemble each other: ${pairs.length - alike.length} are equal, ${alike.length} nearly so. The most similar of these:`,
    '',
    ...alike
      .slice(0, SHOWN)
      .map(({ similarity, left, right }) => `  ${(similarity * 100).toFixed(2).padStart(6)} %  ${left}\n            ${right}`),
    '',
    'checkpoint      new bytes   referenced bytes       took',
    ...checkpoints.map(({ checkpointId, sizes, durationMs }) =>
      [
        String(checkpointId).padStart(10),
        grouped(sizes.newBytes).padStart(15),
        grouped(sizes.referencedBytes).padStart(19),
        `${Math.round(durationMs)} ms`.padStart(11),
      ].join(''),
    ),
    '',
    `pairs        ${resolve(OUTPUT)}`,
    `checkpoints  ${resolve(CHECKPOINTS)}`,
  ];
  console.log(lines.join('\n'));
}

function readOutput() {
  if (!existsSync(OUTPUT)) return [];
  return readdirSync(OUTPUT)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) =>
      readFileSync(join(OUTPUT, name), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    );
}

/** Manifests of the retained checkpoints, oldest first: JSON, then a last line with a checksum. */
function readCheckpoints() {
  return readdirSync(CHECKPOINTS, { recursive: true })
    .filter((name) => /chk-\d+[/\\]_metadata$/.test(name))
    .map((name) => join(CHECKPOINTS, name))
    .toSorted((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs)
    .map((path) => JSON.parse(readFileSync(path, 'utf8').trimEnd().split('\n').slice(0, -1).join('\n')));
}

function grouped(n) {
  return n.toLocaleString('en');
}
