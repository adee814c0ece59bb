import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Position } from '../../src/job/source.ts';
import { createSource } from '../../src/worker/connectors/source-runtime.ts';
import {
  Collector,
  directoryWith,
  fileSpec,
  readAll,
  readReopening,
  readSome,
  sourceContext,
  temporaryDirectory,
} from './support.ts';

/** The definition: the file cut at newlines, a carriage return before the cut dropped, no empty line after the last newline. */
function referenceLines(content: string): readonly string[] {
  const lines = content.replace(/^\ufeff/, '').split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines.map((line) => line.replace(/\r$/, ''));
}

const lineContent = fc
  .array(
    fc.oneof(
      fc.constantFrom('', 'a', 'ü', '😀', '\r', 'word word', 'x'.repeat(300), '\0'),
      fc.string({ unit: 'grapheme', maxLength: 12 }),
    ),
    { maxLength: 40 },
  )
  .chain((lines) =>
    fc
      .array(fc.constantFrom('\n', '\r\n'), { minLength: lines.length, maxLength: lines.length })
      .map((ends) => lines.map((line, i) => line + ends[i]).join('')),
  )
  .chain((text) => fc.boolean().map((cut) => (cut ? text.replace(/\r?\n$/, '') : text)));

describe('lines of a file', () => {
  const directory = temporaryDirectory();

  it('are the same for any content, split size, and places where reading stops and goes on', async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        lineContent,
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 3 }),
        async (content, splits, limit, callsPerOpen) => {
          const path = join(directory, `${run++}.txt`);
          // Files below 256 KiB are packed; padding in front makes this one be cut into ranges, some of them inside its content.
          const padding = `${'p'.repeat(1023)}\n`.repeat(260);
          writeFileSync(path, padding + content);
          const size = padding.length + Buffer.byteLength(content);
          const splitBytes = Math.max(1, Math.ceil(Buffer.byteLength(content) / splits));
          const source = createSource(fileSpec({ patterns: [path], splitBytes: padding.length }));
          const [first] = await source.enumerate(sourceContext);
          const out = new Collector();
          for (let start = padding.length; start < size; start += splitBytes) {
            const end = Math.min(size, start + splitBytes);
            await readReopening(source, { id: `${start}`, data: { files: [path], start, end } }, out, limit, callsPerOpen);
          }
          rmSync(path);
          expect(first.data).toMatchObject({ start: 0, end: padding.length });
          expect(out.records).toEqual(referenceLines(content));
          expect(out.malformedRecords).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('of a large file are read once each through ranges', async () => {
    const lines = Array.from({ length: 40_000 }, (_, i) => `line ${i} ${'-'.repeat(i % 50)}`);
    const path = join(directory, 'large.txt');
    writeFileSync(path, lines.join('\n'));
    const source = createSource(fileSpec({ patterns: [path], splitBytes: 100_000 }));
    expect((await source.enumerate(sourceContext)).length).toBeGreaterThan(10);
    expect((await readAll(fileSpec({ patterns: [path], splitBytes: 100_000 }))).records).toEqual(lines);
  });

  it('of many small files share splits, in the order of the paths', async () => {
    const names = Array.from({ length: 200 }, (_, i) => `${String(i).padStart(3, '0')}.txt`);
    const small = directoryWith(Object.fromEntries(names.map((name, i) => [name, i % 3 === 0 ? '' : `from ${name}\nand more`])));
    const spec = fileSpec({ patterns: [`${small}/*.txt`] });
    const splits = await createSource(spec).enumerate(sourceContext);
    expect(splits.length).toBe(4);
    const expected = names.flatMap((name, i) => (i % 3 === 0 ? [] : [`from ${name}`, 'and more']));
    expect((await readAll(spec)).records).toEqual(expected);
    const out = new Collector();
    for (const split of splits) await readReopening(createSource(spec), split, out, 1, 1);
    expect(out.records).toEqual(expected);
  });

  it('of a gzip file are decompressed, told by its first bytes, also when reading goes on in the middle', async () => {
    const lines = Array.from({ length: 30_000 }, (_, i) => `line ${i} ünïcode ${(i * 7919) % 100_003}`);
    const zipped = directoryWith({ 'small.log': gzipSync('one\ntwo'), 'large.log': gzipSync(lines.join('\n'), { level: 1 }) });
    expect((await readAll(fileSpec({ patterns: [`${zipped}/small.log`] }))).records).toEqual(['one', 'two']);
    const source = createSource(fileSpec({ patterns: [`${zipped}/large.log`] }));
    const splits = await source.enumerate(sourceContext);
    expect(splits).toHaveLength(1);
    const out = new Collector();
    await readReopening(source, splits[0], out, 2000, 3);
    expect(out.records).toEqual(lines);
  });

  it('of a gzip file that was cut off or damaged end in ERR_SOURCE_FAILED with the path', async () => {
    const whole = gzipSync(Array.from({ length: 5000 }, (_, i) => `line ${i * 7919}`).join('\n'));
    const damaged = Buffer.from(whole);
    damaged.fill(0x55, 2000, 2100);
    const zipped = directoryWith({ 'cut.gz': whole.subarray(0, 6000), 'damaged.gz': damaged });
    for (const name of ['cut.gz', 'damaged.gz']) {
      await expect(readAll(fileSpec({ patterns: [`${zipped}/${name}`] }))).rejects.toMatchObject({
        code: 'ERR_SOURCE_FAILED',
        facts: { path: `${zipped}/${name}` },
      });
    }
  });

  it('begin after a byte-order mark', async () => {
    const marked = directoryWith({ 'bom.txt': '\ufefffirst\n\ufeffsecond\n' });
    expect((await readAll(fileSpec({ patterns: [`${marked}/bom.txt`] }))).records).toEqual(['first', '\ufeffsecond']);
  });

  it('that are not valid UTF-8 are malformed, with file, line and reason; the others are read', async () => {
    const bytes = Buffer.concat([
      Buffer.from('good\n'),
      Buffer.from([0x61, 0xff, 0x0a]),
      Buffer.from('ümlaut\n'),
      Buffer.from([0xe2, 0x82]),
    ]);
    const invalid = directoryWith({ 'bad.txt': bytes });
    const out = await readAll(fileSpec({ patterns: [`${invalid}/bad.txt`] }));
    expect(out.records).toEqual(['good', 'ümlaut']);
    expect(out.malformedRecords.map(({ where, reason }) => `${where} ${reason}`)).toEqual([
      `${invalid}/bad.txt:2 the bytes are not valid UTF-8`,
      `${invalid}/bad.txt:4 the bytes are not valid UTF-8`,
    ]);
  });

  it('that are longer than maxRecordBytes are malformed, however long, and reading goes on behind them', async () => {
    const long = directoryWith({ 'long.txt': `ok\n${'x'.repeat(101)}\nfine\n${'y'.repeat(700_000)}\nlast ${'z'.repeat(95)}` });
    const spec = fileSpec({ patterns: [`${long}/long.txt`], maxRecordBytes: 100 });
    const source = createSource(spec);
    const [split] = await source.enumerate(sourceContext);
    for (const callsPerOpen of [1, 1000]) {
      const out = new Collector();
      await readReopening(
        source,
        { id: split.id, data: { files: [`${long}/long.txt`], start: 0, end: null } },
        out,
        1,
        callsPerOpen,
      );
      expect(out.records).toEqual(['ok', 'fine', `last ${'z'.repeat(95)}`]);
      expect(out.malformedRecords.map(({ where, reason }) => `${where} ${reason}`)).toEqual([
        `${long}/long.txt:2 the record is longer than 100 bytes (maxRecordBytes)`,
        `${long}/long.txt:4 the record is longer than 100 bytes (maxRecordBytes)`,
      ]);
      expect(out.malformedRecords[1].raw).toBe('y'.repeat(1024));
    }
  });

  it('longer than the window are read whole', async () => {
    const wide = directoryWith({ 'wide.txt': `${'ä'.repeat(400_000)}\nend` });
    expect((await readAll(fileSpec({ patterns: [`${wide}/wide.txt`] }))).records).toEqual(['ä'.repeat(400_000), 'end']);
  });

  it('carry path and line number if asked', async () => {
    const plain = directoryWith({ 'a.txt': 'one\r\ntwo', 'b.txt': 'three\n' });
    expect((await readAll(fileSpec({ patterns: [`${plain}/*.txt`], withPath: true }))).records).toEqual([
      { path: `${plain}/a.txt`, line: 1, text: 'one' },
      { path: `${plain}/a.txt`, line: 2, text: 'two' },
      { path: `${plain}/b.txt`, line: 1, text: 'three' },
    ]);
  });

  it('are located by file and line, also in a range that begins in the middle', async () => {
    const path = join(directory, 'located.txt');
    writeFileSync(path, Array.from({ length: 100_000 }, (_, i) => `${i}`).join('\n'));
    const source = createSource(fileSpec({ patterns: [path], splitBytes: 300_000 }));
    const [, second] = await source.enumerate(sourceContext);
    const reader = await source.open(second, null, sourceContext);
    const out = new Collector();
    await readSome(reader, out, 10, 1);
    expect(reader.location?.()).toBe(`${path}:${Number(out.records.at(-1)) + 1}`);
    await reader.close();
  });
});

describe('a whole file as a record', () => {
  it('has path and text, also from gzip and without a byte-order mark', async () => {
    const files = directoryWith({ 'a.js': 'let a;\n', 'b.js': '\ufefflet ü;', 'c.js.gz': gzipSync('zipped'), 'd.js': '' });
    expect((await readAll(fileSpec({ patterns: [`${files}/*`], whole: true }))).records).toEqual([
      { path: `${files}/a.js`, text: 'let a;\n' },
      { path: `${files}/b.js`, text: 'let ü;' },
      { path: `${files}/c.js.gz`, text: 'zipped' },
      { path: `${files}/d.js`, text: '' },
    ]);
  });

  it('that is too long or not UTF-8 is malformed', async () => {
    const files = directoryWith({
      'a.js': 'x'.repeat(101),
      'b.js': Buffer.from([0xff]),
      'c.gz': gzipSync('x'.repeat(5000)),
      'd.js': 'fine',
    });
    const out = await readAll(fileSpec({ patterns: [`${files}/*`], whole: true, maxRecordBytes: 100 }));
    expect(out.records).toEqual([{ path: `${files}/d.js`, text: 'fine' }]);
    expect(out.malformedRecords.map(({ where }) => where)).toEqual([`${files}/a.js`, `${files}/b.js`, `${files}/c.gz`]);
  });
});

describe('a position in a file', () => {
  /** Reads ten lines, changes the file, and opens it again at the position. */
  async function reopenAfter(change: (path: string) => void): Promise<readonly unknown[]> {
    const home = directoryWith({ 'log.txt': Array.from({ length: 1000 }, (_, i) => `line ${i}`).join('\n') });
    const path = `${home}/log.txt`;
    const source = createSource(fileSpec({ patterns: [path] }));
    const [split] = await source.enumerate(sourceContext);
    const reader = await source.open(split, null, sourceContext);
    await readSome(reader, new Collector(), 400, 1);
    const position: Position = reader.position();
    await reader.close();
    change(path);
    const again = await source.open(split, position, sourceContext);
    const out = new Collector();
    await readSome(again, out, 1000);
    await again.close();
    return out.records;
  }

  it('is good in a file that has grown, or was copied and put back', async () => {
    expect((await reopenAfter((path) => appendFileSync(path, '\nmore'))).slice(-2)).toEqual(['line 999', 'more']);
    const copied = await reopenAfter((path) => {
      execFileSync('cp', [path, `${path}.copy`]);
      renameSync(`${path}.copy`, path);
    });
    expect(copied[0]).toBe('line 400');
  });

  it('is refused with ERR_SOURCE_CHANGED in one that was truncated, replaced, or rewritten before the position', async () => {
    const truncated = reopenAfter((path) => truncateSync(path, 100));
    await expect(truncated).rejects.toMatchObject({
      code: 'ERR_SOURCE_CHANGED',
      facts: { expectedSize: 8889, size: 100, offset: 3490 },
    });
    await expect(truncated).rejects.toThrow(/it had 8889 bytes then and has 100 now, fewer than the 3490 that were read/);
    const newHeader = reopenAfter((path) => writeFileSync(path, readFileSync(path, 'utf8').replace('line 0', 'LINE 0')));
    await expect(newHeader).rejects.toThrow(/hash of its first 1024 bytes was/);
    await expect(reopenAfter((path) => writeFileSync(path, 'other\n'.repeat(3000)))).rejects.toMatchObject({
      code: 'ERR_SOURCE_CHANGED',
    });
    const rewritten = reopenAfter((path) => {
      const same = Array.from({ length: 1000 }, (_, i) => (i < 300 ? `line ${i}` : `LINE ${i}`));
      writeFileSync(path, same.join('\n'));
    });
    await expect(rewritten).rejects.toThrow(/hash of the 256 bytes before byte 3490 was [0-9a-f]{16} and is [0-9a-f]{16} now/);
  });

  it('is refused with ERR_SOURCE_FAILED when the file is gone', async () => {
    await expect(reopenAfter((path) => rmSync(path))).rejects.toMatchObject({ code: 'ERR_SOURCE_FAILED' });
  });
});

describe('a restored file source', () => {
  it('reads what was added and what was appended, and nothing twice', async () => {
    const home = directoryWith({ 'a.txt': 'a', 'c.txt': 'c', 'big.txt': 'b\n'.repeat(200_000) });
    const spec = fileSpec({ patterns: [`${home}/*.txt`], splitBytes: 150_000 });
    const taken = (await createSource(spec).enumerate(sourceContext)).map(({ id }) => id);
    expect(await createSource(spec).enumerate(sourceContext, taken)).toEqual([]);
    expect(new Set(taken).size).toBe(taken.length);
    writeFileSync(join(home, 'b.txt'), 'new');
    appendFileSync(join(home, 'big.txt'), 'appended\n');
    expect(new Set((await readAll(spec, taken)).records)).toEqual(new Set(['appended', 'new']));
    const allButOne = taken.filter((id) => !id.includes('150000-300000'));
    expect((await readAll(spec, allButOne)).records).toHaveLength(75_000 + 2);
  });
});

describe('file patterns', () => {
  const home = directoryWith({
    'a.js': '',
    'b.ts': '',
    '.hidden.js': '',
    'x/c.js': '',
    'x/y/d.js': '',
    'x/.git/e.js': '',
    'x/[id].js': '',
    'z1.txt': '',
    'z2.txt': '',
    'za.txt': '',
  });
  symlinkSync(join(home, 'x'), join(home, 'linked'));
  symlinkSync(join(home, 'a.js'), join(home, 'link.js'));
  mkdirSync(join(home, 'dir.js'));
  execFileSync('mkfifo', [join(home, 'fifo')]);

  /** Paths that a pattern finds, from `home`; by way of `whole`, which emits empty files too. */
  async function find(...patterns: string[]): Promise<readonly string[]> {
    const { records } = await readAll(fileSpec({ patterns: patterns.map((pattern) => `${home}/${pattern}`), whole: true }));
    return records.map((record) => (record as { path: string }).path.slice(home.length + 1));
  }

  it.each([
    ['*.js', ['a.js', 'link.js']],
    ['**/*.js', ['a.js', 'link.js', 'x/[id].js', 'x/c.js', 'x/y/d.js']],
    ['x/**', ['x/[id].js', 'x/c.js', 'x/y/d.js']],
    ['**/d.js', ['x/y/d.js']],
    ['linked/*.js', ['linked/[id].js', 'linked/c.js']],
    ['{a.js,b.{ts,tsx}}', ['a.js', 'b.ts']],
    ['{x/c,a}.js', ['a.js', 'x/c.js']],
    ['{.h*,b*}.{js,ts}', ['.hidden.js', 'b.ts']],
    ['{**,none}/d.js', ['x/y/d.js']],
    ['z?.txt', ['z1.txt', 'z2.txt', 'za.txt']],
    ['z[0-9].txt', ['z1.txt', 'z2.txt']],
    ['z[!0-9].txt', ['za.txt']],
    ['.*.js', ['.hidden.js']],
    ['x/.git/*', ['x/.git/e.js']],
    ['x/[id].js', ['x/[id].js']],
    ['x/\\[id\\].j?', ['x/[id].js']],
    ['./x/../a.js', ['./x/../a.js']],
  ])('%s finds the right files, sorted', async (pattern, expected) => {
    expect(await find(pattern)).toEqual(expected);
  });

  it('keep their order, and find no file twice', async () => {
    expect(await find('b.ts', '*.{js,ts}')).toEqual(['b.ts', 'a.js', 'link.js']);
  });

  it.each([
    ['none-*.js', /No file matches '.*none-\*\.js' \(working directory .*\)/],
    ['missing/a.js', /No file matches/],
    ['x', /is a directory, not a file\. To read the files in it, use the pattern '.*\/x\/\*\*'/],
    ['fifo', /is a named pipe \(FIFO\), not a file/],
  ])('that find no file are refused: %s', async (pattern, message) => {
    const failure = find(pattern);
    await expect(failure).rejects.toMatchObject({ code: 'ERR_INPUT_NOT_FOUND' });
    await expect(failure).rejects.toThrow(message);
  });
});
