import { existsSync, linkSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonValue } from '../../src/format/json.ts';
import type { Schema } from '../../src/format/schema.ts';
import type { FileSinkSpec, Sink, SinkContext } from '../../src/job/sink.ts';
import type { FilesCommittable } from '../../src/worker/connectors/file-sink/committable.ts';
import { createFileSink } from '../../src/worker/connectors/file-sink/file-sink.ts';
import { leftoverParts } from '../../src/worker/connectors/file-sink/leftovers.ts';
import { outputFs } from '../../src/worker/connectors/file-sink/output-fs.ts';
import {
  inProgressName,
  parseHiddenName,
  preparedName,
  safe,
  sinkHash,
} from '../../src/worker/connectors/file-sink/part-names.ts';
import { directoryWith, fileSpec, readAll, sinkContext, temporaryDirectory } from './support.ts';

function sinkSpec(directory: string, overrides: Partial<FileSinkSpec> = {}): FileSinkSpec {
  return {
    kind: 'files',
    format: 'lines',
    directory,
    schema: null,
    csv: undefined,
    maxPartBytes: 64 * 1024 * 1024,
    ...overrides,
  };
}

/** Lines of all visible files, as any other program would see them. */
function visibleLines(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  const names = readdirSync(directory).filter((name) => !name.startsWith('.'));
  return names.flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1)).toSorted();
}

function hiddenNames(directory: string): readonly string[] {
  return readdirSync(join(directory, '.tidemark')).toSorted();
}

/** A committable as a manifest gives it back. */
function throughManifest(committable: unknown): JsonValue {
  return JSON.parse(JSON.stringify(committable)) as JsonValue;
}

/** Writes lines and prepares them. */
async function prepareLines(
  sink: Sink<unknown>,
  lines: readonly string[],
  checkpointId: number,
  context: SinkContext = sinkContext(),
): Promise<JsonValue> {
  const writer = await sink.open(context);
  for (const line of lines) writer.write(line, -Infinity);
  const committable = throughManifest(await writer.prepare(checkpointId));
  await writer.close();
  return committable;
}

/** What a crash leaves between the visible name and the removal of the hidden one. */
function linkVisibleNames(directory: string, committables: readonly JsonValue[]): void {
  for (const committable of committables) {
    const { parts } = committable as unknown as FilesCommittable;
    for (const { prepared, final } of parts) linkSync(join(directory, '.tidemark', prepared), join(directory, final));
  }
}

describe('file sink', () => {
  it('shows nothing before commit, and whole parts after it', async () => {
    const directory = join(temporaryDirectory(), 'new', 'out');
    const sink = createFileSink(sinkSpec(directory));
    const writer = await sink.open(sinkContext());
    writer.write('one', 0);
    await writer.flush?.();
    expect(visibleLines(directory)).toEqual([]);
    const first = throughManifest(await writer.prepare(1));
    writer.write('two', 0);
    await sink.persist?.(first, sinkContext());
    expect(visibleLines(directory)).toEqual([]);
    await sink.commit(first, sinkContext());
    expect(visibleLines(directory)).toEqual(['one']);
    const second = throughManifest(await writer.prepare(2));
    await sink.commit(second, sinkContext());
    expect(visibleLines(directory)).toEqual(['one', 'two']);
    expect(readdirSync(directory).filter((name) => /^part-0-[0-9a-f]{8}-[12]-[01]\.txt$/.test(name))).toHaveLength(2);
    expect(await writer.prepare(3)).toBeNull();
    await writer.close();
    expect(hiddenNames(directory)).toEqual([]);
  });

  it('leaves every byte in the file system at the end of a turn', async () => {
    const directory = temporaryDirectory();
    const writer = await createFileSink(sinkSpec(directory)).open(sinkContext());
    writer.write('written', 0);
    await writer.flush?.();
    const [name] = hiddenNames(directory);
    expect(readFileSync(join(directory, '.tidemark', name), 'utf8')).toBe('written\n');
    await writer.close();
    expect(hiddenNames(directory)).toEqual([]);
  });

  it('begins a new part when one is large, and commits all of an epoch', async () => {
    const directory = temporaryDirectory();
    const sink = createFileSink(sinkSpec(directory, { maxPartBytes: 1000 }));
    const writer = await sink.open(sinkContext());
    const lines = Array.from({ length: 300 }, (_, i) => `line ${i}`);
    for (const [i, line] of lines.entries()) {
      writer.write(line, 0);
      if (i % 20 === 0) await writer.flush?.();
    }
    await sink.commit(throughManifest(await writer.prepare(1)), sinkContext());
    expect(readdirSync(directory).length).toBeGreaterThan(3);
    expect(visibleLines(directory)).toEqual(lines.toSorted());
  });

  it('two sinks, subtasks, jobs or attempts in one directory never share a name', async () => {
    const directory = temporaryDirectory();
    const contexts = [
      {},
      { uid: 'other' },
      { subtask: 1 },
      { jobId: 'f'.repeat(32) },
      { attempt: 2 },
      { uid: 'a/b c' },
      { uid: 'a_b_c' },
    ].map(sinkContext);
    const committables: JsonValue[] = [];
    const sink = createFileSink(sinkSpec(directory));
    for (const [i, context] of contexts.entries())
      committables.push(await prepareLines(sink, [`from ${i}`], 1 + (context.attempt - 1), context));
    for (const committable of committables) await sink.commit(committable, sinkContext());
    expect(visibleLines(directory)).toEqual(contexts.map((_, i) => `from ${i}`));
  });

  it('loses and repeats nothing, wherever the process is killed, and however often it is restored', async () => {
    // How an epoch ends: the place in the protocol at which the process dies; or the checkpoint is aborted; or all is well.
    const deaths = ['written', 'flushed', 'prepared', 'persisted', 'durable', 'linked', 'committed'] as const;
    const epoch = fc.record({
      lines: fc.integer({ min: 0, max: 3 }),
      ending: fc.constantFrom('well', 'well', 'aborted', ...deaths),
      restores: fc.integer({ min: 1, max: 2 }),
      subtasks: fc.integer({ min: 1, max: 3 }),
    });
    const newSink = (directory: string): Sink<unknown> => createFileSink(sinkSpec(directory, { maxPartBytes: 10 }));
    await fc.assert(
      fc.asyncProperty(fc.array(epoch, { maxLength: 10 }), async (plan) => {
        const directory = temporaryDirectory();
        let attempt = 1;
        // As the job would hold it: the last durable checkpoint, and what aborted ones hand on to the next.
        let durable = { checkpointId: 0, committables: [] as readonly JsonValue[], records: 0 };
        let carried: readonly JsonValue[] = [];
        let records = 0;
        let checkpointId = 0;
        const visible = (count: number): readonly string[] => Array.from({ length: count }, (_, i) => `record ${i}`).toSorted();
        const recover = async (times: number): Promise<void> => {
          attempt++;
          carried = [];
          records = durable.records;
          checkpointId = durable.checkpointId;
          for (let i = 0; i < times; i++) await newSink(directory).recover?.(durable.committables, sinkContext({ attempt }));
          expect(visibleLines(directory)).toEqual(visible(durable.records));
        };
        for (const { lines, ending, restores, subtasks } of plan) {
          const sink = newSink(directory);
          const prepared: JsonValue[] = [];
          checkpointId++;
          for (let subtask = 0; subtask < subtasks; subtask++) {
            const writer = await sink.open(sinkContext({ subtask, attempt }));
            for (let i = 0; i < lines; i++) {
              writer.write(`record ${records++}`, 0);
              if (ending !== 'written') await writer.flush?.();
            }
            if (ending === 'written' || ending === 'flushed') continue;
            const committable = await writer.prepare(checkpointId);
            if (committable !== null) prepared.push(throughManifest(committable));
          }
          const committables = [...carried, ...prepared];
          if (['persisted', 'durable', 'linked', 'committed', 'well'].includes(ending)) {
            for (const committable of committables) await sink.persist?.(committable, sinkContext());
          }
          if (['durable', 'linked', 'committed', 'well'].includes(ending)) durable = { checkpointId, committables, records };
          if (ending === 'linked') linkVisibleNames(directory, committables);
          if (ending === 'committed' || ending === 'well')
            for (const committable of committables) await sink.commit(committable, sinkContext());
          carried = ending === 'aborted' ? committables : [];
          if (ending !== 'aborted' && ending !== 'well') await recover(restores);
        }
        await recover(1);
        // Only what was prepared later may be left, if the restored checkpoint says how far it is: by what it holds of the sink's.
        const known = durable.committables.flatMap((committable) =>
          (committable as unknown as FilesCommittable).parts.map(({ prepared }) => parseHiddenName(prepared)?.checkpointId ?? 0),
        );
        if (known.length > 0)
          for (const name of hiddenNames(directory))
            expect(parseHiddenName(name)?.checkpointId).toBeGreaterThan(Math.max(...known));
        rmSync(directory, { recursive: true });
      }),
      { numRuns: 50 },
    );
  });

  it('never overwrites: a final name with other content is refused with both sides', async () => {
    const directory = temporaryDirectory();
    const sink = createFileSink(sinkSpec(directory));
    const committable = await prepareLines(sink, ['right'], 1);
    const { final } = (committable as unknown as FilesCommittable).parts[0];
    writeFileSync(join(directory, final), 'wrong\n');
    expect(() => sink.commit(committable, sinkContext())).toThrow(expect.objectContaining({ code: 'ERR_SINK_FAILED' }));
    expect(() => sink.commit(committable, sinkContext())).toThrow(
      /exists with other content: content hash [0-9a-f]{32}, and the checkpoint has content hash [0-9a-f]{32} for it/,
    );
    expect(readFileSync(join(directory, final), 'utf8')).toBe('wrong\n');
    writeFileSync(join(directory, final), 'longer than right\n');
    expect(() => sink.commit(committable, sinkContext())).toThrow(/18 bytes, and the checkpoint has 6 bytes/);
  });

  it('says which two names are missing when a part is gone', async () => {
    const directory = temporaryDirectory();
    const sink = createFileSink(sinkSpec(directory));
    const committable = await prepareLines(sink, ['gone'], 1);
    const { prepared, final } = (committable as unknown as FilesCommittable).parts[0];
    unlinkSync(join(directory, '.tidemark', prepared));
    for (const phase of ['persist', 'commit'] as const) {
      const run = (): unknown => sink[phase]?.(committable, sinkContext());
      expect(run).toThrow(
        expect.objectContaining({
          code: 'ERR_SINK_FAILED',
          facts: { prepared: join(directory, '.tidemark', prepared), final: join(directory, final), isLost: true },
        }),
      );
    }
  });

  it.each([
    ['content', 0],
    ['name', 1],
  ])('says that what could not be synced is lost: the %s of a part', async (_, synced) => {
    const directory = temporaryDirectory();
    let left = Infinity;
    const fsync = (fd: number): void => {
      if (left-- === 0) throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
      outputFs.fsync(fd);
    };
    const sink = createFileSink(sinkSpec(directory), { ...outputFs, fsync });
    const committable = await prepareLines(sink, ['x'], 1);
    left = synced;
    expect(() => sink.persist?.(committable, sinkContext())).toThrow(
      expect.objectContaining({
        code: 'ERR_SINK_FAILED',
        message: expect.stringMatching(/^Output may be lost: .*EIO.* goes back to its last checkpoint/),
        facts: expect.objectContaining({ isLost: true }),
      }),
    );
  });

  it('reports a full disk, and goes on behind it with nothing lost', async () => {
    const directory = temporaryDirectory();
    let room = 5;
    const write = (fd: number, bytes: Uint8Array): number => {
      if (room === 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      const taken = Math.min(room, bytes.length);
      room -= taken;
      return outputFs.write(fd, bytes.subarray(0, taken));
    };
    const sink = createFileSink(sinkSpec(directory), { ...outputFs, write });
    const writer = await sink.open(sinkContext());
    writer.write('much too long', 0);
    expect(() => writer.flush?.()).toThrow(expect.objectContaining({ code: 'ERR_NO_SPACE' }));
  });

  it('refuses a committable that is none, or names a file elsewhere', () => {
    const sink = createFileSink(sinkSpec('out'));
    for (const wrong of [null, 'x', {}, { directory: 'out', parts: [{ prepared: '../x', final: 'y', bytes: 1, hash: '' }] }]) {
      expect(() => sink.commit(wrong as JsonValue, sinkContext())).toThrow(expect.objectContaining({ code: 'ERR_SINK_FAILED' }));
    }
  });

  it('commits into the directory that the checkpoint names, also when the job has another now', async () => {
    const before = temporaryDirectory();
    const now = temporaryDirectory();
    const committable = await prepareLines(createFileSink(sinkSpec(before)), ['x'], 1);
    await createFileSink(sinkSpec(now)).recover?.([committable], sinkContext());
    expect(visibleLines(before)).toEqual(['x']);
  });
});

describe('left-over parts', () => {
  const host = parseHiddenName(inProgressName(sinkContext(), 0))?.process.split('-')[0] as string;
  /** Hidden part of a job, in progress or prepared. */
  function part(
    checkpointId: number | null,
    overrides: Partial<SinkContext> = {},
    pid = 1,
  ): ReturnType<typeof parseHiddenName> & object {
    const name = inProgressName(sinkContext(overrides), 0).replace(/-\d+(\.\d+-\d+-\d+\.inprogress)$/, `-${pid}$1`);
    return parseHiddenName(checkpointId === null ? name : preparedName(name, checkpointId)) as NonNullable<
      ReturnType<typeof parseHiddenName>
    >;
  }
  const other = { jobId: 'e'.repeat(32) };
  const alive = (process: string): boolean => process === `${host}-1`;

  it.each([
    ['in progress, of this job', part(null), [], true],
    ['in progress, of an earlier run whose process is dead', part(null, other, 2), [], true],
    ['in progress, of another run that lives', part(null, other), [], false],
    ['in progress, of another operator', part(null, { uid: 'x' }), [], false],
    ['in progress, of another job', part(null, { jobName: 'x' }, 2), [], false],
    ['prepared, and named by the checkpoint', part(5), [part(5)], false],
    ['prepared for the restored checkpoint or an earlier one, and not named', part(5, { attempt: 9 }), [part(5)], true],
    ['prepared for a later checkpoint: its manifest may be restored yet', part(6), [part(5)], false],
    ['prepared, and the checkpoint does not say how far it is', part(1), [], false],
    ['prepared by the run that the checkpoint is from', part(4, other, 2), [part(5, other, 2)], true],
    ['prepared by an unrelated earlier run', part(4, other, 2), [part(5)], false],
  ] as const)('%s', (_, found, named, deleted) => {
    expect(leftoverParts([found], { sink: sinkHash(sinkContext()), jobId: safe(sinkContext().jobId), named }, alive)).toEqual(
      deleted ? [found] : [],
    );
  });

  it('files that are none of ours stay', async () => {
    const directory = directoryWith({ '.tidemark/notes.txt': 'mine', '.tidemark/x.inprogress': 'mine' });
    await createFileSink(sinkSpec(directory)).recover?.([], sinkContext());
    expect(hiddenNames(directory)).toEqual(['notes.txt', 'x.inprogress']);
  });
});

describe('formats of a file sink', () => {
  async function write(values: readonly unknown[], overrides: Partial<FileSinkSpec>): Promise<string> {
    const directory = temporaryDirectory();
    const sink = createFileSink(sinkSpec(directory, overrides));
    const writer = await sink.open(sinkContext());
    for (const value of values) writer.write(value, 0);
    await sink.commit(throughManifest(await writer.prepare(1)), sinkContext());
    const [name] = readdirSync(directory).filter((entry) => entry.startsWith('part-'));
    return readFileSync(join(directory, name), 'utf8');
  }

  const schema: Schema = {
    type: 'record',
    fields: [
      { name: 's', schema: { type: 'string' } },
      { name: 'f', schema: { type: 'f64' } },
      { name: 'big', schema: { type: 'bigint' } },
      { name: 'bytes', schema: { type: 'bytes' } },
      { name: 'maybe', schema: { type: 'optional', of: { type: 'i32' } } },
      { name: 'list', schema: { type: 'list', of: { type: 'optional', of: { type: 'boolean' } } } },
      { name: 'at', schema: { type: 'timestamp' } },
      { name: 'kind', schema: { type: 'enum', values: ['a', 'b"'] } },
    ],
  };
  const value = fc.record({
    s: fc.string({ unit: 'grapheme', maxLength: 8 }),
    f: fc.double(),
    big: fc.bigInt(),
    bytes: fc.uint8Array({ maxLength: 5 }),
    maybe: fc.option(fc.integer(), { nil: undefined }),
    list: fc.array(fc.option(fc.boolean(), { nil: undefined }), { maxLength: 3 }),
    at: fc.integer(),
    kind: fc.constantFrom('a', 'b"'),
  });
  // Line breaks are legal in JSON strings only escaped, and in CSV in quotes: both are among the strings here.
  const line = fc.constantFrom('plain', 'two\nlines', 'carriage\r', '"', ',', '\u2028', 'lone \ud800 surrogate', '');

  it.each(['jsonl', 'csv'] as const)('%s of a schema reads back as it was', async (format) => {
    const csv = { delimiter: ',', header: true };
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(value, line), { minLength: 1, maxLength: 5 }), async (rows) => {
        // CSV is UTF-8, which has no lone surrogates; JSON escapes them.
        const values = rows.map(([row, s]) => ({ ...row, s: format === 'csv' ? Buffer.from(row.s + s).toString() : row.s + s }));
        const text = await write(values, { format, schema, csv });
        const home = directoryWith({ back: text });
        const out = await readAll(fileSpec({ patterns: [`${home}/back`], format, schema, csv }));
        expect(out.malformedRecords).toEqual([]);
        expect(out.records).toEqual(values);
        rmSync(home, { recursive: true });
      }),
      { numRuns: 30 },
    );
  });

  it('jsonl is what other programs read', async () => {
    const text = await write(
      [{ s: 'a"\u0001', f: Infinity, big: 1n, bytes: new Uint8Array([1]), maybe: null, list: [undefined], at: 5, kind: 'a' }],
      { format: 'jsonl', schema },
    );
    expect(JSON.parse(text)).toEqual({ s: 'a"\u0001', f: 'Infinity', big: '1', bytes: 'AQ==', list: [null], at: 5, kind: 'a' });
  });

  it('without a schema: JSON of any value, CSV with the columns of the first record', async () => {
    expect(
      await write([{ a: 1n, m: new Map([[1, 2]]), b: Buffer.from('x'), d: new Date(0), u: undefined }, undefined], {
        format: 'jsonl',
      }),
    ).toBe('{"a":"1","m":[[1,2]],"b":"eA==","d":"1970-01-01T00:00:00.000Z"}\nnull\n');
    const csv = { delimiter: ';', header: true };
    expect(await write([{ a: 'x;y', b: 1 }, { b: -0 }, { a: { n: 1 } }], { format: 'csv', csv })).toBe(
      'a;b\n"x;y";1\n;-0\n"{""n"":1}";\n',
    );
    await expect(write([{ a: 1 }, { z: 1 }], { format: 'csv', csv })).rejects.toThrow(
      /a field 'z' that the first record of this CSV sink did not have \(a\)/,
    );
    expect(await write([['x', 1]], { format: 'csv', csv: { delimiter: ',', header: false } })).toBe('x,1\n');
  });

  it('lines takes strings and numbers, and refuses objects', async () => {
    expect(await write(['a', 1, 2n, true], { format: 'lines' })).toBe('a\n1\n2\ntrue\n');
    await expect(write([{}], { format: 'lines' })).rejects.toMatchObject({ code: 'ERR_SINK_FAILED' });
  });

  it('a visible part is readable as the umask says, and may be renamed away by a reader after commit', async () => {
    const directory = temporaryDirectory();
    const sink = createFileSink(sinkSpec(directory));
    await sink.commit(await prepareLines(sink, ['x'], 1), sinkContext());
    const [name] = readdirSync(directory).filter((entry) => entry.startsWith('part-'));
    renameSync(join(directory, name), join(directory, 'taken'));
    expect(readFileSync(join(directory, 'taken'), 'utf8')).toBe('x\n');
  });
});
