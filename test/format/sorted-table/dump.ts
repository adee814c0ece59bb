/**
 * An annotated dump of a sorted table: range, hex, meaning, of every byte. Written from docs/formats.md alone and
 * sharing no code with the reader, so it also shows that the document is enough to write one.
 */
export interface Field {
  readonly at: number;
  readonly length: number;
  readonly meaning: string;
}

export interface Frame {
  readonly at: number;
  readonly length: number;
  readonly type: number;
}

const TRAILER = 16;
const FOOTER = 56;

export function parse(bytes: Buffer): { readonly fields: readonly Field[]; readonly frames: readonly Frame[] } {
  const fields: Field[] = [];
  const frames: Frame[] = [];
  const field = (at: number, length: number, meaning: string) => length > 0 && fields.push({ at, length, meaning });
  const u32 = (at: number) => bytes.readUInt32LE(at);
  const u64 = (at: number) => Number(bytes.readBigUInt64LE(at));
  const trailer = (frameAt: number, length: number, type: number) => {
    frames.push({ at: frameAt, length, type });
    const at = frameAt + length - TRAILER;
    field(at, 4, `bodyLength ${u32(at)}`);
    field(at + 4, 1, `frameType ${bytes[at + 4]}`);
    field(at + 5, 1, `codec ${bytes[at + 5]}`);
    field(at + 6, 2, 'reserved');
    field(at + 8, 8, 'checksum');
  };

  field(0, 8, `magic ${JSON.stringify(bytes.toString('latin1', 0, 8))}`);
  field(8, 4, `format ${u32(8)}`);
  field(12, 4, 'reserved');
  const footer = bytes.length - FOOTER;
  const directoryAt = u64(footer + 8);
  const directoryLength = u32(footer + 16);
  const directory = JSON.parse(bytes.toString('utf8', directoryAt, directoryAt + directoryLength - TRAILER)) as {
    sections: {
      uid: string;
      name: string;
      blocks: number;
      dataOffset: number;
      dataLength: number;
      indexOffset: number;
      indexLength: number;
    }[];
  };
  for (const section of directory.sections) {
    let at = section.dataOffset;
    for (let block = 0; block < section.blocks; block++) {
      const length = u32(section.indexOffset + block * 16);
      if (bytes[at + length - TRAILER + 5] === 0) dumpBlock(bytes, at, field, `${section.uid}/${section.name} block ${block}`);
      else field(at, length - TRAILER, `${section.uid}/${section.name} block ${block}: compressed`);
      trailer(at, length, 1);
      at += length;
    }
  }
  for (const section of directory.sections) {
    const at = section.indexOffset;
    for (let row = at; row < at + section.blocks * 16; row += 16) {
      field(row, 4, `index of ${section.uid}/${section.name}: frameLength ${u32(row)}`);
      field(row + 4, 4, `entries ${u32(row + 4)}`);
      field(row + 8, 4, `firstHash ${u32(row + 8)}`);
      field(row + 12, 4, `separatorLength ${u32(row + 12)}`);
    }
    field(at + section.blocks * 16, section.indexLength - TRAILER - section.blocks * 16, 'separators');
    trailer(at, section.indexLength, 2);
  }
  field(directoryAt, directoryLength - TRAILER, 'directory: JSON');
  trailer(directoryAt, directoryLength, 3);
  field(footer, 8, `fileLength ${u64(footer)}`);
  field(footer + 8, 8, `directoryOffset ${directoryAt}`);
  field(footer + 16, 4, `directoryLength ${directoryLength}`);
  field(footer + 20, 4, `sections ${u32(footer + 20)}`);
  field(footer + 24, 8, `entries ${u64(footer + 24)}`);
  field(footer + 32, 8, 'checksum');
  field(footer + 40, 4, `format ${u32(footer + 40)}`);
  field(footer + 44, 4, 'reserved');
  field(footer + 48, 8, 'magic');
  return { fields, frames };
}

function dumpBlock(
  bytes: Buffer,
  start: number,
  field: (at: number, length: number, meaning: string) => void,
  name: string,
): void {
  const u32 = (offset: number) => bytes.readUInt32LE(start + offset);
  const [entries, tombstones, keyLength, valueLength] = [0, 4, 8, 12].map(u32);
  const [keyWidth, valueWidth] = [bytes[start + 16], bytes[start + 17]];
  field(start, 4, `${name}: entries ${entries}`);
  field(start + 4, 4, `tombstones ${tombstones}`);
  field(start + 8, 4, `keyLength ${keyLength}`);
  field(start + 12, 4, `valueLength ${valueLength}`);
  field(start + 16, 1, `keyWidth ${keyWidth}`);
  field(start + 17, 1, `valueWidth ${valueWidth}`);
  field(start + 18, 6, 'reserved');
  let at = start + 24;
  const column = (length: number, meaning: string) => {
    field(at, length, meaning);
    field(at + length, (8 - (length % 8)) % 8, 'padding');
    at += Math.ceil(length / 8) * 8;
  };
  const hashes = Array.from({ length: entries }, (_, i) => u32(24 + i * 4));
  column(entries * 4, `hashes ${hashes.join(', ')}`);
  const dead = tombstones === 0 ? [] : Array.from({ length: entries }, (_, i) => (bytes[at + (i >> 3)] >> (i & 7)) & 1);
  if (tombstones > 0) column(Math.ceil(entries / 8), `tombstones ${dead.join('')}`);
  const lengths = (width: number, fixed: number, count: number, what: string) => {
    const values = Array.from({ length: count }, (_, i) => (width === 0 ? fixed : bytes.readUIntLE(at + i * width, width)));
    if (width > 0) column(width * count, `${what} ${values.join(', ')}`);
    return values;
  };
  const keyLengths = lengths(keyWidth, keyLength, entries, 'key lengths');
  const valueLengths = lengths(valueWidth, valueLength, entries - tombstones, 'value lengths');
  for (const [what, sizes] of [
    ['key', keyLengths],
    ['value', valueLengths],
  ] as const) {
    const columnAt = at;
    sizes.forEach((size, i) => {
      field(at, size, `${what} ${i}`);
      at += size;
    });
    const padding = (8 - ((at - columnAt) % 8)) % 8;
    field(at, padding, 'padding');
    at += padding;
  }
}

/** One line for each field: from, to, hex, meaning. Throws when a byte is left out or covered twice. */
export function dump(bytes: Buffer): string {
  const fields = [...parse(bytes).fields].sort((a, b) => a.at - b.at);
  let at = 0;
  const lines = fields.map((field) => {
    if (field.at !== at) throw new Error(`bytes ${at} to ${field.at} are not described`);
    at += field.length;
    return `${String(field.at).padStart(5)} ${String(at - 1).padStart(5)}  ${bytes.toString('hex', field.at, at)}  ${field.meaning}\n`;
  });
  if (at !== bytes.length) throw new Error(`bytes ${at} to ${bytes.length} are not described`);
  return `# from, to (inclusive), hex, meaning\n${lines.join('')}`;
}
