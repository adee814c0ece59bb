/** The same work as the jobs, in a plain loop of one thread, without any durability. What the jobs are measured against. */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { randomInteger, streamSeed } from '../../dist/worker/connectors/generate/random.js';
import { burn, calibrateBurn } from './burn.mjs';
import { FILLED } from './settings.mjs';

/** Records between two looks at the clock. */
const CHUNK = 1 << 16;
const SEED = streamSeed(1, 'key');

/** Only the keys of `count-numbers.mjs`, made as its source makes them. @returns {{ perSecond: number }} */
export function generateNumbers({ keys, warmUpMs, windowMs }) {
  let sum = 0;
  const rate = steadyRate(warmUpMs, windowMs, (from, to) => {
    for (let i = from; i < to; i++) sum += randomInteger(SEED, i, 0, 0, keys);
  });
  return { ...rate, sum };
}

/** `count-numbers.mjs` with a Map<number, number>. */
export function countNumbers({ keys, warmUpMs, windowMs }) {
  const counts = new Map();
  const isFilled = () => counts.size >= FILLED * keys;
  const work = (from, to) => {
    for (let i = from; i < to; i++) {
      const key = randomInteger(SEED, i, 0, 0, keys);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  };
  const rate = steadyRate(warmUpMs, windowMs, work, { isReady: isFilled });
  return { ...rate, keys: counts.size };
}

/** Only the keys of `count-strings.mjs`. */
export function generateStrings({ keys, warmUpMs, windowMs }) {
  let length = 0;
  const rate = steadyRate(warmUpMs, windowMs, (from, to) => {
    for (let i = from; i < to; i++) length += `user-${randomInteger(SEED, i, 0, 0, keys)}`.length;
  });
  return { ...rate, length };
}

/** `count-strings.mjs` with a Map<string, number>. */
export function countStrings({ keys, warmUpMs, windowMs }) {
  const counts = new Map();
  const isFilled = () => counts.size >= FILLED * keys;
  const work = (from, to) => {
    for (let i = from; i < to; i++) {
      const key = `user-${randomInteger(SEED, i, 0, 0, keys)}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  };
  const rate = steadyRate(warmUpMs, windowMs, work, { isReady: isFilled });
  return { ...rate, keys: counts.size };
}

/**
 * `count-words.mjs` as a plain program: chunks of 1 MiB, cut into lines, cut into words, counted.
 *
 * @returns {{ elapsedMs: number, words: number, distinct: number }}
 */
export function countWords({ directory }) {
  const started = performance.now();
  const counts = new Map();
  const buffer = Buffer.allocUnsafe(1 << 20);
  for (const file of readdirSync(directory).sort()) {
    const fd = openSync(join(directory, file), 'r');
    const decoder = new StringDecoder('utf8');
    let rest = '';
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer)) {
      const lines = (rest + decoder.write(buffer.subarray(0, read))).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) for (const word of line.split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    if (rest !== '') for (const word of rest.split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1);
    closeSync(fd);
  }
  let words = 0;
  for (const count of counts.values()) words += count;
  return { elapsedMs: performance.now() - started, words, distinct: counts.size };
}

/**
 * `burn.mjs` in a loop.
 *
 * @param iterations  of a record; without them they are calibrated to `ms`, and are what the job and later loops are given
 */
export function burnAll({ ms, iterations = calibrateBurn(ms), warmUpMs, windowMs }) {
  let result = 0;
  const work = (from, to) => {
    for (let i = from; i < to; i++) result ^= burn(i, iterations);
  };
  const rate = steadyRate(warmUpMs, windowMs, work, { chunk: 16 });
  return { ...rate, iterations, result };
}

/** Runs `work(from, to)` over consecutive indexes, and measures once it is warm and ready. */
function steadyRate(warmUpMs, windowMs, work, { chunk = CHUNK, isReady = () => true } = {}) {
  let at = 0;
  const runFor = (ms) => {
    const first = at;
    const cpu = process.cpuUsage();
    const started = performance.now();
    let elapsedMs;
    do {
      work(at, at + chunk);
      at += chunk;
      elapsedMs = performance.now() - started;
    } while (elapsedMs < ms);
    const { user, system } = process.cpuUsage(cpu);
    return { perSecond: ((at - first) / elapsedMs) * 1000, records: at - first, elapsedMs, cpuMs: (user + system) / 1000 };
  };
  do runFor(warmUpMs);
  while (!isReady());
  return runFor(windowMs);
}
