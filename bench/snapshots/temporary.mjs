/** Directories of checkpoints that are gone when they are not needed any more, and what is measured in them in another process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callAlone } from '../lib/isolated.mjs';

const MEASURE = new URL('./measure.mjs', import.meta.url).href;

/** @param name  function of `measure.mjs` */
export function measureSnapshots(name, options) {
  return callAlone(MEASURE, name, options);
}

/** Fills a state, and has it used for as long as `use` goes on. */
export async function* withFilled(state, use) {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-state-'));
  try {
    yield* use(await measureSnapshots('fill', { state, directory }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @param use  gets an empty directory */
export async function inTemporary(use) {
  const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-snapshots-'));
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
