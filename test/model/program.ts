/**
 * The product's own file operations, taken one call at a time. Synchronous code cannot be stopped in the middle; but it does
 * nothing but calls to its `FsPort`, so where it stands is known by the replies that it has had. To go on by one call it is run
 * again from the start: it gets the replies that it had, then the new one, and its next call ends the run.
 *
 * Each such point is worked out once: programs are trees of points, with a branch for each reply.
 */
import assert from 'node:assert/strict';
import type { FileStatus, FsPort } from '../../src/snapshot/fs-port.ts';
import type { Call, Disk, Reply } from './disk.ts';

/** A program that has stopped before a call, or has ended. */
export interface Point {
  readonly id: number;
  readonly program: Program;
  readonly replies: readonly Reply[];
  /** null: it has ended. */
  readonly call: Call | null;
  readonly outcome: Outcome | null;
}

/** Equal outcomes of equal programs are one object. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

let points = 0;
const outcomes = new Map<string, Outcome>();
const ids = new Map<Outcome, number>();

export function idOf(outcome: Outcome): number {
  return ids.get(outcome) as number;
}

export class Program {
  readonly name: string;
  readonly #run: (fs: FsPort) => unknown;
  readonly #label: string;
  readonly #branches = new Map<Point, Map<Reply, Point>>();
  #start: Point | null = null;

  /** @param label  stands in the names that the program chooses at random; no other program on the disk has it */
  constructor(name: string, label: string, run: (fs: FsPort) => unknown) {
    this.name = name;
    this.#label = label;
    this.#run = run;
  }

  get start(): Point {
    this.#start ??= this.#reach([]);
    return this.#start;
  }

  after(point: Point, reply: Reply): Point {
    const branches = this.#branches.get(point) ?? new Map<Reply, Point>();
    this.#branches.set(point, branches);
    let next = branches.get(reply);
    if (next === undefined) {
      next = this.#reach([...point.replies, reply]);
      branches.set(reply, next);
    }
    return next;
  }

  #reach(replies: readonly Reply[]): Point {
    let at = 0;
    const fs = new AskingFs((_call) => replies[at++] ?? null, this.#label);
    let outcome: Outcome;
    try {
      outcome = { value: this.#run(fs) };
    } catch (error) {
      outcome = { error };
    }
    const call = fs.stoppedAt;
    return { id: points++, program: this, replies, call, outcome: call === null ? this.#known(outcome) : null };
  }

  #known(outcome: Outcome): Outcome {
    const key = `${this.name} ${'value' in outcome ? JSON.stringify(outcome.value) : String(outcome.error)}`;
    const known = outcomes.get(key) ?? outcome;
    outcomes.set(key, known);
    if (!ids.has(known)) ids.set(known, ids.size);
    return known;
  }
}

/** Runs a program from its start to its end, with nothing in between. */
export function runAlone<T>(disk: Disk, run: (fs: FsPort) => T): { readonly disk: Disk; readonly value: T } {
  let now = disk;
  const fs = new AskingFs((call) => {
    const called = now.call(call);
    now = called.disk;
    return called.reply;
  }, 'alone');
  const value = run(fs);
  return { disk: now, value };
}

/** Thrown out of the call at which a program stops, and out of every later one: some failures are passed over. */
const STOP = new Error('stopped here');
/** The random part of names from `paths.ts`. */
const RANDOM = /[0-9a-f]{12}$/;

/** The note of a savepoint has the savepoint's name, which the task says. */
function isGiven(name: string): boolean {
  return name.startsWith('.savepoint-');
}

/** Asks for the reply to each call; null: the program stops before it. */
class AskingFs implements FsPort {
  stoppedAt: Call | null = null;
  readonly #answer: (call: Call) => Reply | null;
  readonly #label: string;
  readonly #names = new Map<string, string>();
  readonly #open = new Map<number, { readonly path: string; content: Buffer; readonly isNew: boolean; stored: boolean }>();

  constructor(answer: (call: Call) => Reply | null, label: string) {
    this.#answer = answer;
    this.#label = label;
  }

  open(path: string, mode: 'create' | 'read' | 'directory'): number {
    const isNew = mode === 'create';
    const op = { create: 'create', read: 'open', directory: 'look' } as const;
    const content = this.#ask({ op: op[mode], path: this.#known(path) });
    const fd = this.#open.size;
    this.#open.set(fd, { path, content: Buffer.from((content as string | null) ?? '', 'latin1'), isNew, stored: !isNew });
    return fd;
  }

  write(fd: number, bytes: Uint8Array): number {
    const file = this.#file(fd);
    file.content = Buffer.concat([file.content, bytes]);
    file.stored = false;
    return bytes.length;
  }

  read(fd: number, into: Uint8Array, at: number): number {
    const bytes = this.#file(fd).content.subarray(at, at + into.length);
    into.set(bytes);
    return bytes.length;
  }

  fsync(fd: number): void {
    const file = this.#file(fd);
    if (file.isNew) this.#store(file, true);
    else this.#ask({ op: 'sync', path: this.#known(file.path) });
  }

  close(fd: number): void {
    const file = this.#file(fd);
    if (!file.stored) this.#store(file, false);
  }

  fileStatus(fd: number): FileStatus {
    return { kind: 'file', sizeBytes: this.#file(fd).content.length };
  }

  rename(from: string, to: string): void {
    this.#ask({ op: 'rename', path: this.#known(from), to: this.#known(to) });
  }

  link(existing: string, path: string): void {
    this.#ask({ op: 'link', path: this.#known(existing), to: this.#known(path) });
  }

  unlink(path: string): void {
    this.#ask({ op: 'unlink', path: this.#known(path) });
  }

  makeDirectory(path: string): void {
    this.#ask({ op: 'makeDirectory', path: this.#known(path) });
  }

  removeDirectory(path: string): void {
    this.#ask({ op: 'removeDirectory', path: this.#known(path) });
  }

  list(path: string): string[] {
    return [...(this.#ask({ op: 'list', path: this.#known(path) }) as readonly string[])];
  }

  #file(fd: number) {
    if (this.stoppedAt !== null) throw STOP;
    const file = this.#open.get(fd);
    assert(file !== undefined);
    return file;
  }

  #store(file: { readonly path: string; content: Buffer; stored: boolean }, synced: boolean): void {
    this.#ask({ op: 'store', path: this.#known(file.path), content: file.content.toString('latin1'), synced });
    file.stored = true;
  }

  #ask(call: Call): string | readonly string[] | null {
    if (this.stoppedAt !== null) throw STOP;
    const reply = this.#answer(call);
    if (reply === null) {
      this.stoppedAt = call;
      throw STOP;
    }
    if ('errno' in reply) throw Object.assign(new Error(reply.errno), { code: reply.errno });
    return reply.value;
  }

  /** A name that was chosen at random gets the next one of the program's own: every run chooses others. */
  #known(path: string): string {
    return path
      .split('/')
      .map((name) => (name.startsWith('.') && !isGiven(name) ? name.replace(RANDOM, (random) => this.#nameFor(random)) : name))
      .join('/');
  }

  #nameFor(random: string): string {
    let name = this.#names.get(random);
    if (name === undefined) {
      name = `${this.#label}.${this.#names.size}`;
      this.#names.set(random, name);
    }
    return name;
  }
}
