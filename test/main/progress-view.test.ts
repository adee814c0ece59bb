import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JobProgress, OperatorProgress, StageProgress } from '../../src/main/handle.ts';
import { humanBytes, humanCount, humanDuration } from '../../src/main/human.ts';
import { plainLine, renderProgress, summaryLines } from '../../src/main/progress-view.ts';
import { canRedraw, LiveFrame, painter, truncate, visibleWidth } from '../../src/main/terminal.ts';
import { renderTable } from '../../src/main/text-table.ts';

const plain = painter(false, {});
const colored = painter(true, {});

const operator = (name: string, recordsInPerSecond: number, recordsOutPerSecond: number): OperatorProgress => ({
  uid: name,
  name,
  recordsIn: 0,
  recordsOut: 0,
  recordsInPerSecond,
  recordsOutPerSecond,
});

const stage = (name: string, change: Partial<StageProgress> = {}): StageProgress => ({
  name,
  operators: [operator(name, 512_000, 4_100_000)],
  parallelism: 2,
  busy: 0.75,
  backpressured: 0.1,
  idle: 0.15,
  recordsIn: 1000,
  recordsOut: 900,
  recordsInPerSecond: 512_000,
  recordsOutPerSecond: 4_100_000,
  stateEntries: 0,
  stateBytes: 0,
  finishedSubtasks: 0,
  ...change,
});

const progress = (change: Partial<JobProgress> = {}): JobProgress => ({
  jobId: 'a'.repeat(32),
  jobName: 'word-count',
  state: 'running',
  startedAt: 0,
  runningMs: 12_300,
  attempt: 1,
  restarts: 0,
  stages: [
    stage('lines -> split', { operators: [operator('lines', 512_000, 512_000), operator('split', 512_000, 4_100_000)] }),
    stage('count', { busy: 0.2, backpressured: 0, stateEntries: 1_200_000, stateBytes: 67_108_864 }),
  ],
  checkpoints: { completed: 12, failed: 0, inProgress: 1 },
  lastCheckpoint: {
    checkpointId: 12,
    path: '/c/chk-12',
    kind: 'checkpoint',
    trigger: 'periodic',
    durationMs: 210,
    newBytes: 1_258_291,
    referencedBytes: 41_943_040,
    liveBytes: 40_000_000,
    files: 9,
    syncMs: 0.2,
    completedAt: 97_000,
  },
  inputProgress: 0.42,
  etaMs: 18_000,
  records: 4_210_000,
  malformed: 0,
  nextAttemptInMs: null,
  lastError: null,
  ...change,
});

const view = (width: number, height = 24) => ({ width, height, paint: plain, nowMs: 100_000 });

describe('progress frame', () => {
  test('progress frame: says job, rates of each operator, shares of time, state, last checkpoint and time left', () => {
    expect(renderProgress(progress(), view(110))).toEqual([
      'word-count  running  12.3 s · 4.21 M records · 42 % · 18.0 s left',
      '  stage           x   in/s   out/s  busy █ blocked ▒  busy  state',
      '  lines -> split  2  512 k  4.10 M  █████████▒░░      75 %',
      '    lines            512 k   512 k',
      '    split            512 k  4.10 M',
      '  count           2  512 k  4.10 M  ██░░░░░░░░░░      20 %  1.20 M entries, 64.0 MB',
      '  checkpoint 12 in 210 ms: 1.20 MB new, 40.0 MB referenced, 3.0 s ago (12 completed, one under way)',
    ]);
  });

  test('progress frame: a terminal that is too low for the operators has the stages', () => {
    const whole = renderProgress(progress(), view(110, 8));
    const lower = renderProgress(progress(), view(110, 7));
    expect(whole).toHaveLength(7);
    expect(lower.map((line) => line.split('  ')[1])).toEqual(['running', 'stage', 'lines -> split', 'count', expect.any(String)]);
  });

  test('progress frame: no line is wider than the terminal, whatever its width and the names', () => {
    const name = fc.string({ unit: fc.constantFrom('a', ' ', '€', '\u001b', '\n', '\r', '[', '2', 'J'), maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 30, max: 200 }), name, name, fc.boolean(), (width, jobName, stageName, restarting) => {
        const shown = progress({
          jobName,
          stages: [stage(stageName, { stateEntries: 5, operators: [operator(stageName, 1, 1), operator(jobName, 1e9, 0)] })],
          ...(restarting && { state: 'restarting', nextAttemptInMs: 1500, lastError: `${stageName} broke\nat x` }),
        });
        for (const paint of [plain, colored]) {
          for (const line of renderProgress(shown, { ...view(width), paint })) {
            expect(visibleWidth(line)).toBeLessThanOrEqual(width);
            if (paint === plain) expect(line).toMatch(/^\P{Cc}*$/u);
          }
        }
      }),
    );
  });

  test('progress frame: on a narrow terminal the names and the rates remain', () => {
    const lines = renderProgress(progress(), view(40));
    expect(lines[2]).toMatch(/^ {2}lines -> split +512 k/);
    expect(lines[1]).not.toContain('state');
  });

  test('progress frame: a stage whose subtasks have finished says so', () => {
    const lines = renderProgress(progress({ stages: [stage('lines', { finishedSubtasks: 2 })] }), view(110));
    expect(lines[2]).toContain('finished');
    expect(lines[2]).not.toContain('█');
  });

  test('progress frame: while restarting it says when and after what', () => {
    const lines = renderProgress(
      progress({ state: 'restarting', nextAttemptInMs: 1500, lastError: 'ERR_OPERATOR_FAILED: boom\nat x', restarts: 2 }),
      view(110),
    );
    expect(lines.at(-1)).toBe('  restarting in 1.5 s after: ERR_OPERATOR_FAILED: boom');
    expect(lines[0]).toContain('2 restarts');
  });

  test('plain line: one line with the same facts', () => {
    expect(plainLine(progress({ lastCheckpoint: null, checkpoints: { completed: 0, failed: 1, inProgress: 0 } }), 100_000)).toBe(
      'word-count running · 12.3 s · 4.21 M records · 42 % · 18.0 s left · no checkpoint yet (0 completed, 1 failed) · ' +
        'lines 512 k/s -> split 512 k/s: 75 % busy, 10 % blocked · count 512 k/s: 20 % busy, 0 % blocked',
    );
    const finished = progress({ stages: [stage('lines', { finishedSubtasks: 2 })] });
    expect(plainLine(finished, 100_000)).toMatch(/ago \(12 completed, one under way\) · lines: finished$/);
  });

  test('summary: names what a person wants to know at the end', () => {
    const result = {
      status: 'finished',
      jobId: 'b'.repeat(32),
      jobName: 'word-count',
      records: 10_000,
      durationMs: 2_000,
      checkpoints: { completed: 3, failed: 1 },
      lastCheckpoint: '/c/chk-3',
      restoredFrom: '/c/chk-1',
      restarts: 1,
      collected: 0,
      malformed: 7,
    } as const;
    const text = summaryLines(result, progress().lastCheckpoint, plain).join('\n');
    expect(text).toContain('word-count finished in 2.0 s: 10.0 k records, 5.00 k/s');
    for (const part of ['/c/chk-1', '/c/chk-3', '3 completed, 1 failed', '7 records', 'b'.repeat(32), '38.1 MB live in 9 files'])
      expect(text).toContain(part);
  });
});

describe('live frame', () => {
  /** A terminal with an unlimited screen: what is visible after all writes, and how many writes there were. */
  class Screen {
    lines: string[] = [''];
    row = 0;
    column = 0;
    cursor = true;
    writes = 0;
    readonly rows = 24;
    write(text: string): void {
      this.writes++;
      // oxlint-disable-next-line no-control-regex -- the escape sequences of the terminal
      for (const [token, n] of [...text.matchAll(/\u001b\[\??(\d*)[A-Zahl]|\n|\r|./gu)].map(
        (m) => [m[0], Number(m[1] || 1)] as const,
      )) {
        if (token === '\n') {
          this.row++;
          this.column = 0;
          this.lines[this.row] ??= '';
        } else if (token === '\r') this.column = 0;
        else if (token.endsWith('A') && token.startsWith('\u001b')) this.row -= n;
        else if (token === '\u001b[K') this.lines[this.row] = this.lines[this.row].slice(0, this.column);
        else if (token === '\u001b[J') {
          this.lines.length = this.row + 1;
          this.lines[this.row] = this.lines[this.row].slice(0, this.column);
        } else if (token === '\u001b[?25l') this.cursor = false;
        else if (token === '\u001b[?25h') this.cursor = true;
        else {
          const line = this.lines[this.row];
          this.lines[this.row] = line.slice(0, this.column) + token + line.slice(this.column + 1);
          this.column++;
        }
      }
      expect(this.row).toBeGreaterThanOrEqual(0);
    }
  }

  test('live frame: what is printed stays above it, frames replace each other, each with one write', () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'b', ' '), minLength: 1, maxLength: 8 });
    const step = fc.oneof(
      fc.record({ draw: fc.array(line, { minLength: 1, maxLength: 5 }) }),
      fc.record({ print: fc.array(line, { minLength: 1, maxLength: 3 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const screen = new Screen();
        const frame = new LiveFrame(screen);
        const printed: string[] = [];
        let drawn: string[] = [];
        for (const [i, action] of steps.entries()) {
          if ('draw' in action) frame.draw((drawn = action.draw));
          else {
            printed.push(...action.print);
            frame.print(action.print.join('\n'));
          }
          expect(screen.writes).toBe(i + 1);
          expect(screen.lines).toEqual([...printed, ...drawn, '']);
          expect(screen.cursor).toBe(drawn.length === 0);
        }
        frame.close();
        expect(screen.lines).toEqual([...printed, '']);
        expect(screen.cursor).toBe(true);
      }),
    );
  });

  test('live frame: never draws more lines than can be reached again', () => {
    const screen = new Screen();
    new LiveFrame(screen).draw(Array.from({ length: 100 }, (_, i) => `line ${i}`));
    expect(screen.lines.length).toBe(24);
  });
});

describe('terminal', () => {
  test.each<[string, boolean, Record<string, string>, boolean]>([
    ['a terminal', true, {}, true],
    ['no terminal', false, {}, false],
    ['NO_COLOR', true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
    ['an empty NO_COLOR', true, { NO_COLOR: '' }, true],
    ['FORCE_COLOR', false, { FORCE_COLOR: '1' }, true],
    ['FORCE_COLOR=0', false, { FORCE_COLOR: '0' }, false],
    ['a dumb terminal', true, { TERM: 'dumb' }, false],
  ])('color: %s', (_, isTerminal, env, expected) => expect(painter(isTerminal, env)('red', 'x') !== 'x').toBe(expected));

  test('frames: not without a terminal, not on a build server', () => {
    expect([
      canRedraw(true, {}),
      canRedraw(false, {}),
      canRedraw(true, { CI: 'true' }),
      canRedraw(true, { TERM: 'dumb' }),
    ]).toEqual([true, false, false, false]);
  });

  test('truncate: marks the cut and counts letters, not code units', () => {
    expect([truncate('abc', 3), truncate('abcd', 3), truncate('ab', 1), truncate('😀😀😀', 2)]).toEqual([
      'abc',
      'ab…',
      'a',
      '😀…',
    ]);
  });

  test('table: columns are left out in their order until it fits', () => {
    const columns = [
      { title: 'name', align: 'left', dropOrder: 0 },
      { title: 'b', align: 'right', dropOrder: 2 },
      { title: 'c', align: 'right', dropOrder: 1 },
    ] as const;
    const rows = [['long name', '22', '333']];
    expect(renderTable(columns, rows)).toEqual(['name        b    c', 'long name  22  333']);
    expect(renderTable(columns, rows, 15)).toEqual(['name         c', 'long name  333']);
    expect(renderTable(columns, rows, 5)).toEqual(['name', 'long name']);
  });
});

describe('human numbers', () => {
  test.each([
    [0, '0'],
    [999, '999'],
    [999.4, '999'],
    [1_000, '1.00 k'],
    [12_345, '12.3 k'],
    [999_499, '999 k'],
    [999_500, '1.00 M'],
    [4_210_000, '4.21 M'],
    [1e15, '1000 T'],
  ])('count: %d is %s', (n, text) => expect(humanCount(n)).toBe(text));
  test.each([
    [0, '0 B'],
    [1023, '1.00 KB'],
    [1024, '1.00 KB'],
    [1_258_291, '1.20 MB'],
    [2 ** 40, '1.00 TB'],
  ])('bytes: %d is %s', (n, text) => expect(humanBytes(n)).toBe(text));
  test.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [999.6, '1.0 s'],
    [59_949, '59.9 s'],
    [59_960, '1 min 00 s'],
    [125_000, '2 min 05 s'],
    [3_600_000, '1 h 00 min'],
    [200_000_000, '2 d 7 h'],
  ])('duration: %d ms is %s', (n, text) => expect(humanDuration(n)).toBe(text));
});
