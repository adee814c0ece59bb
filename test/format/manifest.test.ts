import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TidemarkError } from '../../src/format/errors.ts';
import { canonicalJson, type JsonValue } from '../../src/format/json.ts';
import { decodeManifest, encodeManifest, tablesOf, type Manifest } from '../../src/format/manifest.ts';
import { golden } from '../golden/golden.ts';

const HASH = '0123456789abcdef0123456789abcdef';
const statistics = {
  syncMs: 0.5,
  asyncMs: 12,
  alignmentMs: 3,
  startDelayMs: 0,
  newBytes: 700,
  liveBytes: 9000,
  changedEntries: 12,
};
const MANIFEST: Manifest = {
  format: 1,
  kind: 'checkpoint',
  savepointFormat: null,
  jobId: 'fedcba9876543210fedcba9876543210',
  jobName: 'wörd count \ud800',
  checkpointId: 42,
  parent: { jobId: 'fedcba9876543210fedcba9876543210', checkpointId: 41 },
  triggeredAt: '2026-01-02T03:04:05.006Z',
  completedAt: '2026-01-02T03:04:05.106Z',
  trigger: 'periodic',
  incremental: true,
  tidemarkVersion: '0.1.0',
  operators: [
    { uid: 'source', name: 'files', kind: 'source', maxParallelism: 128, keyedStates: [] },
    {
      uid: 'count',
      name: 'count',
      kind: 'process',
      maxParallelism: 128,
      keyedStates: [
        {
          name: 'total',
          kind: 'value',
          keyType: 'string',
          keySchema: { type: 'string' },
          schema: {
            type: 'record',
            fields: [
              { name: 'n', schema: { type: 'optional', of: { type: 'f64' } }, default: 0 },
              { name: 'color', schema: { type: 'enum', values: ['red', 'blue'] } },
            ],
          },
          digest: HASH,
          entries: 3,
        },
      ],
    },
  ],
  stages: [
    {
      operators: ['source'],
      parallelism: 1,
      maxParallelism: 128,
      subtasks: [
        {
          subtask: 0,
          keyGroups: null,
          finished: true,
          tables: [],
          operatorState: { source: { splits: [{ file: 'a', at: 12 }, null] } },
          committables: { out: ['part-1'] },
          statistics,
        },
      ],
    },
    {
      operators: ['count'],
      parallelism: 2,
      maxParallelism: 128,
      subtasks: [
        {
          subtask: 0,
          keyGroups: { start: 0, end: 63 },
          finished: false,
          tables: [{ hash: HASH, sizeBytes: 700, entries: 12, tombstones: 2, createdBy: 42 }],
          operatorState: {},
          committables: {},
          statistics,
        },
        {
          subtask: 1,
          keyGroups: { start: 64, end: 127 },
          finished: false,
          tables: [{ hash: HASH, sizeBytes: 700, entries: 12, tombstones: 2, createdBy: 42, clip: [0x80000000, 0xffffffff] }],
          operatorState: {},
          committables: {},
          statistics,
        },
      ],
    },
  ],
  counters: { records: 100, malformed: 0 },
  sizes: { newBytes: 700, referencedBytes: 0, liveBytes: 9000, files: 1 },
  durationMs: 100,
  config: { 'state.checkpoints.num-retained': 1 },
};

const BYTES = golden('manifest.v1.txt', () => encodeManifest(MANIFEST));
const decode = (bytes: Uint8Array) => decodeManifest(bytes, 'chk-42/_metadata');
const corrupt = (text = '') => expect.objectContaining({ code: 'ERR_MANIFEST_CORRUPT', message: expect.stringContaining(text) });

/** A manifest of any JSON with a right checksum: what an attacker or a bug of ours would write. */
function signed(line: string): Buffer {
  const first = Buffer.from(`${line}\n`);
  return Buffer.concat([first, Buffer.from(`sha256 ${createHash('sha256').update(first).digest('hex')}\n`)]);
}

/** The fields are changed into what no type allows. */
// oxlint-disable-next-line typescript/no-explicit-any
type Loose = any;

function changed(change: (manifest: Loose) => void): Buffer {
  const copy = JSON.parse(canonicalJson(MANIFEST as unknown as JsonValue));
  change(copy);
  return signed(JSON.stringify(copy));
}

describe('manifest', () => {
  test('golden: format 1 is read as what was written then, and written byte for byte the same', () => {
    expect(decode(BYTES)).toEqual(MANIFEST);
    expect(encodeManifest(decode(BYTES)).equals(BYTES)).toBe(true);
  });

  test('tables are listed once by hash', () => expect([...tablesOf(MANIFEST).keys()]).toEqual([HASH]));

  test('every flipped bit, every truncation and every extension is ERR_MANIFEST_CORRUPT', () => {
    const bytes = Buffer.from(BYTES);
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        bytes[at] ^= 1 << bit;
        expectCorrupt(bytes, `bit ${bit} of byte ${at}`);
        bytes[at] ^= 1 << bit;
      }
    }
    for (let length = 0; length < BYTES.length; length++) expectCorrupt(BYTES.subarray(0, length), `length ${length}`);
    for (const extra of ['\n', '\0', ' ', '}', '\0'.repeat(512)])
      expectCorrupt(Buffer.concat([BYTES, Buffer.from(extra)]), `extension ${JSON.stringify(extra)}`);
  });

  test('a newer format is ERR_FORMAT_UNSUPPORTED, whatever else it holds', () => {
    expect(() => decode(signed('{"format":2,"novelty":[]}'))).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT_UNSUPPORTED' }),
    );
  });

  test.each<[string, (m: Loose) => void, string]>([
    [
      'a missing field',
      (m) => delete m.stages[1].subtasks[0].tables[0].hash,
      'stages[1].subtasks[0].tables[0]: field hash is missing',
    ],
    ['an unknown field', (m) => (m.parent.extra = 1), 'parent: unknown field "extra"'],
    ['a wrong type', (m) => (m.checkpointId = '42'), 'checkpointId: expected an integer, found "42"'],
    ['a number out of bounds', (m) => (m.checkpointId = 0), 'checkpointId: 0 is not within 1'],
    ['a number that is not safe', (m) => (m.sizes.newBytes = 2 ** 53), 'sizes.newBytes: expected an integer'],
    [
      'subtasks out of place',
      (m) => (m.stages[1].subtasks = m.stages[1].subtasks.toReversed()),
      'stages[1].subtasks[0].subtask: 1 stands in place 0',
    ],
    ['a parallelism that does not fit', (m) => (m.stages[1].parallelism = 3), 'stages[1].subtasks: 2 subtasks at parallelism 3'],
    ['an operator that does not exist', (m) => (m.stages[0].operators = ['nobody']), 'no operator "nobody"'],
    ['two operators of one uid', (m) => (m.operators[0].uid = 'count'), 'operators[1].uid: the second operator "count"'],
    ['one table with two sizes', (m) => (m.stages[1].subtasks[1].tables[0].sizeBytes = 1), 'with two sizes'],
    [
      'a clip that is no range',
      (m) => (m.stages[1].subtasks[1].tables[0].clip = [2, 1]),
      'clip: expected the first and the last',
    ],
    ['a digest that is none', (m) => (m.operators[1].keyedStates[0].digest = 'x'), 'expected 32 hex digits'],
    [
      'a schema that is none',
      (m) => (m.operators[1].keyedStates[0].schema.fields[0].schema = { type: 'u8' }),
      'expected one of i32',
    ],
    ['a savepoint without its format', (m) => (m.kind = 'savepoint'), 'savepointFormat: null for a savepoint'],
  ])('%s is ERR_MANIFEST_CORRUPT with its place', (_what, change, message) =>
    expect(() => decode(changed(change))).toThrow(corrupt(message)),
  );

  test('names that could leave the directory are no hashes', () => {
    const tricks = [
      '../../etc/passwd',
      '/etc/passwd',
      `..%2f${HASH.slice(5)}`,
      `${HASH}\0`,
      `${HASH}\n`,
      `${HASH.slice(1)}／`,
      HASH.toUpperCase(),
      `\\\\host\\${HASH}`,
      'CON',
      '',
      '.',
      'a'.repeat(300),
    ];
    for (const hash of tricks)
      expect(() => decode(changed((m) => (m.stages[1].subtasks[0].tables[0].hash = hash)))).toThrow(corrupt('hash'));
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (hash) => {
        expect(() => decode(changed((m) => (m.stages[1].subtasks[0].tables[0].hash = hash)))).toThrow(corrupt('hash'));
      }),
      { numRuns: 500 },
    );
  });

  test('names of the object prototype are names like others', () => {
    const line = BYTES.toString('utf8')
      .split('\n')[0]
      .replace('"operatorState":{}', '"operatorState":{"__proto__":{"polluted":[1]},"constructor":{"x":[]}}');
    const manifest = decode(signed(line));
    const state = manifest.stages[1].subtasks[0].operatorState;
    expect(Object.keys(state).sort()).toEqual(['__proto__', 'constructor']);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    expect(manifest.stages[0].subtasks[0].operatorState['toString']).toBeUndefined();
    expect(() => decode(signed(line.replace('"config":{', '"__proto__":{"format":1},"config":{')))).toThrow(
      corrupt('unknown field "__proto__"'),
    );
  });

  test('nesting a million deep is refused at once', () => {
    for (const deep of [`${'['.repeat(1e6)}${']'.repeat(1e6)}`, '{"a":'.repeat(1e6), `"${'['.repeat(1000)}"`]) {
      const line = BYTES.toString('utf8').split('\n')[0].replace('"config":{', `"config":{"x":${deep},`);
      if (deep.startsWith('"')) expect(decode(signed(line)).config['x']).toBe('['.repeat(1000));
      else expect(() => decode(signed(line))).toThrow(corrupt('nesting deeper'));
    }
  });

  test('any JSON in any place, under a valid checksum, is accepted or a typed error', () => {
    const places = placesOf(JSON.parse(BYTES.toString('utf8').split('\n')[0]));
    fc.assert(
      fc.property(
        fc.constantFrom(...places),
        fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom(-1, 1e308, 2 ** 53, '', [], {})),
        (place, value) => {
          try {
            decode(changed((m) => put(m, place, value)));
          } catch (error) {
            if (!(error instanceof TidemarkError)) throw error;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

function expectCorrupt(bytes: Uint8Array, where: string): void {
  try {
    decode(bytes);
  } catch (error) {
    if (error instanceof TidemarkError && error.code === 'ERR_MANIFEST_CORRUPT') return;
    throw new Error(`${where}: not ERR_MANIFEST_CORRUPT`, { cause: error });
  }
  throw new Error(`${where}: read without an error`);
}

function placesOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [
    ...(path.length > 0 ? [path] : []),
    ...Object.entries(value).flatMap(([key, child]) => placesOf(child, [...path, key])),
  ];
}

function put(root: Loose, path: readonly string[], value: unknown): void {
  const parent = path.slice(0, -1).reduce((node, key) => node[key], root);
  parent[path[path.length - 1]] = value;
}
