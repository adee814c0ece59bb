/** The report of the benchmarks, from documents with numbers that a formula gives: nothing is left out, and nothing lies on another. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PROMISES } from '../../bench/report/promises.mjs';
import { TEXT_SIZE, textWidth } from '../../bench/report/text.mjs';
import {
  allDocuments,
  type BenchmarkDocument,
  documentOf,
  latencyPoints,
  microPoints,
  peerPoints,
  peerScenarioPoints,
  row,
  scalingPoints,
  snapshotPoints,
  throughputPoints,
} from '../support/benchmark-documents.mjs';
import { type Element, elements, hasClass, parse } from '../support/markup.ts';
import { projectRoot } from '../support/sources.ts';

const HOSTILE = `</title></svg><script>alert("1")</script><img src=x onerror='y'> & \u0000 ${'very long name '.repeat(12)}`;

const base = mkdtempSync(join(tmpdir(), 'tidemark-report-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
let calls = 0;

describe('figures', () => {
  const { figures } = report(allDocuments());

  it('each point of a document has its mark, in the size of its value', () => {
    // 3 sizes, 2 modes, 5 shares changed; 2 modes, 3 quantiles, 3 sizes, and a fourth that only incremental has; 3 jobs on 1 to 4 threads; 4 runs of 6 quantiles.
    const marks = Object.fromEntries(
      ['snapshots-bytes', 'snapshots-time', 'snapshots-stall', 'scaling', 'latency'].map((name) => [
        name,
        marksOf(figures[name]).length,
      ]),
    );
    expect(marks).toEqual({ 'snapshots-bytes': 30, 'snapshots-time': 30, 'snapshots-stall': 21, scaling: 12, latency: 24 });
    expect(marksOf(figures['snapshots-bytes']).map(({ text }) => text)).toContain('incremental, 1 GB: 1 %, 10.5 MB');
    expect(barsOf(figures.peers)).toHaveLength(8);
    expect(barsOf(figures.peers).map(({ text }) => text)).toContain('Tidemark: 9.1 M · 2.02×');
  });

  it('throughput over time has a line for each interval and a bar for each checkpoint', () => {
    const figure = figures.throughput;
    expect(
      elements(figure, (element) => hasClass(element, 'line') && element.attributes.d.split('L').length === 100),
    ).toHaveLength(3);
    expect(barsOf(figure)).toHaveLength(99 + 9);
  });

  it('scaling shows the ideal, and peers the Map that they are held against', () => {
    expect(textsOf(figures.scaling)).toContain('ideal');
    expect(elements(figures.scaling, (element) => hasClass(element, 'guide'))).toHaveLength(2);
    expect(textsOf(figures.peers)).toContain('Map loop');
  });

  it('every figure says its axes with units, its source, and in words what it shows', () => {
    for (const [name, figure] of Object.entries(figures)) {
      const [svg] = elements(figure, (element) => element.name === 'svg');
      const ids = svg.attributes['aria-labelledby'].split(' ');
      const said = ids.map((id) => elements(figure, ({ attributes }) => attributes.id === id));
      expect(
        said.map((found) => found.length),
        name,
      ).toEqual([1, 1]);
      expect(said[1][0].text, name).toMatch(/\d/);
      expect(elements(figure, (element) => hasClass(element, 'tick')).length, name).toBeGreaterThan(2);
      expect(
        elements(figure, (element) => hasClass(element, 'foot'))
          .map(({ text }) => text)
          .join(' '),
        name,
      ).toMatch(/npm run bench \w+; Node v24.1.0, 2 cores of Example CPU 3000.* commit 0123456789, seed 1, 2026-03-01/);
    }
  });

  it('no text lies on another, and nothing lies outside', () => {
    for (const [name, figure] of Object.entries(figures)) expect(overlapsOf(figure), name).toEqual([]);
  });

  it('names that are far too long are cut rather than laid over others', () => {
    const peers = documentOf(
      'peers',
      [...peerPoints(), ...peerScenarioPoints()].map((point) => ({
        ...point,
        peer: `${HOSTILE} ${String(point.peer)}`,
        durability: HOSTILE,
      })),
    );
    const scaling = documentOf(
      'scaling',
      scalingPoints().map((point) => ({ ...point, job: `${HOSTILE} ${String(point.job)}` })),
    );
    const hostile = report([peers, scaling]).figures;
    expect(Object.keys(hostile)).toEqual(['peers-8388608', 'peers-restore', 'peers-stall', 'peers', 'scaling']);
    for (const [name, figure] of Object.entries(hostile)) expect(overlapsOf(figure), name).toEqual([]);
  });

  it('more series than colours differ by shape', () => {
    const many = Array.from({ length: 9 }, (_, index) => ({ ...scalingPoints()[0], job: `job ${index}` }));
    const marks = marksOf(report([documentOf('scaling', many)]).figures.scaling);
    expect(new Set(marks.map(({ attributes }) => `${attributes.class} ${attributes.d}`)).size).toBe(9);
  });

  it('a quick run gives no figures for publication, and says so', () => {
    const { figures: none, stderr } = report([documentOf('scaling', scalingPoints(), { quick: true })]);
    expect(none).toEqual({});
    expect(stderr).toContain('No figures of what was a quick run of scaling.');
  });
});

describe('the page', () => {
  const { html, page } = report(allDocuments());

  it('is well formed, loads nothing and runs nothing', () => {
    expect(html).not.toMatch(/<script|<link|@import|url\(/);
    expect(elements(page, ({ attributes }) => 'src' in attributes || 'href' in attributes)).toEqual([]);
    expect([...html.matchAll(/https?:[^"]*/g)].filter(([url]) => url !== 'http://www.w3.org/2000/svg')).toEqual([]);
  });

  it('has no identity twice', () => {
    const ids = elements(page, ({ attributes }) => attributes.id !== undefined).map(({ attributes }) => attributes.id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
  });

  it('begins with every promise: each row with a target, reached or missed, with the numbers behind it', () => {
    const promises = report([
      documentOf('snapshots', [], {
        scenario: 'stall',
        rows: [row('stall, p99', 0.65, 'ms', { atMost: 1 }, '4000 MB'), row('longest', 3, 'ms')],
      }),
      documentOf('throughput', [], { scenario: 'against-map', rows: [row('against the Map', 1.4, 'times', { atLeast: 1.5 })] }),
      documentOf('other', [], { scenario: 'other', rows: [row('something', 3, 'times', { atLeast: 2 })] }),
    ]).page;
    const rows = tableRows(section(promises, 'targets'));
    const under = (title: string) => {
      const at = rows.findIndex(([name]) => name === title);
      const after = rows.slice(at + 1);
      return after.slice(0, after.findIndex((cells) => cells.length === 1) >>> 0);
    };
    expect(under('A keyed count is cheaper than by other means')).toEqual([
      ['against the Map throughput, against-map', '≥ 1.5 times', '✗ missed 1.4 times'],
      ['peers, count', '– not measured at the size of its target: npm run bench peers -- --full --out bench/results/peers.json'],
    ]);
    expect(under('A checkpoint does not stop the work')[0]).toEqual([
      'stall, p99 snapshots, stall',
      '≤ 1 ms',
      '✓ reached 650 µs 4000 MB',
    ]);
    expect(under('More')).toEqual([['something other', '≥ 2 times', '✓ reached 3 times']]);
    expect(promises.text).toContain('Node 24: 2 of 3 targets reached, 1 missed.');
  });

  it('a promise looks for scenarios that the programs have', () => {
    const places = PROMISES.flatMap(({ from }) => from.map((place) => place.split('/') as [string, string]));
    for (const bench of new Set(places.map(([name]) => name))) {
      const wanted = places.filter(([name]) => name === bench).map(([, scenario]) => scenario);
      expect(scenarioNames(bench), bench).toEqual(expect.arrayContaining(wanted));
    }
  });

  it('has a sentence in each figure that says what to see, from the numbers', () => {
    const plots = elements(page, ({ name }) => name === 'svg');
    const silent = plots.filter(
      (plot) => !elements(plot, (element) => hasClass(element, 'finding')).some(({ text }) => /\d/.test(text)),
    );
    expect(silent.map((plot) => textsOf(plot)[0])).toEqual([]);
  });

  it('has the numbers of every plot in a table below it', () => {
    const plots = elements(page, ({ name }) => name === 'figure').filter(
      (figure) => elements(figure, ({ name }) => name === 'svg').length > 0,
    );
    expect(plots.length).toBeGreaterThan(25);
    for (const plot of plots) expect(tableRows(plot).length).toBeGreaterThan(0);
  });

  it('names the documents that are missing, with the command that makes each, and draws nothing for them', () => {
    const missing = section(page, 'missing');
    expect(elements(missing, ({ name }) => name === 'code').map(({ text }) => text)).toEqual([
      'npm run bench engine -- --full --out bench/results/engine.json',
      'npm run bench micro -- --full --out bench/results/micro.json',
    ]);
    expect(elements(page, ({ attributes }) => attributes.id === 'engine')).toEqual([]);
  });

  it('a document without points has its rows and no empty plot, and a scenario that failed is told', () => {
    const nothing = [{ kind: 'latency.point', rate: 10, intervalMs: null, quantilesMs: { p50: null }, samples: 0 }];
    const { page: sparse } = report([
      documentOf('snapshots', [], { rows: [row('memory', 12, 'bytes')], error: 'no space left' }),
      documentOf('latency', nothing),
      documentOf('other', [], { rows: [row('something', 3, 'times')] }),
    ]);
    expect(elements(sparse, ({ name }) => name === 'svg')).toEqual([]);
    expect(section(sparse, 'snapshots').text).toContain('Scenario snapshots-all failed: no space left');
    expect(tableRows(section(sparse, 'snapshots'))[0].slice(0, 2)).toEqual(['memory', '12 B']);
    expect(tableRows(section(sparse, 'other'))[0].slice(0, 2)).toEqual(['something', '3 times']);
  });

  it('points of another form cost their own figures and are told, not the report', () => {
    const { page: partly } = report([
      documentOf('mixed', [
        ...scalingPoints(),
        { kind: 'throughput.series', job: 'x', threads: 1, intervalMs: null },
        ...latencyPoints(),
      ]),
    ]);
    expect(elements(partly, ({ name }) => name === 'svg')).toHaveLength(2);
    expect(section(partly, 'mixed').text).toContain('Some points have another form than this report knows');
  });

  it('text of a document stays text', () => {
    const points = [
      ...snapshotPoints().map((point) => ({ ...point, distribution: HOSTILE })),
      ...peerPoints().map((point) => ({
        ...point,
        peer: `${HOSTILE}${String(point.peer)}`,
        durability: HOSTILE,
        configuration: HOSTILE,
      })),
      ...throughputPoints().map((point) => (point.kind === 'throughput.series' ? { ...point, job: HOSTILE } : point)),
      ...scalingPoints().map((point) => ({ ...point, job: HOSTILE })),
    ];
    const rows = [row(HOSTILE, 1, HOSTILE, { atLeast: 2 }, HOSTILE)];
    const { page: hostile } = report([
      { ...documentOf(HOSTILE, points, { rows, error: HOSTILE, node: HOSTILE }), commit: HOSTILE },
    ]);
    expect(elements(hostile, ({ name }) => name === 'script' || name === 'img')).toEqual([]);
    expect(elements(hostile, ({ name }) => name === 'svg').length).toBeGreaterThan(5);
    expect(section(hostile, 'targets').text).toContain(HOSTILE.replace('\u0000', '\ufffd'));
  });
});

describe('documents', () => {
  it('a full run is drawn rather than a newer quick one, and the newest of several full ones', () => {
    const old = documentOf('latency', latencyPoints(), { startedAt: '2026-01-01T00:00:00.000Z' });
    const newer = documentOf('latency', latencyPoints(), { startedAt: '2026-02-01T00:00:00.000Z' });
    const quick = documentOf('latency', latencyPoints(), { startedAt: '2026-03-01T00:00:00.000Z', quick: true });
    const { page } = report([old, quick, newer]);
    expect(section(page, 'latency').text).toContain('2026-02-01');
    expect(section(page, 'latency').text).not.toContain('A quick run');
    expect(tableRows(section(page, 'sources')).map(([, use, kind, begun]) => [use, kind, begun])).toEqual([
      ['reported: latency-all', 'full', '2026-02-01 00:00 UTC'],
      ['passed over for better ones: latency-all', 'full', '2026-01-01 00:00 UTC'],
      ['passed over for better ones: latency-all', 'quick', '2026-03-01 00:00 UTC'],
    ]);
  });

  it('targets are judged under each major version of Node, and not by a quick run', () => {
    const rows = [row('p99', 12, 'ms', { atMost: 10 })];
    const { page } = report([
      documentOf('latency', latencyPoints(), { rows, node: 'v24.1.0' }),
      documentOf('latency', latencyPoints(), { rows, node: 'v20.19.0', quick: true }),
    ]);
    expect(tableRows(section(page, 'targets'))).toContainEqual([
      'p99 latency, latency-all',
      '≤ 10 ms',
      '✗ missed 12 ms',
      '– quick run: 12 ms',
    ]);
    expect(page.text).toContain('Node 24: 0 of 1 targets reached, 1 missed.');
    expect(page.text).not.toContain('Node 20:');
    expect(page.text).toContain('1 of 2 documents are quick runs');
  });

  it('a program that was measured in parts is drawn from all of them, and what was measured again from the newer part', () => {
    const grid = snapshotPoints({ distributions: ['uniform'], valueSizes: [100] });
    const of = (bytes: number) => grid.filter(({ stateBytes }) => stateBytes === bytes);
    const part = (bytes: number, day: string, commit: string) =>
      documentOf('snapshots', of(bytes), {
        scenario: 'grid',
        startedAt: `2026-03-${day}T00:00:00.000Z`,
        settings: { states: [bytes], day },
        commit: commit.repeat(40),
        rows: [row('bytes', bytes, 'bytes')],
      });
    const again = part(1e7, '03', 'c');
    const { figures, page } = report([part(1e7, '01', 'a'), part(1e9, '02', 'b'), again]);
    expect(marksOf(figures['snapshots-bytes'])).toHaveLength(20);
    const foot = elements(figures['snapshots-bytes'], (element) => hasClass(element, 'foot'))
      .map(({ text }) => text)
      .join(' ');
    expect(foot).toContain('commit cccccccccc, bbbbbbbbbb, seed 1, 2026-03-03, 2026-03-02');
    expect(tableRows(section(page, 'sources'))).toHaveLength(3);
  });

  it('each peer is held against the Map of its own part', () => {
    const slow: ReturnType<typeof peerPoints> = peerPoints().map((point) => ({
      ...point,
      perSecondPerCore: Number(point.perSecondPerCore) / 2,
    }));
    const of = (points: typeof slow, pattern: RegExp) =>
      points.filter(({ peer, keys }) => keys === 2 ** 20 && pattern.test(String(peer)));
    const settings = (part: number) => ({ scenario: 'count', settings: { part }, startedAt: `2026-03-0${part}T00:00:00.000Z` });
    const { figures } = report([
      documentOf('peers', of(slow, /Map loop|lmdb/), settings(1)),
      documentOf('peers', of(peerPoints(), /Map loop|Tidemark|level/), settings(2)),
    ]);
    const said = barsOf(figures.peers).map(({ text }) => text);
    expect(said).toContain('lmdb: 130 k · 0.0578×');
    expect(said).toContain('classic-level: 140 k · 0.0311×');
  });

  it('parts of the engine are drawn against what is stored, and those that nothing is stored of by themselves', () => {
    const stored = section(report([documentOf('micro', microPoints())]).page, 'micro').text;
    expect(stored).toMatch(/1 of 2 are within 1.35.times of what is stored; the farthest is “scan” with 1.5.times/);
    const bare = section(report([documentOf('micro', microPoints({ stored: false }))]).page, 'micro').text;
    expect(bare).toContain('2 of 2 have no stored figure');
  });

  it('a file that is no document is named with the reason, and the others are reported', () => {
    const { page, stderr } = report([documentOf('latency', latencyPoints())], {
      'broken.json': '{"bench": ',
      'list.json': '{"bench": "x"}',
    });
    const text = section(page, 'missing').text;
    expect(text).toMatch(/broken\.json: .*JSON/);
    expect(text).toMatch(/list\.json: it has no `startedAt`/);
    expect(stderr).toMatch(/Left out .*list\.json: it has no `startedAt`/);
    expect(elements(page, ({ name }) => name === 'svg')).toHaveLength(1);
  });

  it('no document at all is an error that names a command', () => {
    const empty = mkdtempSync(join(base, 'empty-'));
    for (const path of [empty, join(empty, 'absent')]) {
      const { status, stderr } = run([path, '--out', join(empty, 'r.html')]);
      expect(status).toBe(2);
      expect(stderr).toContain('npm run bench snapshots -- --full --out bench/results/snapshots.json');
    }
  });

  it('--json tells what was written and what is missing', () => {
    const directory = store([documentOf('scaling', scalingPoints())]);
    const out = join(directory, 'r.html');
    const told: unknown = JSON.parse(run([directory, '--out', out, '--figures', join(directory, 'fig'), '--json']).stdout);
    expect(told).toMatchObject({ out, pictures: [join(directory, 'fig', 'scaling.svg')], problems: [] });
    expect(told).toHaveProperty('missing.0', {
      bench: 'snapshots',
      command: 'npm run bench snapshots -- --full --out bench/results/snapshots.json',
    });
  });
});

describe('figures that are published', () => {
  const readme = readFileSync(join(projectRoot, 'README.md'), 'utf8');
  const shown = [...readme.matchAll(/src="(docs\/figures\/[^"]+)"/g)].map(([, file]) => file);

  it('the README shows bytes and time of both kinds of checkpoint, and stalls, each from a full run', () => {
    const names = shown.map((file) => file.replace(/^.*\/|\.svg$/g, ''));
    expect(names).toEqual(expect.arrayContaining(['snapshots-bytes', 'snapshots-time', 'snapshots-stall']));
    for (const file of shown) {
      const figure = parse(readFileSync(join(projectRoot, file), 'utf8'));
      const textOf = (kind: string) =>
        elements(figure, (element) => hasClass(element, kind))
          .map(({ text }) => text)
          .join(' ');
      expect(textOf('foot'), file).toMatch(/^npm run bench \w+; Node v\d+.* commit [0-9a-f]{10}\+?, seed \d+, \d{4}-/);
      expect(textOf('finding'), file).toMatch(/\d/);
      expect(overlapsOf(figure), file).toEqual([]);
    }
  });

  it('they are legible on a light ground and on a dark one', () => {
    for (const file of shown)
      expect(readFileSync(join(projectRoot, file), 'utf8'), file).toMatch(/@media screen and \(prefers-color-scheme: dark\)/);
  });
});

/** Stores the documents, runs the program on them, and parses all that it wrote. */
function report(documents: readonly BenchmarkDocument[], others: Readonly<Record<string, string>> = {}) {
  const directory = store(documents);
  for (const [name, text] of Object.entries(others)) writeFileSync(join(directory, name), text);
  const out = join(directory, 'report.html');
  const pictures = join(directory, 'figures');
  mkdirSync(pictures);
  const { status, stderr } = run([directory, '--out', out, '--figures', pictures]);
  if (status !== 0) throw new Error(stderr);
  const html = readFileSync(out, 'utf8');
  const files = readdirSync(pictures).toSorted();
  const figures: Record<string, Element> = Object.fromEntries(
    files.map((file) => [file.replace('.svg', ''), parse(readFileSync(join(pictures, file), 'utf8'))]),
  );
  return { html, page: parse(html), figures, stderr };
}

function store(documents: readonly BenchmarkDocument[]): string {
  const directory = join(base, String(calls++));
  mkdirSync(directory);
  documents.forEach((document, index) => writeFileSync(join(directory, `${index}.json`), JSON.stringify(document)));
  return directory;
}

function run(args: readonly string[]) {
  return spawnSync(process.execPath, [join(projectRoot, 'bench/report.mjs'), ...args], { encoding: 'utf8' });
}

/** As the program itself names them when it is asked for another. */
function scenarioNames(bench: string): string[] {
  const { stderr } = spawnSync(process.execPath, [join(projectRoot, 'bench', `${bench}.mjs`), '--only', 'no such'], {
    encoding: 'utf8',
  });
  return /There are (.*)\./.exec(stderr)?.[1]?.split(', ') ?? [];
}

function section(page: Element, id: string): Element {
  const [found] = elements(page, (element) => element.name === 'section' && element.attributes.id === id);
  if (found === undefined) throw new Error(`there is no section ${id}`);
  return found;
}

/** Cells of the rows of all tables below; spaces that do not break are written as spaces. */
function tableRows(root: Element): string[][] {
  const rows = elements(root, ({ name }) => name === 'tbody').flatMap((body) => elements(body, ({ name }) => name === 'tr'));
  return rows.map((cells) => cells.children.map(({ text }) => text.replaceAll('\u00a0', ' ')));
}

/** Marks of points: those of a legend have no hint. */
function marksOf(figure: Element): Element[] {
  return hinted(figure, ({ name }) => name === 'path');
}

function barsOf(figure: Element): Element[] {
  return hinted(figure, ({ name }) => name === 'rect');
}

function hinted(figure: Element, wanted: (element: Element) => boolean): Element[] {
  const found = elements(figure, (element) => wanted(element) && element.children.some(({ name }) => name === 'title'));
  return found.map((element) => ({ ...element, text: element.text.replaceAll('\u00a0', ' ') }));
}

function textsOf(figure: Element): string[] {
  return elements(figure, ({ name }) => name === 'text').map(({ text }) => text);
}

/** Pairs of texts that share a place, texts and marks that leave the picture: by boxes of estimated width. */
function overlapsOf(figure: Element): string[] {
  const [svg] = elements(figure, ({ name }) => name === 'svg');
  const [, , width, height] = svg.attributes.viewBox.split(' ').map(Number) as [number, number, number, number];
  const boxes = elements(figure, ({ name }) => name === 'text').map(boxOf);
  const outside = boxes.filter((box) => box.left < 0 || box.right > width || box.top < 0 || box.bottom > height);
  const pairs = boxes.flatMap((a, index) =>
    boxes
      .slice(index + 1)
      .filter((b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)
      .map((b) => `'${a.text}' and '${b.text}'`),
  );
  const strayed = marksOf(figure).filter(({ attributes }) => {
    const [x, y] = /translate\(([\d.]+) ([\d.]+)\)/.exec(attributes.transform)!.slice(1).map(Number) as [number, number];
    return x > width || y > height;
  });
  return [...pairs, ...outside.map(({ text }) => `'${text}' outside`), ...strayed.map(({ text }) => `mark of ${text} outside`)];
}

function boxOf(element: Element) {
  const [x, y] = [Number(element.attributes.x), Number(element.attributes.y)];
  const name = (Object.keys(TEXT_SIZE) as (keyof typeof TEXT_SIZE)[]).find((kind) => hasClass(element, kind));
  if (name === undefined) throw new Error(`a text of no known size: ${element.text}`);
  const size = TEXT_SIZE[name];
  const width = textWidth(element.text, size, name === 'title');
  const anchor = element.attributes['text-anchor'] ?? 'start';
  const left = anchor === 'start' ? x : anchor === 'end' ? x - width : x - width / 2;
  // From the top of a digit to the base line: descenders may reach into the next line's room, as in any paragraph.
  return { left, right: left + width, top: y - size * 0.75, bottom: y, text: element.text };
}
