/**
 * What the jobs of random lives read, and the state that follows from it. Record i of a stream changes one key, so the state at a position is a
 * function of the position, whatever was restored, rescaled or killed on the way there.
 */
import { collection, discard } from '../../src/job/collections.ts';
import type { JobGraph } from '../../src/job/graph.ts';
import { job } from '../../src/job/job.ts';
import { value as valueState } from '../../src/job/state.ts';
import * as t from '../../src/job/types.ts';

export const UID = 'totals';
const KEYS = 16;

/** So many records of a stream were read. Jobs that start empty may have different streams. */
export interface Position {
  readonly stream: number;
  readonly at: number;
}

/** By key: the number of the record that last set it. Both keyed states of the job follow from it. */
export type Content = ReadonlyMap<string, number>;

/** null: the key is cleared. */
export interface Change {
  readonly key: string;
  readonly value: number | null;
}

export const ALL_KEYS: readonly string[] = Array.from({ length: KEYS }, (_, i) => `key ${i}`);

export function changeAt(stream: number, i: number): Change {
  const hash = Math.imul((Math.imul(i + 1, 0x9e3779b1) ^ (stream * 0x85ebca6b)) >>> 5, 0xc2b2ae35) >>> 0;
  return { key: ALL_KEYS[(hash >>> 8) % KEYS], value: (hash >>> 20) % 4 === 0 ? null : i };
}

/** The second state, of another size each time. */
export function textOf(value: number): string {
  return `${'-'.repeat(value % 9)}${value}`;
}

const known = new Map<number, Content[]>();

export function contentAt({ stream, at }: Position): Content {
  const contents = known.get(stream) ?? [new Map()];
  known.set(stream, contents);
  while (contents.length <= at) {
    const next = new Map(contents[contents.length - 1]);
    const { key, value: changed } = changeAt(stream, contents.length - 1);
    if (changed === null) next.delete(key);
    else next.set(key, changed);
    contents.push(next);
  }
  return contents[at];
}

const Input = t.record({ key: t.string, n: t.i32 });

/** The plan, the restore plan and the manifests are made from it; its functions are never called. */
export function graphOf(name: string): JobGraph {
  return job(name, (flow) => {
    flow
      .from(collection([{ key: '', n: 0 }], Input))
      .uid('in')
      .keyBy('key')
      .process({ state: { total: valueState(t.i32), text: valueState(t.string) }, onRecord: (record, { emit }) => emit(record) })
      .uid(UID)
      .to(discard())
      .uid('out');
  });
}
