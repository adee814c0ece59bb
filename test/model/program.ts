/**
 * The product's own file operations, taken one call at a time. Synchronous code cannot be stopped in the middle; but it does
 * nothing but calls to its `FsPort`, so where it stands is known by the replies that it has had: programs are trees of points, with a
 * branch for each reply. Where a reply is new, the program is run again from the start: it gets the replies that it had, then the new one,
 * and then those of the disk as it is, to its end. So one run works out all the points that it meets when nobody comes between, and
 * a point is worked out once.
 */
import assert from 'node:assert/strict';
import type { FileStatus, FsPort } from '../../src/snapshot/fs-port.ts';
import { type Call, type Disk, internedCall, type Reply } from './disk.ts';

/** A program that stands before a call, or has ended. */
export interface Point {
  readonly id: number;
  readonly program: Program;
  /** What led here: null, null at the start. */
  readonly before: Point | null;
  readonly reply: Reply | null;
  /** null: it has ended. Equal calls are one object. */
  readonly call: Call | null;
  readonly outcome: Outcome | null;
  /** null: none so far. */
  branches: Map<Reply, Point> | null;
}

/** Equal outcomes of equal programs are one object. */
export type Outcome = { readonly value: unknown } | { readonly error: unknown };

/** What is remembered of the replies of a stage is its result, plain data, and nothing else: the history before it is forgotten. */
export interface Stages<T = unknown> {
  readonly list: readonly ((fs: FsPort, before: never) => unknown)[];
  next<U>(stage: (fs: FsPort, before: T) => U): Stages<U>;
}

export function stages<T>(first: (fs: FsPort) => T): Stages<T> {
  return staged([first]);
}

function staged<T>(list: Stages['list']): Stages<T> {
  return { list, next: (stage) => staged([...list, stage]) };
}

let points = 0;
const outcomes = new Map<string, Outcome>();
const ids = new Map<Outcome, number>();

export function idOf(outcome: Outcome): number {
  return ids.get(outcome) as number;
}

export class Program {
  readonly name: string;
  readonly #stages: Stages;
  readonly #label: string;
  readonly #stage: number;
  /** Result of the stage before. */
  readonly #before: unknown;
  /** Later stages, by what is remembered. */
  readonly #later: Map<string, Program>;
  #start: Point | null = null;

  /** @param label  stands in the names that the program chooses at random; no other program on the disk has it */
  constructor(name: string, label: string, all: Stages, stage = 0, before: unknown = null, later = new Map<string, Program>()) {
    this.name = name;
    this.#label = label;
    this.#stages = all;
    this.#stage = stage;
    this.#before = before;
    this.#later = later;
  }

  /** @param disk  as it is now: what it does next, as long as nobody comes between, is worked out as well */
  start(disk: Disk): Point {
    this.#start ??= this.#explore(null, null, disk);
    return this.#start;
  }

  after(point: Point, reply: Reply, disk: Disk): Point {
    return point.branches?.get(reply) ?? this.#explore(point, reply, disk);
  }

  /** From its start, or from a point, to its end, with nothing in between. */
  toEnd(disk: Disk, from = this.start(disk)): { readonly disk: Disk; readonly outcome: Outcome; readonly end: Point } {
    let now = disk;
    let point = from;
    while (point.call !== null) {
      const called = now.call(point.call);
      now = called.disk;
      point = point.program.after(point, called.reply, now);
    }
    return { disk: now, outcome: point.outcome as Outcome, end: point };
  }

  /** The point behind a reply, which is new. */
  #explore(before: Point | null, reply: Reply | null, disk: Disk): Point {
    const known = before === null ? [] : [...repliesTo(before), reply as Reply];
    let first: Point | null = null;
    let at = 0;
    let last = { before, reply };
    let now = disk;
    const reach = (point: Point): Point => {
      if (last.before !== null) (last.before.branches ??= new Map()).set(last.reply, point);
      first ??= point;
      return point;
    };
    const fs = new AskingFs(
      (call) => {
        if (at < known.length) return known[at++];
        const point = reach({ id: points++, program: this, ...last, call, outcome: null, branches: null });
        const called = now.call(call);
        now = called.disk;
        last = { before: point, reply: called.reply };
        return called.reply;
      },
      `${this.#label}${this.#stage === 0 ? '' : `s${this.#stage}`}`,
    );
    let outcome: Outcome;
    try {
      outcome = { value: (this.#stages.list[this.#stage] as (fs: FsPort, before: unknown) => unknown)(fs, this.#before) };
    } catch (error) {
      outcome = { error };
    }
    const isLast = 'error' in outcome || this.#stage === this.#stages.list.length - 1;
    if (isLast) reach({ id: points++, program: this, ...last, call: null, outcome: this.#known(outcome), branches: null });
    else reach(this.#nextStage((outcome as { value: unknown }).value).start(now));
    return first as unknown as Point;
  }

  /** Whatever led there: those that remember the same go on alike. */
  #nextStage(value: unknown): Program {
    const stage = this.#stage + 1;
    const key = `${stage} ${JSON.stringify(value)}`;
    let next = this.#later.get(key);
    if (next === undefined) {
      next = new Program(this.name, this.#label, this.#stages, stage, value, this.#later);
      this.#later.set(key, next);
    }
    return next;
  }

  #known(outcome: Outcome): Outcome {
    const key = `${this.name} ${'value' in outcome ? JSON.stringify(outcome.value) : String(outcome.error)}`;
    const known = outcomes.get(key) ?? outcome;
    outcomes.set(key, known);
    if (!ids.has(known)) ids.set(known, ids.size);
    return known;
  }
}

function repliesTo(point: Point): Reply[] {
  const replies: Reply[] = [];
  for (let at = point; at.before !== null; at = at.before) replies.push(at.reply as Reply);
  return replies.toReversed();
}

/** Runs a function of files from its start to its end, with nothing in between. */
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

/** The random part of names from `paths.ts`. */
const RANDOM = /[0-9a-f]{12}$/;

/** The note of a savepoint has the savepoint's name, which the task says. */
function isGiven(name: string): boolean {
  return name.startsWith('.savepoint-');
}

/** Asks for the reply to each call. */
class AskingFs implements FsPort {
  readonly #answer: (call: Call) => Reply;
  readonly #label: string;
  readonly #names = new Map<string, string>();
  readonly #open = new Map<number, { readonly path: string; content: Buffer; readonly isNew: boolean; stored: boolean }>();

  constructor(answer: (call: Call) => Reply, label: string) {
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
    const file = this.#open.get(fd);
    assert(file !== undefined);
    return file;
  }

  #store(file: { readonly path: string; content: Buffer; stored: boolean }, synced: boolean): void {
    this.#ask({ op: 'store', path: this.#known(file.path), content: file.content.toString('latin1'), synced });
    file.stored = true;
  }

  #ask(call: Call): string | readonly string[] | null {
    const reply = this.#answer(internedCall(call));
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
