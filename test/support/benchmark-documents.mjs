/**
 * Documents as benchmark programs store them, with made-up numbers of a likely size: what the report draws in its tests. Every
 * number follows from a formula, so a test can say what should be in the picture.
 */

const KB = 1e3;
const MB = 1e6;

/** @param node  version, as `process.version` writes it */
export function documentOf(
  bench,
  points,
  {
    quick = false,
    startedAt = '2026-03-01T10:00:00.000Z',
    node = 'v24.1.0',
    rows = [],
    error = null,
    scenario = `${bench}-all`,
    settings = {},
    commit = '0123456789abcdef0123456789abcdef01234567',
  } = {},
) {
  const machine = { node, cpu: 'Example CPU 3000', cores: 2, memoryBytes: 16 * 2 ** 30, platform: 'linux x64' };
  const scenarios = [{ name: scenario, question: `What does ${bench} say?`, error, rows, points }];
  const passed = rows.filter(({ pass }) => pass === true).length;
  const missed = rows.filter(({ pass }) => pass === false).length;
  return {
    bench,
    startedAt,
    commit,
    seed: 1,
    quick,
    settings,
    machine,
    passed,
    missed,
    failed: error ? 1 : 0,
    scenarios,
  };
}

export function row(measure, value, unit, target = null, detail = '') {
  const pass = target === null ? null : target.atLeast === undefined ? value <= target.atMost : value >= target.atLeast;
  return { measure, value, unit, target, pass, detail };
}

export const SHARES = [0.001, 0.01, 0.1, 0.5, 1];

/** A grid of two modes over three sizes and five shares, for each distribution and size of values. */
export function snapshotPoints({
  sizes = [10 * MB, 100 * MB, 1000 * MB],
  distributions = ['uniform', 'zipf'],
  valueSizes = [8, 100, 1000],
} = {}) {
  const points = [];
  for (const distribution of distributions)
    for (const valueBytes of valueSizes)
      for (const stateBytes of sizes) {
        for (const changedShare of SHARES)
          for (const mode of ['full', 'incremental'])
            points.push(gridPoint({ mode, stateBytes, valueBytes, changedShare, distribution }));
        points.push({
          kind: 'snapshots.crossover',
          stateBytes,
          valueBytes,
          distribution,
          changedShare: 0.62,
          byTime: distribution === 'zipf' ? null : 0.62,
          byBytes: null,
        });
      }
  return points;
}

function gridPoint({ mode, stateBytes, valueBytes, changedShare, distribution }) {
  const entries = Math.round(stateBytes / (8 + valueBytes));
  const share = mode === 'full' ? 1 : distribution === 'zipf' ? changedShare * 0.7 : changedShare;
  const newBytes = stateBytes * share * 1.05 + 900;
  return {
    kind: 'snapshots.grid',
    mode,
    stateBytes,
    entries,
    valueBytes,
    changedShare,
    distribution,
    checkpoints: [0.9, 1, 1.3].map((factor) => ({
      newBytes: newBytes * (0.9 + factor / 10),
      referencedBytes: stateBytes,
      files: 2,
      syncMs: 0.05 * factor,
      durableMs: (newBytes / (400 * MB)) * 1000 * factor + 6,
      changedEntries: Math.round(entries * share),
    })),
    stallMs: [0.04, 0.045, 0.05, 0.07, 0.4 + stateBytes / (4000 * MB)].map((ms) =>
      mode === 'full' ? ms * 2 + stateBytes / (80 * MB) : ms,
    ),
    throughputKept: 1 - share * 0.4,
    perSecondWith: [0.95, 1, 1.02].map((factor) => 8 * MB * factor * (1 - share * 0.4)),
    perSecondWithout: [8 * MB, 8 * MB, 8 * MB],
    writtenBytesPerCheckpoint: newBytes * (mode === 'full' ? 1 : 2.5),
    restoreMs: stateBytes / (900 * KB) + (mode === 'full' ? 0 : 12),
    writeAmplification: 1.4,
    spaceAmplification: 1.2,
    rssBytes: stateBytes * 1.8 + 90 * MB,
  };
}

/** Of the scenarios beside the grid. */
export function snapshotScenarioPoints() {
  const stream = { intervalMs: 100, windowMs: 2000, pairs: 3 };
  return [
    { kind: 'snapshots.stall', stateBytes: 4000 * MB, valueBytes: 1000, ...stream, stallMs: [0.05, 0.06, 0.07, 0.7] },
    {
      kind: 'snapshots.frequent',
      stateBytes: 1000 * MB,
      valueBytes: 92,
      ...stream,
      perSecondWithout: [8 * MB, 8.2 * MB, 8.1 * MB],
      perSecondWith: [7.8 * MB, 7.9 * MB, 8 * MB],
      stallMs: [0.05, 0.3],
      streamed: Array.from({ length: 60 }, () => ({ durationMs: 60, newBytes: MB, changedEntries: 10_000 })),
    },
    {
      kind: 'snapshots.memory',
      stateBytes: 420 * MB,
      entries: 10 * MB,
      valueBytes: 8,
      intervalMs: 1000,
      durationMs: 60_000,
      processBytes: 90 * MB,
      rssBytes: Array.from({ length: 60 }, (_, index) => (480 + 60 * Math.sqrt(index / 60)) * MB),
      records: 30 * MB,
      checkpoints: 60,
    },
    {
      kind: 'snapshots.growth',
      valueBytes: 100,
      fixedMs: 8,
      perEntryMs: 0.0003,
      rSquared: 0.9912,
      samples: [100, 1000, 10_000, 100_000, 1_000_000].map((changedEntries, index) => ({
        changedEntries,
        durableMs: (8 + changedEntries * 0.0003) * (index % 2 === 0 ? 1.1 : 0.95),
      })),
    },
  ];
}

export function throughputPoints() {
  const run = (perCore) => ({ perSecond: perCore * 2, records: perCore * 10, elapsedMs: 5000, cpuMs: 10_000 });
  return [
    ...seriesPoints(),
    ...[2 ** 20, 2 ** 23].map((keys) => ({
      kind: 'throughput.against-map',
      keys,
      threads: 2,
      intervalMs: 1000,
      job: [8.8, 9.1, 9.2].map((millions) => run(millions * MB)),
      map: [4.4, 4.5, 4.6].map((millions) => run(millions * MB)),
    })),
    ...[null, 1000].flatMap((intervalMs) =>
      [1_000_000, 10_000_000].map((keys, index) => {
        const ns = 110 * (1 + index * 0.7) + (intervalMs === null ? 0 : 25);
        return {
          kind: 'throughput.growth',
          keys,
          threads: 2,
          intervalMs,
          nsPerRecord: ns,
          runs: [0.95, 1, 1.1].map((f) => f * ns),
        };
      }),
    ),
  ];
}

function seriesPoints() {
  return [null, 1000, 100].map((intervalMs, index) => {
    const samples = [];
    let records = 0;
    for (let tick = 0; tick <= 100; tick++) {
      samples.push({ atMs: 500 + tick * 100, records });
      records += 1.8 * MB * (1 - index * 0.04) + 90 * KB * Math.sin(tick * (index + 1));
    }
    const times = intervalMs === null ? 0 : Math.floor(10_000 / intervalMs) - 1;
    const checkpoints = Array.from({ length: times }, (_, n) => ({
      atMs: 500 + (n + 1) * intervalMs,
      durableMs: intervalMs / 3,
      newBytes: 4 * MB,
    }));
    return { kind: 'throughput.series', job: 'count-numbers', threads: 2, intervalMs, samples, checkpoints };
  });
}

export function scalingPoints() {
  const jobs = { 'count-numbers': 0.89, 'count-words': 0.8, burn: 0.97 };
  return Object.entries(jobs).flatMap(([job, share]) =>
    [1, 2, 3, 4].map((threads) => {
      const perSecond = 9 * MB * (1 + (threads - 1) * share);
      return {
        kind: 'scaling.point',
        job,
        threads,
        perSecond,
        cpuMs: threads * 5000,
        runs: [0.94, 0.98, 1, 1.01, 1.03].map((f) => f * perSecond),
      };
    }),
  );
}

export function latencyPoints() {
  const base = { p50: 1.1, p90: 2.3, p99: 6.2, p999: 18, p9999: 34, max: 61 };
  return [null, 1000].flatMap((intervalMs, index) =>
    [100 * KB, 4 * MB].map((rate, step) => ({
      kind: 'latency.point',
      rate,
      intervalMs,
      quantilesMs: Object.fromEntries(Object.entries(base).map(([name, ms]) => [name, ms * (1 + index * 0.5 + step * 0.8)])),
      samples: 200_000,
    })),
  );
}

export function statePoints() {
  const operations = ['get', 'update', 'add', 'map get', 'map put', 'map iterate', 'list append'];
  return operations.flatMap((operation, index) =>
    ['one', 'batched', 'baseline'].map((mode, step) => {
      const perSecond = (24 * MB * (1 + step)) / (index + 1);
      return {
        kind: 'state.operation',
        operation,
        mode,
        entries: 500_000,
        perSecond,
        runs: [0.95, 1, 1.02].map((f) => f * perSecond),
      };
    }),
  );
}

export function stateMemoryPoints() {
  return [
    [4, 8],
    [8, 8],
    [16, 100],
  ].map(([keyBytes, valueBytes]) => ({
    kind: 'state.memory',
    keyBytes,
    valueBytes,
    entries: 500_000,
    peakBytes: 500_000 * (keyBytes + valueBytes + 16) * (keyBytes === 8 ? 1.63 : 1.5),
    cleaningShare: 0.3,
  }));
}

/** @param stored  whether this version of Node has figures to be compared with */
export function microPoints({ stored = true } = {}) {
  const tasks = { hashes: ['key hash of 8 B', 'content hash of 1 MiB'], tables: ['write scattered entries', 'scan'] };
  return Object.entries(tasks).flatMap(([group, names]) =>
    names.map((task, index) => {
      const ratio = 3 + index;
      return {
        kind: 'micro.task',
        group,
        task,
        unit: 'entry',
        storedRatio: stored ? ratio / (task === 'scan' ? 1.5 : 1.02) : null,
        nsPerItem: ratio * 3,
        referenceNs: 3,
        ratio,
        rounds: [1, 1.1, 1.2].map((f) => ({ nsPerItem: ratio * 3 * f, referenceNs: 3, ratio: ratio * f })),
      };
    }),
  );
}

export function exchangePoints() {
  return [1, 2].flatMap((threads) =>
    [8, 112].flatMap((recordBytes) =>
      ['none', 'hash', 'rebalance'].map((exchange, index) => {
        const perCore = (2200 * MB) / (recordBytes + 100) / (1 + index / 3);
        const runs = [0.9, 1, 1.05].map((f) => ({ perSecond: perCore * threads * f, cpuMs: 2000 * threads, elapsedMs: 2000 }));
        const kind = exchange === 'none' ? 'exchange.generator' : 'exchange.point';
        return { kind, exchange, threads, recordBytes, perSecond: perCore * threads, perSecondPerCore: perCore, runs };
      }),
    ),
  );
}

export function restorePoints() {
  return [1, 2].flatMap((threads) =>
    [10 * MB, 100 * MB, 1000 * MB].map((bytes) => {
      const durationMs = 40 + bytes / (500 * KB * threads);
      return {
        kind: 'restore.point',
        entries: bytes / 24,
        bytes,
        threads,
        durationMs,
        runs: [0.97, 1, 1.2].map((f) => f * durationMs),
      };
    }),
  );
}

export function startupPoints() {
  return [{ kind: 'startup.point', runsMs: [255, 260, 262, 259, 281] }];
}

export function peerPoints() {
  /** @type {[string, string, number, number[] | null][]} */
  const peers = [
    ['Tidemark', 'incremental checkpoint each second, synced', 9.1 * MB, [0.05, 0.06, 0.5]],
    ['Map loop', 'none', 4.5 * MB, null],
    ['Map and v8.serialize', 'dump each second, synced', 1.9 * MB, [180, 190, 240]],
    ['Flink, hash map backend', 'incremental checkpoint each second', 1.7 * MB, [3, 5, 30]],
    ['Flink, RocksDB backend', 'incremental checkpoint each second', 310 * KB, [4, 6, 44]],
    ['lmdb', 'synced each second', 260 * KB, null],
    ['better-sqlite3', 'WAL, synced each second', 190 * KB, null],
    ['classic-level', 'write batches, synced each second', 140 * KB, null],
  ];
  return [2 ** 20, 2 ** 23].flatMap((keys) =>
    peers.map(([peer, durability, perCore, stallMs]) => {
      const perSecondPerCore = perCore * (keys > 2 ** 20 ? 0.6 : 1);
      const cpuSeconds = 20;
      const seconds = 10;
      return {
        kind: 'peers.count',
        peer,
        keys,
        seconds,
        perSecond: perSecondPerCore * 2,
        cpuSeconds,
        perSecondPerCore,
        durability,
        runs: [0.93, 0.98, 1, 1.01, 1.06].map((f) => ({ perSecond: perSecondPerCore * 2 * f, cpuSeconds })),
        stallMs,
        configuration: `${peer} as its documentation advises`,
      };
    }),
  );
}

/** Of the scenarios beside the count. */
export function peerScenarioPoints() {
  const restores = { Tidemark: 1400, 'Flink, hash map backend': 11_400, 'Flink, RocksDB backend': 209 };
  return [
    { kind: 'peers.stall', peer: 'Map, v8.serialize', bytes: 1100 * MB, stallMs: [3000, 3100, 3200] },
    { kind: 'peers.stall', peer: 'Tidemark', bytes: 1100 * MB, stallMs: [0.04, 0.05, 0.5, 15.5] },
    ...Object.entries(restores).map(([peer, durationMs]) => ({
      kind: 'peers.restore',
      peer,
      entries: 10 * MB,
      threads: 2,
      durationMs,
      runs: [0.95, 1, 1.1].map((f) => f * durationMs),
    })),
  ];
}

/** One document of each program that gives points. @param options  of `documentOf` */
export function allDocuments(options = {}) {
  return [
    documentOf('snapshots', [...snapshotPoints(), ...snapshotScenarioPoints()], {
      rows: [
        row(
          'bytes of a checkpoint, 1 % of 1 GB changed, full / incremental',
          94.1,
          'times',
          { atLeast: 50 },
          '1.05 GB / 11.2 MB',
        ),
        row('time of a checkpoint, 1 % of 1 GB changed, full / incremental', 27.3, 'times', { atLeast: 30 }, '2.63 s / 96 ms'),
        row('synchronous part, p99', 0.65, 'ms', { atMost: 1 }, 'of 450 checkpoints'),
        row('memory', 1.71e9, 'bytes'),
      ],
      ...options,
    }),
    documentOf('throughput', throughputPoints(), options),
    documentOf('scaling', scalingPoints(), options),
    documentOf('latency', latencyPoints(), {
      rows: [row('p99 at half of the maximum rate', 9.3, 'ms', { atMost: 10 }, '4 M/s, checkpoint every second')],
      ...options,
    }),
    documentOf('state', [...statePoints(), ...stateMemoryPoints()], options),
    documentOf('exchange', exchangePoints(), options),
    documentOf('restore', restorePoints(), options),
    documentOf('startup', startupPoints(), options),
    documentOf('peers', [...peerPoints(), ...peerScenarioPoints()], {
      rows: [row('against lmdb, per core', 35, 'times', { atLeast: 20 }, '9.1 M / 260 k')],
      ...options,
    }),
  ];
}
