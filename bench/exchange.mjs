/**
 * How many records a second pass from one stage to the next? Generated records, sent by the hash of a key or in turn, and dropped.
 *
 *     npm run bench exchange                  2 minutes
 *     npm run bench exchange -- --quick       short: shows that it runs, not how fast
 *     npm run bench exchange -- --json        one JSON document on stdout; --out <file>: into a file
 *
 * "Per core" is per second of CPU time of the whole process, the making of the records included. More in docs/benchmarks.md.
 */
import { measureAlone } from './lib/isolated.mjs';
import { benchProgram, point } from './lib/program.mjs';
import { median, row } from './lib/report.mjs';
import { perCoreSecond, spreadOf } from './throughput/rates.mjs';

/** Bytes of a row of a 4-byte key: rows are multiples of 8. A frame adds 16 (length, key hash, timestamp). */
const KEY_ROW_BYTES = 8;
/** Where and how long the text is; the text is of a length that needs no padding. */
const TEXT_HEADER_BYTES = 8;

const recordBytesOf = (textBytes) => (textBytes === 0 ? KEY_ROW_BYTES : KEY_ROW_BYTES + TEXT_HEADER_BYTES + textBytes);

const exchange = {
  name: 'exchange',
  question: 'How many records does a core send to the next stage and take there?',
  async *rows({ threads: threadCounts, texts, kinds, runs, warmUpMs, windowMs }) {
    for (const textBytes of texts) {
      const recordBytes = recordBytesOf(textBytes);
      for (const threads of threadCounts) {
        for (const kind of ['none', ...kinds]) {
          const options = { job: 'exchange', args: [kind, textBytes], threads, intervalMs: null, warmUpMs, windowMs };
          const measured = [];
          for (let run = 0; run < runs; run++) measured.push(await measureAlone('steadyRate', options));
          const rates = measured.map(({ perSecond }) => perSecond);
          const perCore = measured.map(perCoreSecond);
          const how = kind === 'none' ? 'no exchange' : kind === 'hash' ? 'by key hash' : 'in turn';
          const name = `${recordBytes} B, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${how}`;
          yield row(name, median(rates), 'records/s', null, spreadOf(rates));
          // The aim is for small records.
          const target = kind !== 'none' && textBytes === 0 ? { atLeast: 10e6 } : null;
          yield row(`${name}: per core`, median(perCore), 'records/s', target);
          yield point({
            kind: kind === 'none' ? 'exchange.generator' : 'exchange.point',
            exchange: kind,
            threads,
            recordBytes,
            perSecond: median(rates),
            perSecondPerCore: median(perCore),
            runs: measured.map(({ perSecond, cpuMs, elapsedMs }) => ({ perSecond, cpuMs, elapsedMs })),
          });
        }
      }
    }
  },
};

await benchProgram({
  bench: 'exchange',
  scenarios: [exchange],
  quick: { threads: [2], texts: [0], kinds: ['hash', 'rebalance'], runs: 1, warmUpMs: 300, windowMs: 700 },
  full: { threads: [1, 2], texts: [0, 96], kinds: ['hash', 'rebalance'], runs: 3, warmUpMs: 700, windowMs: 1500 },
});
