import { rmSync, writeFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import type { Schema } from '../../src/format/schema.ts';
import { JsonMismatch, valueFromJson } from '../../src/format/schema-json.ts';
import type { FileSourceSpec } from '../../src/job/source.ts';
import { createSource } from '../../src/worker/connectors/source-runtime.ts';
import { Collector, directoryWith, fileSpec, readAll, readReopening, sourceContext, temporaryDirectory } from './support.ts';

const optional = (of: Schema): Schema => ({ type: 'optional', of });
const record = (fields: Readonly<Record<string, Schema>>): Schema => ({
  type: 'record',
  fields: Object.entries(fields).map(([name, schema]) => ({ name, schema })),
});

async function readText(content: string, overrides: Partial<FileSourceSpec>): Promise<Collector> {
  const home = directoryWith({ input: content });
  const out = await readAll(fileSpec({ patterns: [`${home}/input`], ...overrides }));
  out.malformedRecords.forEach((malformed, i) => {
    out.malformedRecords[i] = { ...malformed, where: malformed.where.replace(`${home}/`, '') };
  });
  return out;
}

describe('jsonl', () => {
  const visit = record({
    user: { type: 'string' },
    ms: { type: 'i32' },
    at: optional({ type: 'timestamp' }),
    tags: optional({ type: 'list', of: { type: 'string' } }),
  });

  it('without a schema gives what JSON.parse gives; empty lines are none', async () => {
    const out = await readText('{"a":[1,null]}\r\n\n  \n"text"\nnull', { format: 'jsonl' });
    expect(out.records).toEqual([{ a: [1, null] }, 'text', null]);
    expect(out.malformedRecords).toEqual([]);
  });

  it('with a schema has its fields and no others, converted', async () => {
    const out = await readText(
      '{"ms":5,"user":"ü\\n","extra":1,"at":"2024-01-02T03:04:05Z"}\n{"user":"b","ms":-1,"at":null,"tags":["x"]}\n',
      { format: 'jsonl', schema: visit },
    );
    expect(out.records).toEqual([
      { user: 'ü\n', ms: 5, at: Date.UTC(2024, 0, 2, 3, 4, 5), tags: undefined },
      { user: 'b', ms: -1, at: undefined, tags: ['x'] },
    ]);
  });

  it('that does not fit is malformed, with line, field, both sides, and the raw line', async () => {
    const lines = ['{"user":"a","ms":1}', '{"user":"a","ms":1.5}', '{"user":"a"', '{"user":"b"}', '[]', '{"user":"c","ms":2}'];
    const out = await readText(lines.join('\n'), { format: 'jsonl', schema: visit });
    expect(out.records).toHaveLength(2);
    expect(out.malformedRecords.map(({ where, raw }) => [where, raw])).toEqual(
      [2, 3, 4, 5].map((line) => [`input:${line}`, lines[line - 1]]),
    );
    const reasons = out.malformedRecords.map(({ reason }) => reason);
    expect(reasons[0]).toBe("field 'ms' must be an integer from -2147483648 to 2147483647 (i32), but it is 1.5 (number)");
    expect(reasons[1]).toMatch(/^the line is not JSON: /);
    expect(reasons[2]).toMatch(/^field 'ms' is missing; it must be an integer/);
    expect(reasons[3]).toBe('the record must be an object, but it is an array of 0');
  });
});

describe('jsonl of a schema, read from its bytes', () => {
  const schema = record({
    s: { type: 'string' },
    i: { type: 'i32' },
    n: { type: 'int' },
    f: { type: 'f64' },
    t: { type: 'timestamp' },
    b: { type: 'boolean' },
    e: { type: 'enum', values: ['a', 'ü'] },
    o: optional({ type: 'f64' }),
    l: optional({ type: 'list', of: record({ x: { type: 'i32' } }) }),
    g: optional({ type: 'bigint' }),
  });
  const number = fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(-0, 0.1, 1e21, 123456789012345680, 2 ** 31, 9e15, 1.5e-7),
  );
  const text = fc.oneof(
    fc.constantFrom('a', 'ü', '', '"', '\\', '2024-01-01', '\ud800', '\n'),
    fc.string({ unit: 'grapheme', maxLength: 5 }),
  );
  const value = fc.oneof(
    number,
    text,
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.record({ x: fc.integer(), y: text }), { maxLength: 2 }),
  );
  const good = fc.record(
    {
      s: text,
      i: fc.integer(),
      n: fc.maxSafeInteger(),
      f: number,
      t: fc.integer(),
      b: fc.boolean(),
      e: fc.constantFrom('a', 'ü'),
      o: fc.option(number),
      l: fc.option(fc.array(fc.record({ x: fc.integer(), y: value }), { maxLength: 2 })),
      g: fc.option(fc.constantFrom('123', '-1')),
      extra: value,
    },
    { requiredKeys: ['s', 'i', 'n', 'f', 't', 'b', 'e'] },
  );
  /** Mostly right; some with a field of another type, other white space, or a character put in, left out or changed. */
  const line = fc
    .tuple(
      fc.oneof(
        { weight: 3, arbitrary: good },
        fc
          .tuple(good, fc.constantFrom('s', 'i', 'n', 'f', 't', 'b', 'e', 'o', 'l', 'g'), value)
          .map(([row, key, other]) => ({ ...row, [key]: other })),
      ),
      fc.boolean(),
    )
    .map(([row, spaced]) => (spaced ? JSON.stringify(row, null, 1).replaceAll('\n', '\t ') : JSON.stringify(row)))
    .chain((json) =>
      fc.oneof(
        { weight: 2, arbitrary: fc.constant(json) },
        fc
          .tuple(
            fc.nat(json.length),
            fc.nat(2),
            fc.constantFrom('"', ',', '{', '}', '[', ']', ':', '0', '-', '.', 'e', '\\', ' ', 'x', '\u0001', 'ü', ''),
          )
          .map(([at, removed, inserted]) => json.slice(0, at) + inserted + json.slice(at + removed)),
      ),
    );

  it('gives what JSON.parse and the schema give, for right and wrong lines', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 30 }), async (lines) => {
        const out = await readText(lines.join('\n'), { format: 'jsonl', schema });
        const expected: unknown[] = [];
        const wrong: number[] = [];
        for (const [i, json] of lines.entries()) {
          try {
            const read = json.trim() === '' ? undefined : valueFromJson(schema, JSON.parse(Buffer.from(json).toString()));
            if (read instanceof JsonMismatch) wrong.push(i + 1);
            else if (read !== undefined) expected.push(read);
          } catch {
            wrong.push(i + 1);
          }
        }
        expect(out.records).toEqual(expected);
        expect(out.malformedRecords.map(({ where }) => where)).toEqual(wrong.map((number_) => `input:${number_}`));
      }),
      { numRuns: 200 },
    );
  });

  it.each(['01', '-', '1.', '.5', '1e', '+1', '1.5.5', '--1', 'Infinity', 'nul', '"\\x"', '"\t"', '[1', '{}}'])(
    '%s is no JSON, in a field or beside them',
    async (wrong) => {
      const row = (f: string, extra: string): string => `{"extra":${extra},"s":"","i":1,"n":1,"f":${f},"t":1,"b":false,"e":"a"}`;
      const out = await readText([row('1', '1'), row(wrong, '1'), row('1', wrong)].join('\n'), { format: 'jsonl', schema });
      expect(out.records).toHaveLength(1);
      expect(out.malformedRecords.map(({ where }) => where)).toEqual(['input:2', 'input:3']);
    },
  );

  it('bytes that are not UTF-8 are found also in a field that the schema does not have', async () => {
    const row = Buffer.from('{"extra":"?","s":"ü","i":1,"n":1,"f":1,"t":1,"b":false,"e":"a"}\n');
    const bad = Buffer.from(row);
    bad[row.indexOf('?')] = 0xff;
    const home = directoryWith({ input: Buffer.concat([row, bad, row]) });
    const out = await readAll(fileSpec({ patterns: [`${home}/input`], format: 'jsonl', schema }));
    expect(out.records).toHaveLength(2);
    expect(out.malformedRecords[0]).toMatchObject({ where: `${home}/input:2`, reason: 'the bytes are not valid UTF-8' });
  });

  it('does so without JSON.parse where nothing is unusual', async () => {
    const parse = vi.spyOn(JSON, 'parse');
    const row = '{"s":"ü x","i":-5,"n":12345678901,"f":-1.25e3,"t":0,"b":true,"e":"a","extra":"left out"}';
    const before = parse.mock.calls.length;
    const out = await readText(row, { format: 'jsonl', schema });
    expect(parse.mock.calls.length).toBe(before);
    parse.mockRestore();
    expect(out.records).toEqual([
      { s: 'ü x', i: -5, n: 12_345_678_901, f: -1250, t: 0, b: true, e: 'a', o: undefined, l: undefined, g: undefined },
    ]);
  });
});

describe('csv', () => {
  const csv = (header = true, delimiter = ','): Partial<FileSourceSpec> => ({ format: 'csv', csv: { delimiter, header } });

  it('with a schema finds its columns by the header, in any order, and converts them', async () => {
    const schema = record({
      id: { type: 'int' },
      price: { type: 'f64' },
      ok: { type: 'boolean' },
      day: { type: 'timestamp' },
      note: optional({ type: 'string' }),
      gone: optional({ type: 'i32' }),
    });
    const text = 'note,id,other,price,ok,day\n"a ""quoted"", note",1,x,1e3,TRUE,1970-01-02\n,-2,x,-0.5,0,5\n';
    expect((await readText(text, { ...csv(), schema })).records).toEqual([
      { id: 1, price: 1000, ok: true, day: 86_400_000, note: 'a "quoted", note', gone: undefined },
      { id: -2, price: -0.5, ok: false, day: 5, note: undefined, gone: undefined },
    ]);
  });

  it('without a header takes columns in order; without a schema gives strings', async () => {
    const schema = record({ a: { type: 'string' }, b: { type: 'i32' } });
    expect((await readText('x;1\ny;2', { ...csv(false, ';'), schema })).records).toEqual([
      { a: 'x', b: 1 },
      { a: 'y', b: 2 },
    ]);
    expect((await readText('n,m\n1,\n', csv())).records).toEqual([{ n: '1', m: '' }]);
    expect((await readText('1,\n"",2', csv(false))).records).toEqual([
      ['1', ''],
      ['', '2'],
    ]);
  });

  it('that does not fit is malformed, and spoils no other line', async () => {
    const schema = record({ a: { type: 'string' }, b: { type: 'i32' } });
    const text = 'a,b\nx,1\nx\nx,y\nx,"1"z\n"two\nlines",2\nx,"0x1"\nok,3\n"never closed,4\nlast,5\n';
    const out = await readText(text, { ...csv(), schema });
    expect(out.records).toEqual([
      { a: 'x', b: 1 },
      { a: 'two\nlines', b: 2 },
      { a: 'ok', b: 3 },
      { a: 'last', b: 5 },
    ]);
    expect(out.malformedRecords).toEqual([
      { where: 'input:3', raw: 'x', reason: 'the record has 1 fields, and the header has 2' },
      { where: 'input:4', raw: 'x,y', reason: `field 'b' must be an integer of 32 bits (i32), but it is "y"` },
      {
        where: 'input:5',
        raw: 'x,"1"z',
        reason: 'field 2 has text after its closing quote (a quote inside quotes is written as two)',
      },
      { where: 'input:8', raw: 'x,"0x1"', reason: `field 'b' must be an integer of 32 bits (i32), but it is "0x1"` },
      { where: 'input:10', raw: '"never closed,4', reason: 'field 1 begins with a quote that is never closed' },
    ]);
  });

  it('with a header that lacks a column, or has one twice, ends in ERR_SOURCE_FAILED naming it', async () => {
    const schema = record({ a: { type: 'string' }, b: { type: 'i32' } });
    await expect(readText('a,c\n', { ...csv(), schema })).rejects.toThrow(
      /there is no column 'b', which the schema needs; there are 'a', 'c'/,
    );
    await expect(readText('a,a\n', csv())).rejects.toMatchObject({ code: 'ERR_SOURCE_FAILED' });
  });

  it('is refused with ERR_INVALID_ARG for a delimiter of several characters or a schema without fields', () => {
    for (const overrides of [csv(true, '||'), csv(true, '"'), { ...csv(), schema: { type: 'string' } as const }]) {
      expect(() => createSource(fileSpec({ patterns: ['x'], ...overrides }))).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARG' }),
      );
    }
  });

  it('gives the fields that were written, for any fields, line ends, and places where reading stops and goes on', async () => {
    const home = temporaryDirectory();
    const field = fc.oneof(
      fc.constantFrom('', '"', ',', '\n', '\r\n', 'a b', '""', 'ü'),
      fc.string({ unit: fc.constantFrom('"', ',', '\n', 'x', 'ü', ' '), maxLength: 6 }),
    );
    const row = fc.array(field, { minLength: 3, maxLength: 3 });
    const options = fc.record({ lineEnd: fc.constantFrom('\n', '\r\n'), quoteAll: fc.boolean(), lastEnd: fc.boolean() });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 12 }),
        options,
        fc.integer({ min: 1, max: 4 }),
        async (rows, { lineEnd, quoteAll, lastEnd }, limit) => {
          const quote = (text: string): string => (quoteAll || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
          const text =
            [['a', 'b', 'c'], ...rows].map((fields) => fields.map(quote).join(',')).join(lineEnd) + (lastEnd ? lineEnd : '');
          const path = `${home}/${run++}`;
          writeFileSync(path, text);
          const source = createSource(fileSpec({ patterns: [path], ...csv() }));
          const out = new Collector();
          for (const split of await source.enumerate(sourceContext)) await readReopening(source, split, out, limit, 1);
          rmSync(path);
          expect(out.records).toEqual(rows.map(([a, b, c]) => ({ a, b, c })));
          expect(out.malformedRecords).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('records are the same wherever the window ends in them', async () => {
    const rows = Array.from({ length: 45_000 }, (_, i) => [`"${i}`, '"'.repeat(i % 4), i % 5 === 0 ? '\r\n' : 'x']);
    const text = rows.map((fields) => fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(',')).join('\r\n');
    const out = await readText(text, csv(false));
    expect(out.malformedRecords).toEqual([]);
    expect(out.records).toEqual(rows);
  });

  it('records that are wider than the window, and fields that span many lines, are read whole', async () => {
    const wide = `"${'line\n'.repeat(60_000)}"`;
    const out = await readText(`a,b\n${wide},x\n1,2\n`, csv());
    expect(out.records).toEqual([
      { a: 'line\n'.repeat(60_000), b: 'x' },
      { a: '1', b: '2' },
    ]);
    const limited = await readText(`a,b\n${wide},x\nfine,2\n`, { ...csv(), maxRecordBytes: 1000 });
    expect(limited.records.at(-1)).toEqual({ a: 'fine', b: '2' });
    expect(limited.malformedRecords[0]).toMatchObject({
      where: 'input:2',
      reason: 'the record is longer than 1000 bytes (maxRecordBytes)',
    });
  });
});
