import { describe, expect, test } from 'vitest';
import { checksum64 } from '../../../src/format/content-hash.ts';
import { TidemarkError } from '../../../src/format/errors.ts';
import { golden } from '../../golden/golden.ts';
import { randomFrom } from '../../snapshot/sim-fs.ts';
import { dump, parse, type Frame } from './dump.ts';
import { encodeTable, info, memoryOf, openTable, readAll, type Section } from './table-tools.ts';

const text = (value: string) => new Uint8Array(Buffer.from(value, 'latin1'));
const i32 = (value: number) => new Uint8Array(new Int32Array([value]).buffer);
const f64 = (value: number) => new Uint8Array(new Float64Array([value]).buffer);

/** Every shape of block: equal lengths, unequal lengths, deletions, equal hashes, no entries at all. */
const SECTIONS: readonly Section[] = [
  {
    info: {
      uid: 'count',
      name: 'total',
      kind: 'value',
      keyType: 'i32',
      keySchema: { type: 'i32' },
      schema: { type: 'record', fields: [{ name: 'n', schema: { type: 'f64' }, default: 0 }] },
    },
    entries: [
      { hash: 1, key: i32(7), value: f64(1.5) },
      { hash: 0x80000000, key: i32(-1), value: null },
      { hash: 0xffffffff, key: i32(0), value: f64(-0) },
    ],
  },
  { info: info('count', 'empty'), entries: [] },
  {
    info: info('names'),
    entries: [
      { hash: 5, key: text(''), value: text('') },
      { hash: 5, key: text('a'), value: text('value') },
      { hash: 5, key: text('ab'), value: null },
      { hash: 6, key: text('\x00\xff'), value: new Uint8Array(300) },
    ],
  },
  { info: info('deleted'), entries: [{ hash: 9, key: text('gone'), value: null }] },
];

const TABLE = golden('sorted-table.v1.bin', () => encodeTable(SECTIONS).bytes);

/** Compressible, so that the codec is really used. */
const COMPRESSED: readonly Section[] = [
  {
    info: info('op'),
    entries: Array.from({ length: 100 }, (_, i) => ({ hash: i, key: i32(i), value: text('the same text again and again') })),
  },
];

function expectTypedError(read: () => unknown, where: string): void {
  try {
    read();
  } catch (error) {
    if (error instanceof TidemarkError && (error.code === 'ERR_TABLE_CORRUPT' || error.code === 'ERR_FORMAT_UNSUPPORTED')) return;
    throw new Error(`${where}: not a typed error`, { cause: error });
  }
  throw new Error(`${where}: read without an error`);
}

describe('golden sorted table', () => {
  test('format 1 is read as what was written then', () => expect(readAll(openTable(TABLE))).toEqual(SECTIONS));
  test('format 1 is written byte for byte the same', () => expect(encodeTable(SECTIONS).bytes.equals(TABLE)).toBe(true));
  test('its annotated dump describes every byte', () =>
    expect(dump(TABLE)).toBe(golden('sorted-table.v1.txt', () => dump(TABLE)).toString()));

  test('brotli blocks of format 1 are read', () =>
    expect(readAll(openTable(golden('sorted-table.brotli.v1.bin', () => encodeTable(COMPRESSED, 'auto').bytes)))).toEqual(
      COMPRESSED,
    ));
  test('zstd blocks of format 1 are read where Node has zstd, and refused by name where it has not', () => {
    const bytes = golden('sorted-table.zstd.v1.bin', () => encodeTable(COMPRESSED, 'auto').bytes);
    const [major, minor] = process.versions.node.split('.').map(Number);
    if (major > 22 || (major === 22 && minor >= 15)) expect(readAll(openTable(bytes))).toEqual(COMPRESSED);
    else
      expect(() => readAll(openTable(bytes))).toThrow(
        expect.objectContaining({ code: 'ERR_FORMAT_UNSUPPORTED', message: expect.stringContaining('zstd') }),
      );
  });
});

describe('damaged sorted table', () => {
  test.each(['sorted-table.v1.bin', 'sorted-table.brotli.v1.bin'])('every flipped bit of %s is a typed error', (name) => {
    const sound = golden(name, () => '');
    const bytes = Buffer.from(sound);
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        bytes[at] ^= 1 << bit;
        expectTypedError(() => readAll(openTable(bytes)), `bit ${bit} of byte ${at}`);
        bytes[at] ^= 1 << bit;
      }
    }
  });

  test('every truncation, every extension and every zeroed run is a typed error', () => {
    for (let length = 0; length < TABLE.length; length++)
      expectTypedError(() => readAll(openTable(TABLE.subarray(0, length))), `length ${length}`);
    for (const extra of [1, 8, 512, 4096]) {
      expectTypedError(() => readAll(openTable(Buffer.concat([TABLE, Buffer.alloc(extra)]))), `${extra} zero bytes appended`);
      expectTypedError(() => readAll(openTable(Buffer.concat([TABLE, TABLE.subarray(-extra)]))), `${extra} bytes appended`);
    }
    for (let at = 0; at < TABLE.length; at += 64) {
      const bytes = Buffer.from(TABLE).fill(0, at, Math.min(at + 512, TABLE.length));
      expectTypedError(() => readAll(openTable(bytes)), `512 zero bytes at ${at}`);
    }
  });

  test('a newer format is ERR_FORMAT_UNSUPPORTED where header and footer agree, else damage', () => {
    const newer = Buffer.from(TABLE);
    newer.writeUInt32LE(2, 8);
    expect(() => openTable(newer)).toThrow(expect.objectContaining({ code: 'ERR_TABLE_CORRUPT' }));
    newer.writeUInt32LE(2, newer.length - 16);
    expect(() => openTable(newer)).toThrow(
      expect.objectContaining({ code: 'ERR_FORMAT_UNSUPPORTED', facts: { table: 'test.sst', format: 2, newestRead: 1 } }),
    );
  });

  test('an error names the file, the offset of the part and the reason', () => {
    const bytes = Buffer.from(TABLE);
    bytes[20] ^= 1;
    expect(() => readAll(openTable(bytes))).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(
          /^Sorted table test\.sst is damaged at byte 16: the checksum of a frame of \d+ bytes does not match\. Restore/,
        ),
      }),
    );
  });

  test('entries out of order under valid checksums are damage, also where only keys of one hash are', () => {
    const [first, second] = parse(TABLE).frames;
    const hashes = Buffer.from(TABLE);
    hashes.writeUInt32LE(0xffffffff, first.at + 24 + 4);
    hashes.writeUInt32LE(0xfffffffe, first.at + 24 + 8);
    const keys = Buffer.from(TABLE);
    keys.write('ba', keys.indexOf('aab', second.at) + 1, 'latin1');
    keys[keys.indexOf('aba', second.at)] = 0x63;
    for (const [bytes, frame] of [
      [hashes, first],
      [keys, second],
    ] as const) {
      seal(bytes, frame);
      expect(() => readAll(openTable(bytes))).toThrow(
        expect.objectContaining({
          code: 'ERR_TABLE_CORRUPT',
          message: expect.stringContaining('does not come after the entry before it'),
        }),
      );
    }
  });

  test('nonsense under valid checksums never crashes the reader nor makes it allocate at will', () => {
    const seed = Number(process.env['SEED'] ?? 1);
    const random = randomFrom(seed);
    const pick = (n: number) => Math.floor(random() * n);
    const values = [0, 1, 2, 3, 7, 0xff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
    const { frames } = parse(TABLE);
    let accepted = 0;
    const allocatedBefore = process.memoryUsage().arrayBuffers;
    for (let run = 0; run < 4000; run++) {
      const bytes = Buffer.from(TABLE);
      for (let change = 0; change <= pick(3); change++) mutate(bytes, frames[pick(frames.length)], pick, values);
      try {
        const table = openTable(bytes);
        readAll(table);
        for (const entry of table.sections) table.open(entry).get(5, memoryOf(text('ab')), 0, 2);
        accepted++;
      } catch (error) {
        if (!(error instanceof TidemarkError)) throw new Error(`SEED=${seed} run ${run}: ${String(error)}`, { cause: error });
      }
    }
    expect(accepted).toBeLessThan(3500);
    expect(process.memoryUsage().arrayBuffers - allocatedBefore).toBeLessThan(64 * 1024 * 1024);
  });
});

/** Overwrites some bytes of a frame's payload and makes its checksum right again. */
function mutate(bytes: Buffer, frame: Frame, pick: (n: number) => number, values: readonly number[]): void {
  const payload = frame.length - 16;
  const value = values[pick(values.length)];
  const at = frame.at + pick(Math.max(1, payload));
  if (pick(2) === 0 || payload < 8) bytes[at] = value;
  else bytes.writeUInt32LE(value, Math.min(frame.at + payload - 4, at & ~3));
  seal(bytes, frame);
}

/** Makes the checksum of a frame right again. */
function seal(bytes: Buffer, frame: Frame): void {
  const trailer = frame.at + frame.length - 16;
  bytes.writeBigUInt64LE(checksum64(bytes.subarray(frame.at, trailer + 8)), trailer + 8);
}
