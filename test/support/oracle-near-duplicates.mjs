/**
 * What `examples/near-duplicates.ts` must write, computed by a plain program in one thread: the same definitions of section,
 * shingle and band, written a second time with ordinary Maps and Sets. Shares no code with Tidemark or with the example.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SHINGLE_TOKENS = 5;
const SMALLEST_SECTION = 50;
const LARGE_SECTION = 400;
const BANDS = 64;
const ROWS = 8;
const THRESHOLD = 0.8;

/**
 * @param {string} root    directory to look through
 * @param {string} prefix  how the job names that directory in its output
 */
export function* nearDuplicateRecords(root, prefix) {
  const sections = new Map();
  const buckets = new Map();
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(js|mjs|cjs|ts)$/.test(name)) continue;
    for (const { lines, tokens } of cut(readFileSync(join(root, name), 'utf8'))) {
      const id = `${prefix}/${name}:${lines}`;
      const shingles = new Set();
      for (let i = 0; i + SHINGLE_TOKENS <= tokens.length; i++) {
        shingles.add(tokens.slice(i, i + SHINGLE_TOKENS).reduce((hash, token) => mix(Math.imul(hash, 31) + token), 0) >>> 0);
      }
      sections.set(id, shingles);
      for (const band of bandsOf(shingles)) buckets.set(band, [...(buckets.get(band) ?? []), id]);
    }
  }
  const seen = new Set();
  for (const ids of buckets.values()) {
    for (const a of ids) {
      for (const b of ids) {
        if (a >= b || seen.has(`${a}\n${b}`)) continue;
        seen.add(`${a}\n${b}`);
        const [left, right] = [sections.get(a), sections.get(b)];
        const shared = [...left].filter((shingle) => right.has(shingle)).length;
        const similarity = shared / (left.size + right.size - shared);
        if (similarity >= THRESHOLD) yield { left: a, right: b, similarity, shared };
      }
    }
  }
}

/** Sections end at a `}` in the first column, or at any `}` once they are large; short ones are part of no section. */
function* cut(text) {
  let tokens = [];
  let start = '';
  let line = 1;
  for (const match of text.matchAll(/\n|\/\/[^\n]*|\/\*[^]*?\*\/|[A-Za-z_$][\w$]*|\d+|\S/g)) {
    const [token] = match;
    if (token === '\n') {
      line++;
    } else if (token.startsWith('//') || token.startsWith('/*')) {
      line += token.split('\n').length - 1;
    } else {
      if (tokens.length === 0) start = `${line}:${match.index - text.lastIndexOf('\n', match.index - 1)}`;
      let hash = 0;
      for (let i = 0; i < token.length; i++) hash = Math.imul(hash, 31) + token.charCodeAt(i);
      tokens.push(mix(hash));
      const isFirstColumn = match.index === 0 || text[match.index - 1] === '\n';
      if (token === '}' && (tokens.length >= LARGE_SECTION || (isFirstColumn && tokens.length >= SMALLEST_SECTION))) {
        yield { lines: `${start}-${line}`, tokens };
        tokens = [];
      }
    }
  }
  if (tokens.length >= SMALLEST_SECTION) yield { lines: `${start}-${line}`, tokens };
}

/** MinHash of 512 permutations in 64 bands of 8 rows. */
function bandsOf(shingles) {
  const bands = [];
  for (let band = 0; band < BANDS; band++) {
    let hash = mix(band + 1);
    for (let row = 0; row < ROWS; row++) {
      const permutation = mix(band * ROWS + row + 1);
      let smallest = 2 ** 32;
      for (const shingle of shingles) smallest = Math.min(smallest, mix(shingle ^ permutation) >>> 0);
      hash = mix(Math.imul(hash, 31) + smallest);
    }
    bands.push(hash);
  }
  return bands;
}

/** Finalizer of MurmurHash3: a permutation of the 32-bit integers. */
function mix(x) {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
