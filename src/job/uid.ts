/**
 * Uids of operators that were given none. They depend on the structure alone (what the operator is, what it reads, its
 * place among those that read the same), never on names, functions or parallelism; so a checkpoint fits a job whose code
 * changed inside its functions. An operator with a uid of its own is a fixed point: what follows it does not change when
 * something before it does. Source of the idea: stream graph hashes of Apache Flink.
 */
import { hashKey } from '../format/hash.ts';
import { Memory } from '../format/memory.ts';
import type { NodeDraft } from './graph-draft.ts';

/** The uid of each node, in order of nodes: `map-1f0c9a3e`. */
export function deriveUids(nodes: readonly NodeDraft[]): string[] {
  const uids: string[] = [];
  const siblings = new Map<string, number>();
  for (const { id, uid, payload, inputs } of nodes) {
    if (uid !== undefined) {
      uids[id] = uid;
      continue;
    }
    const structure = JSON.stringify([payload.kind, inputs.map((input) => uids[input.id])]);
    const place = siblings.get(structure) ?? 0;
    siblings.set(structure, place + 1);
    uids[id] = `${payload.kind}-${hashText(`${structure}#${place}`)}`;
  }
  return uids;
}

function hashText(text: string): string {
  const bytes = Buffer.from(text, 'utf8');
  const memory = Memory.local(bytes.length);
  memory.u8.set(bytes);
  return hashKey(memory, 0, bytes.length).toString(16).padStart(8, '0');
}
