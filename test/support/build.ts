/**
 * Brings `dist` up to date once before the tests: worker threads, the command line and examples run built code. Nothing is
 * done when no source is newer than the last build, so a second run starts at once. Type errors are printed and do not
 * stop the tests (`tsc` emits nevertheless): `npm test` builds first and stops there, and a test of one folder need not
 * wait for a type error in another.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export default function build(): void {
  // The unit tests of a mutant run from `src`: nobody waits for a build of it.
  if (process.env['TIDEMARK_TEST_UNBUILT'] !== undefined) return;
  if (builtAt() > newestSource() && isBundled()) return;
  const tsc = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.json')], {
    cwd: root,
    encoding: 'utf8',
  });
  const bundle = spawnSync(process.execPath, [join(root, 'scripts/bundle.mjs')], { cwd: root, encoding: 'utf8' });
  if (bundle.status !== 0) throw new Error(`the entries were not bundled:\n${bundle.stdout}${bundle.stderr}`);
  if (tsc.status !== 0) console.warn(`dist was built in spite of type errors:\n${tsc.stdout}${tsc.stderr}`);
}

function builtAt(): number {
  return statSync(join(root, 'dist/.tsbuildinfo'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function isBundled(): boolean {
  const bundle = statSync(join(root, 'dist/bundle/pool-entry.js'), { throwIfNoEntry: false });
  return bundle !== undefined && bundle.mtimeMs > builtAt();
}

function newestSource(): number {
  let newest = 0;
  for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) newest = Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs);
  }
  return newest;
}
