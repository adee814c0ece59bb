/**
 * How does Tidemark compare with what one would use instead? The same keys counted, as durable, by a Map that is dumped, lmdb,
 * better-sqlite3, classic-level and Apache Flink.
 *
 *     npm run bench peers                              all that is installed; about 12 minutes
 *     npm run bench peers -- --quick                   small and short: shows that it runs, not how fast
 *     npm run bench peers -- --only count              one scenario: count, restore, stall; may be repeated
 *     npm run bench peers -- --keys 8388608            2^23 keys instead of 2^20
 *     npm run bench peers -- --peers lmdb,level        only these beside Tidemark and the Map
 *     npm run bench peers -- --json                    one JSON document on stdout; --out <file>: into a file
 *
 * How they are installed and set up, and why so, is told in bench/peers/README.md.
 */
import { benchProgram } from './lib/program.mjs';
import { PEERS } from './peers/roster.mjs';
import { count } from './peers/scenarios/count.mjs';
import { restore } from './peers/scenarios/restore.mjs';
import { stall } from './peers/scenarios/stall.mjs';

/** Never left out: the others are compared with these. */
const REFERENCES = ['generator', 'tidemark', 'map'];

await benchProgram({
  bench: 'peers',
  scenarios: [count, restore, stall],
  quick: {
    threads: 2,
    keys: 2 ** 14,
    intervalMs: 300,
    warmUpMs: 300,
    flinkWarmUpMs: 500,
    windowMs: 900,
    runs: 1,
    restoreEntries: 100_000,
    restores: 1,
    stall: { keys: 10_000, payloadBytes: 1000, intervalMs: 100, windowMs: 1000, dumps: 1 },
  },
  full: {
    threads: 2,
    keys: 2 ** 20,
    intervalMs: 1000,
    warmUpMs: 1500,
    flinkWarmUpMs: 4000,
    windowMs: 4000,
    runs: 5,
    restoreEntries: 10_000_000,
    restores: 3,
    stall: { keys: 1_000_000, payloadBytes: 1000, intervalMs: 100, windowMs: 10_000, dumps: 5 },
  },
  options: { keys: { type: 'string' }, peers: { type: 'string' }, runs: { type: 'string' } },
  settle,
});

function settle(settings, { keys, peers, runs }) {
  const chosen = peers === undefined ? PEERS : PEERS.filter(({ name }) => isChosen(name, peers.split(',')));
  const present = chosen.filter((peer) => peer.isInstalled());
  const missing = chosen.filter((peer) => !present.includes(peer));
  if (missing.length > 0) {
    const commands = [...new Set(missing.map(({ install }) => install))];
    console.error(`Not installed, left out: ${missing.map(({ name }) => name).join(', ')}. To install: ${commands.join('; ')}`);
  }
  return {
    ...settings,
    peers: present,
    ...(keys !== undefined && { keys: naturalOf('keys', keys) }),
    ...(runs !== undefined && { runs: naturalOf('runs', runs) }),
  };
}

function isChosen(name, wanted) {
  const unknown = wanted.find((other) => !PEERS.some((peer) => peer.name === other));
  if (unknown !== undefined)
    throw new Error(`There is no peer '${unknown}'. There are ${PEERS.map((peer) => peer.name).join(', ')}.`);
  return REFERENCES.includes(name) || wanted.includes(name);
}

function naturalOf(option, text) {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${option} takes a whole number from 1, not '${text}'.`);
  return number;
}
