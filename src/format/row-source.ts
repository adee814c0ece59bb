/**
 * Source text of a row codec. For every record and list in a schema one function that encodes and one that decodes, with
 * all offsets as constants and object literals of a constant shape: the engine then inlines them like hand-written ones.
 *
 * Generated functions return a negative number instead of throwing: NO_ROOM or MISMATCH. They carry no names for messages;
 * `schema-check.ts` finds the place of a mismatch afterwards.
 */
import { canonicalJson, type JsonValue } from './json.ts';
import { type RowLayout, rowLayout, type Slot, slotWidth, splitOptional, type ValueSchema } from './row-layout.ts';
import type { Schema } from './schema.ts';

/** The row does not fit below the limit. */
export const NO_ROOM = -1;
/** The value does not match the schema. */
export const MISMATCH = -2;

export interface RowSource {
  /** Body of `(helpers, constants) => ({ encode, decode, View })`; View is null where there are no fields. */
  readonly text: string;
  /** Enum tables, referred to as `constants[i]`. */
  readonly constants: readonly unknown[];
}

export function rowSource(schema: Schema): RowSource {
  const generator = new Generator();
  const root = schema.type === 'record' ? generator.record(schema) : generator.bare(schema);
  const view = schema.type === 'record' ? generator.view(schema, root) : 'null';
  return { text: generator.text(root, view), constants: generator.constants };
}

/** Opening of every generated function: views of the memory, and word and double index of the item's start. */
const VIEWS = 'const { u32, i32, f64 } = m; const d = at / 8, w = d * 2;';

class Generator {
  readonly constants: unknown[] = [];
  readonly #functions: string[] = [];
  /** Number of the pair of functions for a record, bare value or list, by the canonical JSON of its schema. */
  readonly #known = new Map<string, number>();

  text(root: number, view: string): string {
    return [
      "'use strict';",
      'const { writeString, readString, writeBytes, readBytes, writeBigInt, readBigInt, ownOrGetter } = helpers;',
      ...this.constants.map((_, i) => `const constant${i} = constants[${i}];`),
      ...this.#functions,
      `return { encode: encode${root}, decode: decode${root}, View: ${view} };`,
    ].join('\n');
  }

  record(schema: ValueSchema & { readonly type: 'record' }): number {
    return this.#define('record', schema, (id) => {
      const layout = rowLayout(schema);
      return [
        `function encode${id}(v, m, at, limit) {`,
        `if (typeof v !== 'object' || v === null || Array.isArray(v)) return ${MISMATCH};`,
        ...this.#encodeFixed(layout, (slot) => property('v', slot.name)),
        '}',
        `function decode${id}(m, at) {`,
        VIEWS,
        `return { ${layout.slots.map((slot) => `${literalKey(slot.name)}: ${this.#decodeField(slot)}`).join(', ')} };`,
        '}',
      ];
    });
  }

  /** A schema that is not a record: a row with one field without a name. */
  bare(schema: Schema): number {
    return this.#define('bare', schema, (id) => {
      const layout = rowLayout(schema);
      return [
        `function encode${id}(v, m, at, limit) {`,
        ...this.#encodeFixed(layout, () => 'v'),
        '}',
        `function decode${id}(m, at) {`,
        VIEWS,
        `return ${this.#decodeField(layout.slots[0])};`,
        '}',
      ];
    });
  }

  /** A class with a getter for each field, which reads the row where it lies. */
  view(schema: ValueSchema & { readonly type: 'record' }, id: number): string {
    const getters = rowLayout(schema).slots.map(
      (slot) =>
        `get [${JSON.stringify(slot.name)}]() { const m = this.#m, at = this.#at; ${VIEWS} return ${this.#decodeField(slot)}; }`,
    );
    return [
      'class View { #m = null; #at = 0;',
      'static bind(view, m, at) { view.#m = m; view.#at = at; }',
      ...getters,
      // Without it JSON.stringify of a view, as a careless user function may do, would give {}.
      schema.fields.some((field) => field.name === 'toJSON') ? '' : `toJSON() { return decode${id}(this.#m, this.#at); }`,
      '}',
    ].join('\n');
  }

  #list(of: Schema): number {
    return this.#define('list', of, (id) => {
      const { schema, optional } = splitOptional(of);
      const width = slotWidth(schema);
      const nullBytes = optional ? '8 * Math.ceil(n / 64)' : '0';
      const index = width === 4 ? 'w + items + i' : 'w + items + 2 * i';
      const double = 'd + (items >>> 1) + i';
      const zero = width === 4 ? `u32[${index}] = 0;` : `f64[${double}] = 0;`;
      const encodeItem = this.#encodeValue(schema, index, double);
      return [
        `function encode${id}(v, m, at, limit) {`,
        `if (!Array.isArray(v)) return ${MISMATCH};`,
        `const n = v.length, nullBytes = ${nullBytes};`,
        `let end = at + 8 + nullBytes + 8 * Math.ceil(n * ${width} / 8);`,
        `if (end > limit) return ${NO_ROOM};`,
        VIEWS,
        'const items = 2 + nullBytes / 4;',
        'u32[w] = n; u32[w + 1] = 0;',
        optional ? 'for (let i = 2; i < items; i++) u32[w + i] = 0;' : '',
        width === 4 ? 'if ((n & 1) !== 0) u32[w + items + n] = 0;' : '',
        'for (let i = 0; i < n; i++) {',
        'const a = v[i]; let length = 0;',
        optional ? `if (a === undefined || a === null) { u32[w + 2 + (i >>> 5)] |= 1 << (i & 31); ${zero} continue; }` : '',
        encodeItem,
        '}',
        'return end - at;',
        '}',
        `function decode${id}(m, at) {`,
        VIEWS,
        `const n = u32[w], nullBytes = ${nullBytes}, items = 2 + nullBytes / 4, list = [];`,
        'for (let i = 0; i < n; i++) {',
        optional ? 'if ((u32[w + 2 + (i >>> 5)] & (1 << (i & 31))) !== 0) { list.push(undefined); continue; }' : '',
        `list.push(${this.#decodeValue(schema, index, double)});`,
        '}',
        'return list;',
        '}',
      ];
    });
  }

  #define(what: 'record' | 'bare' | 'list', schema: Schema, build: (id: number) => string[]): number {
    const key = `${what} ${canonicalJson(schema as unknown as JsonValue)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const id = this.#known.size;
    this.#known.set(key, id);
    this.#functions.push(build(id).join('\n'));
    return id;
  }

  #encodeFixed(layout: RowLayout, valueOf: (slot: Slot) => string): string[] {
    const { slots, nullOffset, nullWords, usedBytes, fixedBytes } = layout;
    const paddingWords = Array.from({ length: (fixedBytes - usedBytes) / 4 }, (_, i) => usedBytes / 4 + i);
    const nullWordNames = Array.from({ length: nullWords }, (_, i) => `nulls${i}`);
    return [
      `let end = at + ${fixedBytes};`,
      `if (end > limit) return ${NO_ROOM};`,
      VIEWS,
      'let a, length = 0;',
      ...nullWordNames.map((name) => `let ${name} = 0;`),
      ...paddingWords.map((word) => `u32[w + ${word}] = 0;`),
      ...slots.map((slot) => {
        const word = `w + ${slot.offset / 4}`;
        const double = `d + ${Math.floor(slot.offset / 8)}`;
        const encode = this.#encodeValue(slot.schema, word, double);
        if (!slot.optional) return `a = ${valueOf(slot)}; ${encode}`;
        const zero = slot.width === 4 ? `u32[${word}] = 0;` : `f64[${double}] = 0;`;
        const nulls = nullWordNames[(slot.nullOffset - nullOffset) / 4];
        return `a = ${valueOf(slot)}; if (a === undefined || a === null) { ${nulls} |= ${slot.nullMask}; ${zero} } else { ${encode} }`;
      }),
      ...nullWordNames.map((name, i) => `u32[w + ${nullOffset / 4 + i}] = ${name};`),
      'return end - at;',
    ];
  }

  #decodeField(slot: Slot): string {
    const value = this.#decodeValue(slot.schema, `w + ${slot.offset / 4}`, `d + ${Math.floor(slot.offset / 8)}`);
    return slot.optional ? `((u32[w + ${slot.nullOffset / 4}] & ${slot.nullMask}) !== 0 ? undefined : ${value})` : value;
  }

  /** Statements that write `a` into the slot at u32 index `word` (f64 index `double`). */
  #encodeValue(schema: ValueSchema, word: string, double: string): string {
    switch (schema.type) {
      case 'i32':
        return `if ((a | 0) !== a) return ${MISMATCH}; i32[${word}] = a;`;
      case 'boolean':
        return `if (a !== true && a !== false) return ${MISMATCH}; u32[${word}] = a ? 1 : 0;`;
      case 'enum':
        return `length = constant${this.#enumIndex(schema.values)}.get(a); if (length === undefined) return ${MISMATCH}; u32[${word}] = length;`;
      case 'int':
        return `if (!Number.isSafeInteger(a)) return ${MISMATCH}; f64[${double}] = a;`;
      case 'timestamp':
        return `if (typeof a !== 'number' || !(Math.abs(a) <= 8.64e15)) return ${MISMATCH}; f64[${double}] = a;`;
      case 'f64':
        // All NaN are one value, and so one key; a plain store would keep whatever bits the engine holds.
        return `if (typeof a !== 'number') return ${MISMATCH}; if (a === a) f64[${double}] = a; else { u32[${word}] = 0; u32[${word} + 1] = 0x7ff80000; }`;
      case 'string':
        return `if (typeof a !== 'string') return ${MISMATCH}; ${tail('writeString(m, end, limit, a)', word)}`;
      case 'bytes':
        return `if (!(a instanceof Uint8Array)) return ${MISMATCH}; ${tail('writeBytes(m, end, limit, a)', word)}`;
      case 'bigint':
        return `if (typeof a !== 'bigint') return ${MISMATCH}; ${tail('writeBigInt(m, end, limit, a)', word)}`;
      case 'list':
        return tail(`encode${this.#list(schema.of)}(a, m, end, limit)`, word);
      case 'record':
        return tail(`encode${this.record(schema)}(a, m, end, limit)`, word);
    }
  }

  /** Expression that reads the slot at u32 index `word` (f64 index `double`). */
  #decodeValue(schema: ValueSchema, word: string, double: string): string {
    switch (schema.type) {
      case 'i32':
        return `i32[${word}]`;
      case 'boolean':
        return `(u32[${word}] !== 0)`;
      case 'enum':
        return `constant${this.#constant(schema.values)}[u32[${word}]]`;
      case 'int':
      case 'timestamp':
      case 'f64':
        return `f64[${double}]`;
      case 'string':
        return `readString(m, at + u32[${word}], u32[${word} + 1])`;
      case 'bytes':
        return `readBytes(m, at + u32[${word}], u32[${word} + 1])`;
      case 'bigint':
        return `readBigInt(m.u8, at + u32[${word}], u32[${word} + 1])`;
      case 'list':
        return `decode${this.#list(schema.of)}(m, at + u32[${word}])`;
      case 'record':
        return `decode${this.record(schema)}(m, at + u32[${word}])`;
    }
  }

  #enumIndex(values: readonly string[]): number {
    return this.#constant(new Map(values.map((value, i) => [value, i])));
  }

  #constant(value: unknown): number {
    return this.constants.push(value) - 1;
  }
}

/** Writes one item of the tail at `end` and its reference into the slot. */
function tail(write: string, word: string): string {
  return `length = ${write}; if (length < 0) return length; u32[${word}] = end - at; u32[${word} + 1] = length; end += (length + 7) & -8;`;
}

function property(object: string, name: string): string {
  return name in Object.prototype ? `ownOrGetter(${object}, ${JSON.stringify(name)})` : `${object}[${JSON.stringify(name)}]`;
}

/** A name as a key of an object literal: computed where a plain key would set the prototype instead. */
export function literalKey(name: string): string {
  return name === '__proto__' ? '["__proto__"]' : JSON.stringify(name);
}
