/**
 * The directory of a sorted table: which sections it has and where. Canonical JSON in a frame of type 3:
 *
 * ```
 * { "codec": "none" | "zstd" | "brotli",        what was asked for; each block says what it has
 *   "sections": [ {
 *       "uid", "name",                          operator uid and state name, together unique in the table
 *       "kind", "keyType", "keySchema", "schema",
 *       "entries", "tombstones",                tombstones are entries too
 *       "keyBytes", "valueBytes",               sums of lengths, without padding
 *       "blocks", "dataOffset", "dataLength",   frames of the data blocks
 *       "indexOffset", "indexLength" } ] }      frame of the block index
 * ```
 *
 * Sections stand in the order in which they were begun. The first begins at byte 16; the data of each begins where that
 * of the one before ends; then the indexes likewise, then the directory.
 */
import { canonicalJson, type JsonValue } from '../json.ts';
import type { Schema } from '../schema.ts';
import { MAX_NAME_LENGTH, Validator } from '../validate.ts';
import { CODEC_NAMES, type CodecName } from './compression.ts';
import { tableCorrupt } from './corrupt.ts';
import { HEADER_BYTES, type Footer } from './layout.ts';

/** What a section holds: one keyed state of one operator. */
export interface SectionInfo {
  readonly uid: string;
  readonly name: string;
  readonly kind: string;
  readonly keyType: string;
  readonly keySchema: Schema | null;
  readonly schema: Schema | null;
}

export interface SectionEntry extends SectionInfo {
  /** Tombstones included. */
  readonly entries: number;
  readonly tombstones: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly blocks: number;
  readonly dataOffset: number;
  readonly dataLength: number;
  readonly indexOffset: number;
  readonly indexLength: number;
}

export interface Directory {
  readonly codec: CodecName;
  readonly sections: readonly SectionEntry[];
}

export function encodeDirectory(directory: Directory): Buffer {
  return Buffer.from(canonicalJson(directory as unknown as JsonValue), 'utf8');
}

/**
 * Decodes and checks the directory against the footer.
 *
 * @throws TidemarkError ERR_TABLE_CORRUPT naming the field
 */
export function decodeDirectory(body: Buffer, table: string, footer: Footer): Directory {
  const fail = (where: string, detail: string): never => {
    throw tableCorrupt(table, footer.directoryOffset, `in the directory${where === '' ? '' : `, ${where}`}: ${detail}`);
  };
  const check = new Validator(fail);
  const root = check.fields(check.parse(body.toString('utf8')), '', ['codec', 'sections']);
  const directory: Directory = {
    codec: check.oneOf(root.codec, 'codec', CODEC_NAMES),
    sections: check.list(root.sections, 'sections', 65536, (value, where) => decodeSection(check, value, where)),
  };
  checkPlacement(directory.sections, footer, fail);
  return directory;
}

const SECTION_FIELDS = [
  'uid',
  'name',
  'kind',
  'keyType',
  'keySchema',
  'schema',
  'entries',
  'tombstones',
  'keyBytes',
  'valueBytes',
  'blocks',
  'dataOffset',
  'dataLength',
  'indexOffset',
  'indexLength',
] as const;

function decodeSection(check: Validator, value: unknown, where: string): SectionEntry {
  const section = check.fields(value, where, SECTION_FIELDS);
  const text = (field: 'uid' | 'name' | 'kind' | 'keyType') => check.text(section[field], `${where}.${field}`, MAX_NAME_LENGTH);
  const count = (field: (typeof SECTION_FIELDS)[number]) => check.integer(section[field], `${where}.${field}`);
  const schema = (field: 'keySchema' | 'schema') =>
    check.nullable(section[field], `${where}.${field}`, (v, at) => check.schema(v, at));
  return {
    uid: text('uid'),
    name: text('name'),
    kind: text('kind'),
    keyType: text('keyType'),
    keySchema: schema('keySchema'),
    schema: schema('schema'),
    entries: count('entries'),
    tombstones: count('tombstones'),
    keyBytes: count('keyBytes'),
    valueBytes: count('valueBytes'),
    blocks: count('blocks'),
    dataOffset: count('dataOffset'),
    dataLength: count('dataLength'),
    indexOffset: count('indexOffset'),
    indexLength: count('indexLength'),
  };
}

/** Parts follow one another without gaps, and the counts agree with the footer. */
function checkPlacement(sections: readonly SectionEntry[], footer: Footer, fail: (where: string, detail: string) => never): void {
  if (sections.length !== footer.sections) fail('sections', `${sections.length} sections, the footer says ${footer.sections}`);
  const seen = new Set<string>();
  let at = HEADER_BYTES;
  let entries = 0;
  sections.forEach((section, i) => {
    const where = `sections[${i}]`;
    const identity = JSON.stringify([section.uid, section.name]);
    if (seen.has(identity)) fail(where, `the second section of ${identity}`);
    seen.add(identity);
    if (section.tombstones > section.entries) fail(where, `${section.tombstones} tombstones among ${section.entries} entries`);
    if (section.blocks > section.entries || (section.blocks === 0) !== (section.entries === 0))
      fail(where, `${section.blocks} blocks for ${section.entries} entries`);
    if (section.dataOffset !== at) fail(where, `its data is at ${section.dataOffset} instead of ${at}`);
    at += section.dataLength;
    entries += section.entries;
  });
  sections.forEach((section, i) => {
    if (section.indexOffset !== at) fail(`sections[${i}]`, `its index is at ${section.indexOffset} instead of ${at}`);
    at += section.indexLength;
  });
  if (at !== footer.directoryOffset) fail('sections', `they end at ${at}, the directory begins at ${footer.directoryOffset}`);
  if (entries !== footer.entries) fail('sections', `${entries} entries, the footer says ${footer.entries}`);
}
