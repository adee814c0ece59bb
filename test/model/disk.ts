/**
 * The disk of the model: an immutable tree of names. A call gives the next disk and a reply; equal trees are one object, so that
 * states compare by identity and no call is worked out twice.
 *
 * It may remember what was not synced. A power cut then gives every disk that could be found: of each directory any subset of its
 * unsynced changes (each is atomic, a rename too), of each unsynced file no content.
 */

/** What code asks of the disk, one at a time. Contents are the bytes of a file, one character each. */
export type Call =
  | {
      readonly op: 'list' | 'open' | 'create' | 'unlink' | 'makeDirectory' | 'removeDirectory' | 'sync' | 'look';
      readonly path: string;
    }
  | { readonly op: 'store'; readonly path: string; readonly content: string; readonly synced: boolean }
  | { readonly op: 'rename' | 'link'; readonly path: string; readonly to: string };

const calls = new Map<string, Call>();

/** Equal calls are one object. */
export function internedCall(call: Call): Call {
  const key = `${call.op} ${call.path} ${'to' in call ? call.to : 'content' in call ? `${call.synced} ${call.content}` : ''}`;
  const known = calls.get(key) ?? call;
  calls.set(key, known);
  return known;
}

/** A content, names, or nothing; or an error. */
export type Reply = { readonly value: string | readonly string[] | null } | { readonly errno: string };

interface FileNode {
  readonly content: string;
  readonly synced: boolean;
}
type Names = ReadonlyMap<string, number>;
/** Names that are set to a node, or removed, together. */
type Change = readonly (readonly [name: string, node: number | null])[];
interface DirectoryNode {
  readonly names: Names;
  readonly durable: Names;
  readonly unsynced: readonly Change[];
}
type Node = FileNode | DirectoryNode;

/** More unsynced changes than this in one directory: only those up to each are tried. */
const MOST_SUBSETS = 5;

/** Of a name that was chosen at random, what stands before the random part. */
const TEMPORARY = /^(\.(?:tmp|new|old)-(?:.*-)?)[^-]*\.\d+$/;

class Failure extends Error {
  readonly errno: string;
  constructor(errno: string) {
    super(errno);
    this.errno = errno;
  }
}

export class Disk {
  static #known = new Map<string, Disk>();
  static #contents = new Map<string, number>();
  static #replies = new Map<string, Reply>();

  readonly id: number;
  /** A power cut loses what was not synced. */
  readonly forgets: boolean;
  /** The first is the root. */
  readonly #nodes: readonly Node[];
  #after: Map<Call, { readonly disk: Disk; readonly reply: Reply }> | null = null;
  #cuts: readonly Disk[] | null = null;
  #durable: Disk | null = null;
  #settled: Disk | null = null;
  #buried: Map<string, Disk> | null = null;

  private constructor(nodes: readonly Node[], forgets: boolean, id: number) {
    this.#nodes = nodes;
    this.forgets = forgets;
    this.id = id;
  }

  /** @param forgets  a power cut loses what was not synced */
  static empty(forgets: boolean): Disk {
    return Disk.#of([{ names: new Map(), durable: new Map(), unsynced: [] }], forgets);
  }

  /** Equal replies are one object. @param call  as `internedCall` gives it */
  call(call: Call): { readonly disk: Disk; readonly reply: Reply } {
    let known = this.#after?.get(call);
    if (known === undefined) {
      const { disk, reply } = this.#perform(call);
      const text =
        'errno' in reply ? `!${reply.errno}` : typeof reply.value === 'string' ? `=${reply.value}` : JSON.stringify(reply.value);
      const equal = Disk.#replies.get(text) ?? reply;
      Disk.#replies.set(text, equal);
      known = { disk, reply: equal };
      (this.#after ??= new Map()).set(call, known);
    }
    return known;
  }

  /** Every disk that may be found when power is cut now. */
  cuts(): readonly Disk[] {
    if (this.#cuts === null) {
      const found = new Set<Disk>();
      for (const nodes of this.#survivors(0, [...this.#nodes], [0])) found.add(Disk.#of(nodes, this.forgets));
      this.#cuts = [...found];
    }
    return this.#cuts;
  }

  /** The same names and contents, all of them durable. */
  durable(): Disk {
    this.#durable ??= Disk.#of(this.#nodes.map(madeDurable), this.forgets);
    return this.#durable;
  }

  /** The same for those who will see no power cut: what is durable is of no consequence then. */
  settled(): Disk {
    this.#settled ??= this.forgets ? Disk.#of(this.#nodes.map(madeDurable), false) : this;
    return this.#settled;
  }

  /**
   * The same when nobody is left who knows the temporary names below a directory: they were chosen at random, so that it makes no
   * difference by whom. They are numbered anew.
   */
  buried(path: string): Disk {
    let buried = this.#buried?.get(path);
    if (buried === undefined) {
      buried = this.#bury(path);
      (this.#buried ??= new Map()).set(path, buried);
    }
    return buried;
  }

  #bury(path: string): Disk {
    const nodes = [...this.#nodes];
    for (const at of [path, `${path}/shared`]) {
      const id = this.#idOf(at);
      if (id === null) continue;
      const { names, durable: kept, unsynced } = this.#directory(at);
      const all = new Set([...names.keys(), ...kept.keys(), ...unsynced.flatMap((change) => change.map(([name]) => name))]);
      const counts = new Map<string, number>();
      const anew = new Map<string, string>();
      for (const name of [...all].sort()) {
        const prefix = TEMPORARY.exec(name)?.[1];
        if (prefix === undefined) continue;
        const count = counts.get(prefix) ?? 0;
        counts.set(prefix, count + 1);
        anew.set(name, `${prefix}left.${count}`);
      }
      const rename = (before: Names): Names => new Map([...before].map(([name, child]) => [anew.get(name) ?? name, child]));
      nodes[id] = {
        names: rename(names),
        durable: rename(kept),
        unsynced: unsynced.map((change) => change.map(([name, child]) => [anew.get(name) ?? name, child] as const)),
      };
    }
    return Disk.#of(nodes, this.forgets);
  }

  /** Every path below the root, directories with a slash at the end. */
  paths(): string[] {
    const paths: string[] = [];
    const visit = (node: Node, path: string): void => {
      if ('content' in node) return;
      for (const [name, child] of node.names) {
        const below = this.#nodes[child];
        paths.push(`${path}/${name}${'content' in below ? '' : '/'}`);
        visit(below, `${path}/${name}`);
      }
    };
    visit(this.#nodes[0], '');
    return paths.sort();
  }

  #perform(call: Call): { disk: Disk; reply: Reply } {
    try {
      switch (call.op) {
        case 'list':
          return { disk: this, reply: { value: [...this.#directory(call.path).names.keys()].sort() } };
        case 'look':
          this.#directory(call.path);
          return { disk: this, reply: { value: null } };
        case 'open': {
          const node = this.#nodes[this.#find(call.path)];
          if (!('content' in node)) throw new Failure('EISDIR');
          return { disk: this, reply: { value: node.content } };
        }
        case 'create':
          return this.#add(call.path, { content: '', synced: false });
        case 'makeDirectory':
          return this.#add(call.path, { names: new Map(), durable: new Map(), unsynced: [] });
        case 'store':
          return this.#with(this.#find(call.path), { content: call.content, synced: call.synced });
        case 'sync': {
          const node = this.#directory(call.path);
          return this.#with(this.#nodes.indexOf(node), { names: node.names, durable: node.names, unsynced: [] });
        }
        case 'unlink':
          if (!('content' in this.#nodes[this.#find(call.path)])) throw new Failure('EISDIR');
          return this.#change(call.path, [[nameOf(call.path), null]]);
        case 'removeDirectory':
          if (this.#directory(call.path).names.size > 0) throw new Failure('ENOTEMPTY');
          return this.#change(call.path, [[nameOf(call.path), null]]);
        case 'link':
          if (this.#has(call.to)) throw new Failure('EEXIST');
          return this.#change(call.to, [[nameOf(call.to), this.#find(call.path)]]);
        case 'rename': {
          const node = this.#find(call.path);
          const target = this.#has(call.to) ? this.#nodes[this.#find(call.to)] : null;
          if (target !== null && 'names' in target && target.names.size > 0) throw new Failure('ENOTEMPTY');
          return this.#change(call.to, [
            [nameOf(call.path), null],
            [nameOf(call.to), node],
          ]);
        }
      }
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return { disk: this, reply: { errno: error.errno } };
    }
  }

  #add(path: string, node: Node): { disk: Disk; reply: Reply } {
    if (this.#has(path)) throw new Failure('EEXIST');
    const id = this.#nodes.length;
    return this.#change(path, [[nameOf(path), id]], [...this.#nodes, node]);
  }

  /** Changes names in the directory of a path. */
  #change(path: string, change: Change, nodes: readonly Node[] = this.#nodes): { disk: Disk; reply: Reply } {
    const id = this.#find(parentOf(path));
    const { names, durable, unsynced } = this.#directory(parentOf(path));
    const next = apply(names, change);
    return this.#with(
      id,
      { names: next, durable: this.forgets ? durable : next, unsynced: this.forgets ? [...unsynced, change] : [] },
      nodes,
    );
  }

  #with(id: number, node: Node, nodes: readonly Node[] = this.#nodes): { disk: Disk; reply: Reply } {
    const next = [...nodes];
    next[id] = node;
    return { disk: Disk.#of(next, this.forgets), reply: { value: null } };
  }

  #find(path: string): number {
    let id = 0;
    for (const name of path.split('/').slice(1)) {
      const node = this.#nodes[id];
      if ('content' in node) throw new Failure('ENOTDIR');
      const child = node.names.get(name);
      if (child === undefined) throw new Failure('ENOENT');
      id = child;
    }
    return id;
  }

  #idOf(path: string): number | null {
    try {
      return this.#find(path);
    } catch (error) {
      if (error instanceof Failure) return null;
      throw error;
    }
  }

  #has(path: string): boolean {
    return this.#directory(parentOf(path)).names.has(nameOf(path));
  }

  #directory(path: string): DirectoryNode {
    const node = this.#nodes[path === '' || path === '/' ? 0 : this.#find(path)];
    if ('content' in node) throw new Failure('ENOTDIR');
    return node;
  }

  /** Node by node from the root: what may be left of each. */
  *#survivors(at: number, nodes: Node[], queue: readonly number[]): Generator<Node[]> {
    if (at === queue.length) {
      yield nodes;
      return;
    }
    const id = queue[at];
    const node = this.#nodes[id];
    if ('content' in node) {
      yield* this.#survivors(at + 1, withNode(nodes, id, { content: node.synced ? node.content : '', synced: true }), queue);
      return;
    }
    for (const names of survivingNames(node)) {
      const left = withNode(nodes, id, { names, durable: names, unsynced: [] });
      yield* this.#survivors(at + 1, left, [...new Set([...queue, ...names.values()])]);
    }
  }

  /** One object for equal trees: nodes are numbered in the order in which they are met from the root. */
  static #of(nodes: readonly Node[], forgets: boolean): Disk {
    const order = [0];
    const numbers = new Map([[0, 0]]);
    const meet = (id: number): number => {
      let number = numbers.get(id);
      if (number === undefined) {
        number = order.length;
        numbers.set(id, number);
        order.push(id);
      }
      return number;
    };
    const renumber = (names: Names): Names => {
      const anew = new Map<string, number>();
      for (const name of [...names.keys()].sort()) anew.set(name, meet(names.get(name) as number));
      return anew;
    };
    const canonical: Node[] = [];
    const keys: string[] = [forgets ? 'forgets' : 'keeps'];
    for (let i = 0; i < order.length; i++) {
      const node = nodes[order[i]];
      if ('content' in node) {
        const synced = node.synced || !forgets;
        canonical.push({ content: node.content, synced });
        keys.push(`${contentId(Disk.#contents, node.content)}${synced ? '' : '?'}`);
        continue;
      }
      const names = renumber(node.names);
      // Nothing is unsynced: the names are the durable ones.
      const durable = node.unsynced.length === 0 ? names : renumber(node.durable);
      const unsynced = node.unsynced.map((change) => change.map(([name, id]) => [name, id === null ? null : meet(id)] as const));
      canonical.push({ names, durable, unsynced });
      keys.push(textOf(names));
      if (forgets && unsynced.length > 0) keys.push(textOf(durable), JSON.stringify(unsynced));
    }
    const key = keys.join('\n');
    let disk = Disk.#known.get(key);
    if (disk === undefined) {
      disk = new Disk(canonical, forgets, Disk.#known.size);
      Disk.#known.set(key, disk);
    }
    return disk;
  }
}

function textOf(names: Names): string {
  let text = '';
  for (const [name, id] of names) text += `${name}/${id}/`;
  return text;
}

function madeDurable(node: Node): Node {
  return 'content' in node ? { ...node, synced: true } : { names: node.names, durable: node.names, unsynced: [] };
}

function survivingNames({ durable, unsynced }: DirectoryNode): Names[] {
  const count = unsynced.length;
  const kept =
    count <= MOST_SUBSETS
      ? Array.from({ length: 2 ** count }, (_, bits) => unsynced.filter((_change, i) => (bits >> i) & 1))
      : Array.from({ length: count + 1 }, (_, length) => unsynced.slice(0, length));
  const found = new Map<string, Names>();
  for (const changes of kept) {
    const names = changes.reduce(apply, durable);
    found.set(JSON.stringify([...names].sort(byName)), names);
  }
  return [...found.values()];
}

function apply(names: Names, change: Change): Names {
  const next = new Map(names);
  for (const [name, id] of change) {
    if (id === null) next.delete(name);
    else next.set(name, id);
  }
  return next;
}

function withNode(nodes: readonly Node[], id: number, node: Node): Node[] {
  const next = [...nodes];
  next[id] = node;
  return next;
}

function contentId(contents: Map<string, number>, content: string): number {
  let id = contents.get(content);
  if (id === undefined) {
    id = contents.size;
    contents.set(content, id);
  }
  return id;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function byName([a]: readonly [string, number], [b]: readonly [string, number]): number {
  return a < b ? -1 : 1;
}
