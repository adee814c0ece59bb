/**
 * A Map, and a dump of the whole of it each interval: `v8.serialize` stops the loop, the writing does not. The dump is synced,
 * renamed over the one before, and the directory is synced.
 */
import { open as openFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { countInto, filledMap } from './map.mjs';

export function open({ directory, keys }) {
  const counts = filledMap(keys);
  return {
    commitsInBackground: true,
    count(from, to) {
      countInto(counts, keys, from, to);
    },
    commit: () => replaceFile(directory, serialize(counts)),
    entries: () => counts,
  };
}

async function replaceFile(directory, bytes) {
  const path = join(directory, 'counts');
  const file = await openFile(`${path}.new`, 'w');
  try {
    // `write` of a FileHandle may write less than asked; `writeFile` goes on until all is written.
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  const handle = await openFile(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
