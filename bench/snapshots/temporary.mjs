/** Directories of checkpoints that are gone when they are not needed any more, and what is measured in them in another process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callAlone } from '../lib/isolated.mjs';

const PREFIX = join(tmpdir(), 'tidemark-bench-snapshots-');
const MEASURE = new URL('./measure.mjs', import.meta.url).href;

/** @param name  function of `measure.mjs` */
export function measureSnapshots(name, options) {
  return callAlone(MEASURE, name, options);
}

/**
 * Fills a state, and keeps its checkpoint for as long as `use` takes.
 *
 * @param use  gets the result of `fill`; its own is what is returned
 */
export function withFilled(state, use) {
  return inTemporary(async (directory) => use(await measureSnapshots('fill', { state, directory })));
}

/** `withFilled` for a generator, all of which is yielded. */
export async function* whileFilled(state, use) {
  const directory = mkdtempSync(PREFIX);
  try {
    yield* use(await measureSnapshots('fill', { state, directory }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @param use  gets an empty directory */
export async function inTemporary(use) {
  const directory = mkdtempSync(PREFIX);
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
