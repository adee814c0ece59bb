import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

/** Kills in `npm test`; `.ci/run` makes 300 with the same program. */
const KILLS = process.env.CRASH_KILLS ?? '30';

it(`kill loop: after ${KILLS} kills at seeded moments no record is lost or duplicated, and every checkpoint that is there is complete`, () => {
  const seed = process.env.CRASH_SEED === undefined ? [] : ['--seed', process.env.CRASH_SEED];
  const program = fileURLToPath(new URL('kill-loop.mjs', import.meta.url));
  const loop = spawnSync(process.execPath, [program, '--json', '--kills', KILLS, ...seed], { encoding: 'utf8' });
  process.stderr.write(loop.stderr);
  expect(JSON.parse(loop.stdout)).toMatchObject({ error: null });
});
