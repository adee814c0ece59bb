/** Drives chains by hand: frames rows as an exchange does, opens real state maps, and collects what leaves. */
import { type Codec, type KeyCodec, KeyRef, type RowKey } from '../../src/format/codec.ts';
import { createGeneralCodec } from '../../src/format/general-codec.ts';
import { createKeyCodec } from '../../src/format/key-codec.ts';
import { align8, Memory } from '../../src/format/memory.ts';
import { createRowCodec } from '../../src/format/row-codec.ts';
import { createRowKey } from '../../src/format/row-key.ts';
import type { Schema } from '../../src/format/schema.ts';
import type { GraphNode, KeySelector } from '../../src/job/graph.ts';
import type { OperatorContext, OperatorSnapshot, Output, Rows } from '../../src/worker/operator.ts';
import { buildChain, type Chain } from '../../src/worker/operators/chain.ts';
import type { HashRange } from '../../src/worker/operators/end-cursor.ts';
import type { LocalCombine } from '../../src/worker/operators/local-combine.ts';
import type { KeyedStateInfo } from '../../src/worker/state/handles/open-state.ts';
import { createStateMap } from '../../src/worker/state/log-state-map.ts';
import type { StateMap } from '../../src/worker/state/state-map.ts';

export const ALL_HASHES: HashRange = { first: 0, last: 4294967295 };

/** The edge in front of a keyed chain. */
export interface Edge {
  readonly codec: Codec;
  readonly rowKey: RowKey | null;
  readonly keyCodec: KeyCodec;
  readonly keyOf: (value: unknown) => unknown;
  readonly selector: KeySelector;
  readonly combine: LocalCombine | null;
}

const select = (fields: readonly string[]) => (value: unknown) => {
  const record = value as Record<string, unknown>;
  return fields.length === 1 ? record[fields[0]] : fields.map((field) => record[field]);
};

export function keyedEdge(schema: Schema | null, selector: KeySelector, combine: LocalCombine | null = null): Edge {
  const travelling = combine === null ? schema : combine.partialSchema;
  const codec = travelling === null ? createGeneralCodec() : createRowCodec(travelling);
  const types =
    selector.kind === 'fields' && schema?.type === 'record' ? selector.fields.map((name) => schemaOf(schema, name)) : null;
  const keyCodec = createKeyCodec(types);
  if (selector.kind === 'fields' && types !== null && travelling?.type === 'record') {
    return {
      codec,
      rowKey: createRowKey(travelling, selector.fields),
      keyCodec,
      keyOf: select(selector.fields),
      selector,
      combine,
    };
  }
  const keyOf =
    combine?.keyOf ?? (selector.kind === 'fields' ? select(selector.fields) : (selector.select as (value: unknown) => unknown));
  return { codec, rowKey: null, keyCodec, keyOf, selector, combine };
}

function schemaOf(schema: Extract<Schema, { type: 'record' }>, name: string): Schema {
  return (schema.fields.find((field) => field.name === name) as { schema: Schema }).schema;
}

export interface Timed {
  readonly value: unknown;
  readonly timestampMs: number;
}

/** Rows as they lie in a channel slot. */
export function frameRows(edge: Edge, records: readonly Timed[]): Rows {
  let memory = Memory.local(1 << 16);
  const ref = new KeyRef(memory);
  let at = 0;
  for (const { value, timestampMs } of records) {
    for (;;) {
      let rowAt = at + 16;
      if (edge.rowKey === null) {
        edge.keyCodec.encode(edge.keyOf(value), ref);
        rowAt = at + 24 + align8(ref.length);
      }
      const bytes = rowAt >= memory.byteLength ? -1 : edge.codec.encode(value, memory, rowAt, memory.byteLength);
      if (bytes < 0) {
        const grown = Memory.local(memory.byteLength * 2);
        grown.u8.set(memory.u8);
        memory = grown;
        continue;
      }
      if (edge.rowKey === null) {
        memory.u32[at / 4 + 4] = ref.length;
        memory.u32[at / 4 + 5] = bytes;
        memory.f64[rowAt / 8 - 1] = 0;
        memory.u8.set(ref.memory.u8.subarray(ref.at, ref.at + ref.length), at + 24);
      } else {
        edge.rowKey.locate(memory, rowAt, ref);
      }
      memory.u32[at / 4] = rowAt + bytes - at;
      memory.u32[at / 4 + 1] = ref.hash;
      memory.f64[at / 8 + 1] = timestampMs;
      at = rowAt + bytes;
      break;
    }
  }
  return { memory, from: 0, to: at, count: records.length };
}

export class CollectedOutput implements Output {
  readonly records: Timed[] = [];
  /** Records until `full`; then grant more. */
  room = Infinity;

  get full(): boolean {
    return this.room <= 0;
  }

  emit(value: unknown, timestampMs: number): void {
    this.room--;
    this.records.push({ value, timestampMs });
  }

  get values(): unknown[] {
    return this.records.map(({ value }) => value);
  }
}

export function node<K extends GraphNode['kind']>(
  kind: K,
  fields: Omit<Extract<GraphNode, { kind: K }>, keyof Base>,
  overrides: Partial<Base> = {},
): Extract<GraphNode, { kind: K }> {
  return { ...BASE, kind, name: kind, uid: `${kind}-uid`, ...fields, ...overrides } as unknown as Extract<GraphNode, { kind: K }>;
}

const BASE = {
  id: 0,
  explicitUid: true,
  inputs: [],
  parallelism: undefined,
  maxParallelism: undefined,
  schema: null,
  location: 'job.ts:7',
  objectReuse: false,
};
type Base = typeof BASE & { kind: string; name: string; uid: string };

export interface OpenedChain {
  readonly chain: Chain;
  readonly out: CollectedOutput;
  readonly states: readonly { readonly info: KeyedStateInfo; readonly map: StateMap }[];
  /** Barrier: freezes the state; earlier checkpoints complete. */
  mark(): void;
}

export interface OpenChainOptions {
  readonly edge?: Edge;
  readonly range?: HashRange;
  readonly restored?: Readonly<Record<string, OperatorSnapshot>>;
  readonly subtask?: number;
  readonly parallelism?: number;
  /** Entries of a former chain's states, of any number of subtasks. */
  readonly from?: readonly OpenedChain[];
  readonly where?: () => string | undefined;
}

export function openChain(nodes: readonly GraphNode[], options: OpenChainOptions = {}): OpenedChain {
  const out = new CollectedOutput();
  const range = options.range ?? ALL_HASHES;
  const states: { info: KeyedStateInfo; map: StateMap }[] = [];
  let epoch = 1;
  const { edge } = options;
  const chain = buildChain({
    nodes,
    tail: out,
    input:
      edge === undefined
        ? null
        : {
            codec: edge.codec,
            rowKey: edge.rowKey,
            keyInFrame: edge.rowKey === null,
            keyCodec: edge.keyCodec,
            selector: edge.selector,
          },
    partialInput: edge?.combine ?? null,
    combiners: [],
    context: contextOf(options.subtask ?? 0, options.parallelism ?? 1),
    where: options.where ?? (() => undefined),
    range,
    restored: (uid) => options.restored?.[uid],
    openState: (info) => {
      const map = createStateMap({
        limitBytes: 64 << 20,
        epoch: epoch,
        composite: info.composite,
        derivesHash: !info.composite,
        label: info.name,
      });
      for (const former of options.from ?? [])
        for (const state of former.states) if (state.info.name === info.name) loadInto(map, state.map, range);
      states.push({ info, map });
      return map;
    },
  });
  return {
    chain,
    out,
    states,
    mark: () => {
      for (const { map } of states) {
        map.mark(epoch + 1);
        if (epoch > 1) map.complete(epoch - 1);
        map.clean(1);
      }
      epoch++;
    },
  };
}

export function contextOf(subtask: number, parallelism: number): (node: GraphNode) => OperatorContext {
  return ({ uid, name }) => ({
    uid,
    name,
    subtask,
    parallelism,
    maxParallelism: 128,
    jobId: '0',
    jobName: 'test',
    attempt: 1,
    args: [],
    watermarkMs: () => -Infinity,
  });
}

function loadInto(to: StateMap, from: StateMap, range: HashRange): void {
  for (const address of from.addresses()) {
    const hash = from.hashAt(address);
    if (hash < range.first || hash > range.last) continue;
    to.load(
      hash,
      from.memory,
      from.keyAt(address),
      from.keyLength(address),
      from.memory,
      from.valueAt(address),
      from.valueLength(address),
    );
  }
}

/** Feeds all rows, in pieces of the given sizes; there is room for a third of a piece's results at a time, so that chains must stop early. */
export function feed(opened: OpenedChain, rows: Rows, pieces: readonly number[] = [1 << 30]): void {
  let { from } = rows;
  let left = rows.count;
  for (let i = 0; left > 0; i++) {
    const piece = pieces[i % pieces.length];
    opened.out.room = Math.ceil(piece / 3);
    const taken = opened.chain.rows({ ...rows, from, count: left }, Math.min(piece, left));
    from = taken.next;
    left -= taken.frames;
  }
  opened.out.room = Infinity;
}

/** Runs `end` to its end, `results` at a time. */
export function finish(opened: OpenedChain, results = Infinity): void {
  for (;;) {
    opened.out.room = results;
    if (opened.chain.end(Infinity)) break;
  }
  opened.out.room = Infinity;
}

/** Content of a state: entries as hex, sorted. */
export function contentOf(map: StateMap): string[] {
  const hex = (at: number, length: number): string => map.memory.buf.toString('hex', at, at + length);
  return [...map.addresses()]
    .map(
      (address) =>
        `${map.hashAt(address)} ${hex(map.keyAt(address), map.keyLength(address))} ${hex(map.valueAt(address), map.valueLength(address))}`,
    )
    .sort();
}
