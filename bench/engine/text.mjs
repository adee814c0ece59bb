/** Text for the word count: words of a fixed vocabulary, drawn by Zipf's law, the same bytes at every run. */
import { appendFileSync, closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

const VOCABULARY = 50_000;
const WORDS_PER_LINE = 12;
const FILES = 8;

/**
 * Writes `bytes` bytes or a little more into `FILES` files of a directory.
 *
 * @returns bytes written
 */
export function writeText(directory, bytes) {
  const random = xorshift(0x9e3779b9);
  const words = Array.from({ length: VOCABULARY }, () => wordOf(random));
  const cumulative = zipfDistribution(VOCABULARY);
  let written = 0;
  for (let file = 0; file < FILES; file++) {
    const fd = openSync(join(directory, `text-${file}.txt`), 'w');
    for (let left = bytes / FILES; left > 0; ) {
      const chunk = Buffer.from(lines(2_000, words, cumulative, random), 'latin1');
      // Unlike writeSync it writes all or throws.
      appendFileSync(fd, chunk);
      left -= chunk.length;
      written += chunk.length;
    }
    closeSync(fd);
  }
  return written;
}

function lines(count, words, cumulative, random) {
  let text = '';
  for (let line = 0; line < count; line++) {
    for (let i = 0; i < WORDS_PER_LINE; i++)
      text += `${words[rankAt(cumulative, random() / 2 ** 32)]}${i < WORDS_PER_LINE - 1 ? ' ' : '\n'}`;
  }
  return text;
}

/** 2 to 11 letters. Two words may be the same: the count does not mind. */
function wordOf(random) {
  const length = 2 + (random() % 10);
  return Array.from({ length }, () => String.fromCharCode(97 + (random() % 26))).join('');
}

/** At rank r: the share of all draws that are of rank r or less. */
function zipfDistribution(n) {
  const cumulative = new Float64Array(n);
  let sum = 0;
  for (let rank = 0; rank < n; rank++) cumulative[rank] = sum += 1 / (rank + 1);
  for (let rank = 0; rank < n; rank++) cumulative[rank] /= sum;
  return cumulative;
}

function rankAt(cumulative, share) {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (cumulative[middle] < share) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Unsigned 32-bit numbers. */
function xorshift(seed) {
  let x = seed;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}
