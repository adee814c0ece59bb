/** Drives sources and sinks as a subtask does, and gives tests directories of their own. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';
import type {
  FileSourceSpec,
  Position,
  RecordOutput,
  SourceContext,
  SourceSpec,
  Split,
  SplitReader,
} from '../../src/job/source.ts';
import type { SinkContext } from '../../src/job/sink.ts';
import { createSource, type RuntimeSource } from '../../src/worker/connectors/source-runtime.ts';

const made: string[] = [];
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'tidemark-connectors-'));
  made.push(path);
  return path;
}

/** Writes files below a new directory; returns it. */
export function directoryWith(files: Readonly<Record<string, string | Uint8Array>>): string {
  const directory = temporaryDirectory();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
  return directory;
}

export const sourceContext: SourceContext = { parallelism: 1, subtask: 0, args: [] };

export function sinkContext(overrides: Partial<SinkContext> = {}): SinkContext {
  return {
    jobId: '0123456789abcdef0123456789abcdef',
    jobName: 'job',
    uid: 'out',
    subtask: 0,
    parallelism: 1,
    attempt: 1,
    ...overrides,
  };
}

export function fileSpec(overrides: Partial<FileSourceSpec> & Pick<FileSourceSpec, 'patterns'>): FileSourceSpec {
  return {
    kind: 'files',
    format: 'lines',
    schema: null,
    onError: 'fail',
    splitBytes: 16 * 1024 * 1024,
    csv: undefined,
    withPath: false,
    whole: false,
    maxRecordBytes: 16 * 1024 * 1024,
    ...overrides,
  };
}

export interface Malformed {
  readonly raw: string;
  readonly reason: string;
  readonly where: string;
}

/** Takes what a reader emits; full after `limit` records of a call. */
export class Collector implements RecordOutput<unknown> {
  readonly records: unknown[] = [];
  readonly malformedRecords: Malformed[] = [];
  #until = Infinity;

  allow(limit: number): void {
    this.#until = this.records.length + limit;
  }

  emit(value: unknown): void {
    this.records.push(value);
  }

  get full(): boolean {
    return this.records.length >= this.#until;
  }

  malformed(raw: string, reason: string, where: string): void {
    this.malformedRecords.push({ raw, reason, where });
  }
}

/** Calls `read` until the split ends, or `calls` times. Returns whether it ended. */
export async function readSome(reader: SplitReader<unknown>, out: Collector, limit: number, calls = Infinity): Promise<boolean> {
  for (let call = 0; call < calls; call++) {
    out.allow(limit);
    if ((await reader.read(limit, out)) === 'end') return true;
  }
  return false;
}

/** Reads a split, closed and opened again at its position, through JSON as in a manifest, after every `callsPerOpen` calls. */
export async function readReopening(
  source: RuntimeSource,
  split: Split,
  out: Collector,
  limit: number,
  callsPerOpen: number,
): Promise<void> {
  let position: Position = null;
  for (;;) {
    const reader = await source.open(split, position, sourceContext);
    const ended = await readSome(reader, out, limit, callsPerOpen);
    position = JSON.parse(JSON.stringify(reader.position())) as Position;
    await reader.close();
    if (ended) return;
  }
}

/** All records of a source, split after split. */
export async function readAll(spec: SourceSpec, taken: readonly string[] = []): Promise<Collector> {
  const source = createSource(spec);
  const out = new Collector();
  for (const split of await source.enumerate(sourceContext, taken)) {
    const reader = await source.open(split, null, sourceContext);
    await readSome(reader, out, 1000);
    await reader.close();
  }
  return out;
}
