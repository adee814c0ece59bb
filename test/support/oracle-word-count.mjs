/** What `examples/word-count.ts` must write, computed by a plain loop over whole files. Shares no code with Tidemark. */
import { readFileSync } from 'node:fs';

/** @returns {Iterable<{ word: string, count: number }>} in any order */
export function* wordCountRecords(paths) {
  const counts = new Map();
  for (const path of paths) {
    for (const word of readFileSync(path, 'utf8')
      .toLowerCase()
      .split(/[^\p{L}\p{N}]+/u)) {
      if (word !== '') counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  for (const [word, count] of counts) yield { word, count };
}
