/** The benchmark programs: that they run, say what they ran on, and count rightly. How fast anything is, no test says. */
import { describe, expect, it } from 'vitest';
import { makeDirectory, runCli } from '../support/cli.ts';

interface Histogram {
  readonly count: number;
  readonly maxMs: number;
  record(latencyMs: number): void;
  quantileMs(share: number): number;
  toJSON(): unknown;
  add(other: unknown): void;
}

interface Table {
  get(low: number, high: number): number;
  set(low: number, high: number, value: number): void;
  add(low: number, high: number, amount: number): number;
}

interface Document {
  readonly bench: string;
  readonly commit: string | null;
  readonly seed: number;
  readonly machine: { readonly node: string; readonly cores: number };
  readonly failed: number;
  readonly scenarios: readonly { readonly error: string | null; readonly points: readonly Record<string, unknown>[] }[];
}

/** Programs of JavaScript, without types. */
async function moduleOf<T>(path: string): Promise<T> {
  return (await import(new URL(`../../bench/${path}`, import.meta.url).href)) as T;
}

async function quick(name: string, ...args: string[]): Promise<Document> {
  const { code, stdout, stderr } = await runCli(makeDirectory(), ['bench', name, '--quick', '--json', ...args]);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Document;
}

describe('benchmark programs', () => {
  it('a document tells machine, commit and seed, and holds the raw samples', async () => {
    const document = await quick('startup', '--seed', '7');
    expect(document).toMatchObject({ bench: 'startup', seed: 7, failed: 0, machine: { node: process.version } });
    expect(document).toHaveProperty('commit');
    expect(document.scenarios[0].points).toEqual([
      { kind: 'startup.point', runsMs: [expect.any(Number), expect.any(Number), expect.any(Number)] },
    ]);
  });

  it('latency: every record that was due in the window was timed at the sink', async () => {
    const { scenarios } = await quick('latency', '--rate', '10000');
    expect(scenarios[0].points.map(({ intervalMs, rate }) => ({ intervalMs, rate }))).toEqual([
      { intervalMs: null, rate: 10_000 },
      { intervalMs: 300, rate: 10_000 },
    ]);
    // One second of the schedule, in two subtasks that each begin with their first record.
    for (const { samples } of scenarios[0].points) expect(Math.abs((samples as number) - 10_000)).toBeLessThan(1000);
  });

  it('micro: a task is measured beside its reference, and compared with what is stored', async () => {
    const { scenarios } = await quick('micro', '--only', 'rings');
    const tasks = scenarios[0].points.map(({ task, nsPerItem, referenceNs, ratio }) => [
      task,
      (nsPerItem as number) / (referenceNs as number) / (ratio as number),
    ]);
    expect(tasks).toEqual([
      ['hand over in one thread', expect.closeTo(1)],
      ['hand over between two threads', expect.closeTo(1)],
    ]);
  });

  it('an option that cannot be taken is refused with exit code 2', async () => {
    const { code, stderr } = await runCli(makeDirectory(), ['bench', 'latency', '--rate', 'fast']);
    expect(stderr).toContain("--rate takes records per second, not 'fast'.");
    expect(code).toBe(2);
  });
});

describe('histogram of latencies', () => {
  it('a quantile is that of the sorted values, to 1.6 %', async () => {
    const { LatencyHistogram } = await moduleOf<{ LatencyHistogram: new () => Histogram }>('lib/histogram.mjs');
    const [one, other, all] = [new LatencyHistogram(), new LatencyHistogram(), new LatencyHistogram()];
    const values = Array.from({ length: 10_000 }, (_, i) => 0.001 * 1.0015 ** i);
    for (const [i, value] of values.entries()) (i % 3 === 0 ? one : other).record(value);
    for (const part of [one, other]) all.add(JSON.parse(JSON.stringify(part)));
    expect(all.count).toBe(values.length);
    expect(all.maxMs).toBe(values.at(-1));
    for (const share of [0.001, 0.5, 0.9, 0.99, 0.9999, 1]) {
      const exact = values[Math.ceil(share * values.length) - 1];
      expect(all.quantileMs(share) / exact).toBeGreaterThanOrEqual(0.999);
      expect(all.quantileMs(share) / exact).toBeLessThanOrEqual(1.017);
    }
  });
});

describe('bare table that keyed state is measured against', () => {
  it('does what a Map does', async () => {
    const { BareTable } = await moduleOf<{ BareTable: new (entries: number) => Table }>('state/bare-table.mjs');
    const table = new BareTable(2000);
    const model = new Map<string, number>();
    for (let i = 0; i < 10_000; i++) {
      const [low, high] = [Math.imul(i % 1999, 7919) | 0, (i % 7) - 3 || 1];
      const key = `${low} ${high}`;
      if (model.size >= 2000 && !model.has(key)) continue;
      if (i % 2 === 0) {
        table.set(low, high, i);
        model.set(key, i);
      } else {
        expect(table.add(low, high, 2)).toBe(model.get(key) ?? 0);
        model.set(key, (model.get(key) ?? 0) + 2);
      }
    }
    for (const [key, value] of model) {
      const [low, high] = key.split(' ').map(Number);
      expect(table.get(low, high)).toBe(value);
    }
  });
});
