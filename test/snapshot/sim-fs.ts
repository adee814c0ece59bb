/**
 * A disk in memory that forgets: what was written is volatile until it is synced. `crash` gives the disk as it may be
 * found after power was cut now: of each file any 512-byte blocks of what was not synced, of each directory any of the
 * names that were not synced, in any combination. That is more than most file systems do, and what POSIX allows.
 */
import { basename, dirname } from 'node:path';
import type { FileStatus, FsPort } from '../../src/snapshot/fs-port.ts';

const TORN_BLOCK_BYTES = 512;

interface FileNode {
  readonly kind: 'file';
  bytes: Buffer;
  durable: Buffer;
}
interface DirectoryNode {
  readonly kind: 'directory';
  readonly names: Map<string, Node>;
  durable: Map<string, Node>;
  /** Changes of names since the last sync, in order; each is atomic. */
  unsynced: ((names: Map<string, Node>) => void)[];
}
interface OtherNode {
  // A pipe, a socket, a device.
  readonly kind: 'other';
}
type Node = FileNode | DirectoryNode | OtherNode;

export type Operation = keyof FsPort;

export class SimFs implements FsPort {
  readonly root: DirectoryNode;
  readonly #open = new Map<number, { readonly node: Node }>();
  #nextFd = 3;
  operations = 0;
  /** Called before each operation takes effect; may throw, or return a number of bytes that `write` takes at most. */
  before: (operation: Operation, path: string) => number | void = () => undefined;

  constructor(root: DirectoryNode = directory()) {
    this.root = root;
  }

  /** The disk after a power cut. @param random  numbers in [0, 1) */
  crash(random: () => number): SimFs {
    return new SimFs(afterCrash(this.root, random, new Map()) as DirectoryNode);
  }

  /** The disk after the process alone was killed: the kernel keeps everything. */
  kill(): SimFs {
    return new SimFs(this.root);
  }

  open(path: string, mode: 'create' | 'read' | 'directory'): number {
    this.#enter('open', path);
    if (mode === 'create') {
      const parent = this.#directory(dirname(path));
      if (parent.names.has(basename(path))) throw errno('EEXIST', path);
      const node: FileNode = { kind: 'file', bytes: Buffer.alloc(0), durable: Buffer.alloc(0) };
      change(parent, (names) => names.set(basename(path), node));
      return this.#descriptor(node);
    }
    const node = this.#node(path);
    if (mode === 'directory' && node.kind !== 'directory') throw errno('ENOTDIR', path);
    return this.#descriptor(node);
  }

  write(fd: number, bytes: Uint8Array): number {
    const limit = this.#enter('write', '');
    const { node } = this.#descriptorOf(fd);
    if (node.kind !== 'file') throw errno('EBADF', '');
    const taken = bytes.subarray(0, limit ?? bytes.length);
    node.bytes = Buffer.concat([node.bytes, taken]);
    return taken.length;
  }

  read(fd: number, into: Uint8Array, at: number): number {
    const limit = this.#enter('read', '');
    const { node } = this.#descriptorOf(fd);
    if (node.kind !== 'file') throw errno('EISDIR', '');
    const bytes = node.bytes.subarray(at, at + Math.min(into.length, limit ?? into.length));
    into.set(bytes);
    return bytes.length;
  }

  fsync(fd: number): void {
    this.#enter('fsync', '');
    const { node } = this.#descriptorOf(fd);
    if (node.kind === 'file') node.durable = node.bytes;
    if (node.kind === 'directory') {
      node.durable = new Map(node.names);
      node.unsynced = [];
    }
  }

  close(fd: number): void {
    this.#open.delete(fd);
    this.#enter('close', '');
  }

  fileStatus(fd: number): FileStatus {
    this.#enter('fileStatus', '');
    const { node } = this.#descriptorOf(fd);
    return { kind: node.kind, sizeBytes: node.kind === 'file' ? node.bytes.length : 0 };
  }

  rename(from: string, to: string): void {
    this.#enter('rename', from);
    if (dirname(from) !== dirname(to)) throw errno('EXDEV', to);
    const node = this.#node(from);
    const parent = this.#directory(dirname(from));
    const target = parent.names.get(basename(to));
    if (target?.kind === 'directory' && target.names.size > 0) throw errno('ENOTEMPTY', to);
    if (target !== undefined && target.kind !== node.kind) throw errno('EISDIR', to);
    change(parent, (names) => {
      names.delete(basename(from));
      names.set(basename(to), node);
    });
  }

  link(existing: string, path: string): void {
    this.#enter('link', path);
    const node = this.#node(existing);
    const parent = this.#directory(dirname(path));
    if (parent.names.has(basename(path))) throw errno('EEXIST', path);
    change(parent, (names) => names.set(basename(path), node));
  }

  unlink(path: string): void {
    this.#enter('unlink', path);
    if (this.#node(path).kind === 'directory') throw errno('EISDIR', path);
    change(this.#directory(dirname(path)), (names) => names.delete(basename(path)));
  }

  makeDirectory(path: string): void {
    this.#enter('makeDirectory', path);
    const parent = this.#directory(dirname(path));
    if (parent.names.has(basename(path))) throw errno('EEXIST', path);
    const node = directory();
    change(parent, (names) => names.set(basename(path), node));
  }

  removeDirectory(path: string): void {
    this.#enter('removeDirectory', path);
    const node = this.#directory(path);
    if (node.names.size > 0) throw errno('ENOTEMPTY', path);
    change(this.#directory(dirname(path)), (names) => names.delete(basename(path)));
  }

  list(path: string): string[] {
    this.#enter('list', path);
    return [...this.#directory(path).names.keys()];
  }

  /** Bytes of a file, to look at or to damage. */
  file(path: string): FileNode {
    const node = this.#node(path);
    if (node.kind !== 'file') throw errno('EISDIR', path);
    return node;
  }

  /** Every path with its content: for comparing whole trees. */
  tree(): string[] {
    const paths: string[] = [];
    const visit = (node: Node, path: string): void => {
      paths.push(node.kind === 'file' ? `${path} ${node.bytes.toString('base64')}` : path);
      if (node.kind === 'directory') for (const [name, child] of node.names) visit(child, `${path}/${name}`);
    };
    visit(this.root, '');
    return paths.sort();
  }

  /** Every path, with the bytes of a file: the same object as long as nobody wrote to it. null for what is no file. */
  entries(): Map<string, Uint8Array | null> {
    const found = new Map<string, Uint8Array | null>();
    const visit = (node: Node, path: string): void => {
      if (path !== '') found.set(path, node.kind === 'file' ? node.bytes : null);
      if (node.kind === 'directory') for (const [name, child] of node.names) visit(child, `${path}/${name}`);
    };
    visit(this.root, '');
    return found;
  }

  /** What a path leads to, for telling whether two paths or two moments lead to the same. @throws ENOENT */
  identity(path: string): object {
    return this.#node(path);
  }

  get openFiles(): number {
    return this.#open.size;
  }

  #enter(operation: Operation, path: string): number | undefined {
    this.operations++;
    return this.before(operation, path) ?? undefined;
  }

  #descriptor(node: Node): number {
    const fd = this.#nextFd++;
    this.#open.set(fd, { node });
    return fd;
  }

  #descriptorOf(fd: number): { readonly node: Node } {
    const open = this.#open.get(fd);
    if (open === undefined) throw errno('EBADF', '');
    return open;
  }

  #node(path: string): Node {
    let node: Node = this.root;
    for (const name of path.split('/').filter((part) => part !== '')) {
      if (node.kind !== 'directory') throw errno('ENOTDIR', path);
      const child: Node | undefined = node.names.get(name);
      if (child === undefined) throw errno('ENOENT', path);
      node = child;
    }
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#node(path);
    if (node.kind !== 'directory') throw errno('ENOTDIR', path);
    return node;
  }
}

export function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, '${path}'`), { code });
}

/** Seeded numbers in [0, 1): mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function directory(): DirectoryNode {
  return { kind: 'directory', names: new Map(), durable: new Map(), unsynced: [] };
}

function change(parent: DirectoryNode, apply: (names: Map<string, Node>) => void): void {
  apply(parent.names);
  parent.unsynced.push(apply);
}

function afterCrash(node: Node, random: () => number, copies: Map<Node, Node>): Node {
  const known = copies.get(node);
  if (known !== undefined) return known;
  if (node.kind === 'other') return node;
  if (node.kind === 'file') {
    const bytes = node.bytes === node.durable ? node.durable : torn(node, random);
    const copy: FileNode = { kind: 'file', bytes, durable: bytes };
    copies.set(node, copy);
    return copy;
  }
  const copy = directory();
  copies.set(node, copy);
  const names = new Map(node.durable);
  // Mostly all or nothing, as journals do it; sometimes any subset, as POSIX allows.
  const mood = random();
  for (const apply of node.unsynced) if (mood < 0.25 || (mood < 0.75 && random() < 0.5)) apply(names);
  for (const [name, child] of names) copy.names.set(name, afterCrash(child, random, copies));
  copy.durable = new Map(copy.names);
  return copy;
}

/** Durable bytes, then any blocks of what was appended since; a block that was not written reads as zeros. */
function torn(node: FileNode, random: () => number): Buffer {
  const length = node.durable.length + Math.floor(random() * (node.bytes.length - node.durable.length + 1));
  const bytes = Buffer.from(node.bytes.subarray(0, length));
  for (let at = node.durable.length; at < length; at += TORN_BLOCK_BYTES)
    if (random() < 0.3) bytes.fill(0, at, Math.min(length, at + TORN_BLOCK_BYTES));
  return bytes;
}
