import { describe, expect, test } from 'vitest';
import { isTidemarkError } from '../../src/format/errors.ts';
import { decideCompaction } from '../../src/snapshot/compaction.ts';
import { collectGarbage } from '../../src/snapshot/gc.ts';
import { ALL_HASHES } from '../../src/snapshot/hash-range.ts';
import { mergeTables } from '../../src/snapshot/merge.ts';
import { sharedDirectory, tablePath } from '../../src/snapshot/paths.ts';
import { findCheckpointsOfJob } from '../../src/snapshot/restore.ts';
import { withTables, writeTable } from '../../src/snapshot/table-file.ts';
import { BASE, Checkpointer, JOB_DIR, readState, type State } from './job-tools.ts';
import { randomFrom, SimFs } from './sim-fs.ts';

const SEED = Number(process.env['SEED'] ?? 20260101);
const IMAGES = Number(process.env['CRASH_IMAGES'] ?? 16);
const CHECKPOINTS = 6;
const RETAINED = 2;

/** State at checkpoint n: some keys change, some come, some go. */
function stateAt(n: number): State {
  return new Map(
    Array.from({ length: 12 }, (_, i) => [`key ${i}`, `value ${i % 3 === 0 ? n : 0}`] as const).filter(
      (_, i) => (i + n) % 5 !== 0,
    ),
  );
}

/** What the coordinator does, in miniature. `acknowledged` is told of each step that has returned. */
function runJob(fs: SimFs, from: number, to: number, base: Checkpointer, acknowledged: (n: number) => void): void {
  for (let n = from; n <= to; n++) {
    base.checkpoint(n, stateAt(n));
    acknowledged(n);
    collectGarbage(fs, JOB_DIR, { retain: retainedAt(n), inFlight: new Set(), sweep: n % 2 === 0 });
    compact(fs, base, n);
  }
}

function retainedAt(n: number): number[] {
  return Array.from({ length: Math.min(n, RETAINED) }, (_, i) => n - i);
}

function compact(fs: SimFs, base: Checkpointer, createdBy: number): void {
  const run = decideCompaction(base.tables);
  if (run === null) return;
  const shared = sharedDirectory(JOB_DIR);
  const located = base.tables.slice(run.start, run.end).map((table) => ({ table, path: tablePath(shared, table.hash) }));
  const merged = withTables(fs, located, (tables) =>
    writeTable(fs, shared, { compression: 'none', createdBy }, (writer) =>
      mergeTables(writer, tables, { range: ALL_HASHES, dropTombstones: run.end === base.tables.length }),
    ),
  );
  base.tables.splice(run.start, run.end - run.start, ...(merged === null ? [] : [merged]));
}

/**
 * Every checkpoint that can be seen is whole; the newest is the last acknowledged one or the one being published.
 * Returns its number.
 */
function checkImage(image: SimFs, acknowledged: number, where: string): number {
  const found = findCheckpointsOfJob(image, JOB_DIR);
  for (const { problem, directory } of found)
    if (problem !== null) throw new Error(`${where}: ${directory}: ${problem.message}`, { cause: problem });
  const newest = found[0]?.checkpointId ?? 0;
  expect([acknowledged, acknowledged + 1], where).toContain(newest);
  for (const { checkpoint, checkpointId } of found)
    expect(readState(image, checkpoint!), `${where}, checkpoint ${checkpointId}`).toEqual(stateAt(checkpointId));
  return newest;
}

function emptyDisk(): SimFs {
  const fs = new SimFs();
  fs.makeDirectory(BASE);
  const fd = fs.open('/', 'directory');
  fs.fsync(fd);
  fs.close(fd);
  return fs;
}

describe('publication and collection', { timeout: 120_000 }, () => {
  test('after a power cut at any operation, each visible checkpoint is whole and the newest is n or n + 1', () => {
    const random = randomFrom(SEED);
    const fs = emptyDisk();
    let acknowledged = 0;
    let images = 0;
    let continued = 0;
    fs.before = (operation) => {
      if (operation === 'read' || operation === 'fileStatus') return;
      const at = fs.operations;
      for (let i = 0; i < IMAGES; i++) {
        const where = `SEED=${SEED} operation ${at} (${operation}) image ${i}`;
        const image = fs.crash(random);
        const newest = checkImage(image, acknowledged, where);
        images++;
        // A test that stops at the first restore misses most mistakes: go on, collect, crash again.
        if (i === 0) continued += continueFrom(image, newest, random, where);
      }
    };
    runJob(fs, 1, CHECKPOINTS, new Checkpointer(fs), (n) => (acknowledged = n));
    fs.before = () => undefined;
    expect(images).toBeGreaterThan(2000);
    expect(continued).toBeGreaterThan(100);
    expect(fs.openFiles).toBe(0);
  });

  test('after the process was killed at any operation, the next run goes on and one collection leaves no orphan', () => {
    const total = operationsOf((fs) => runJob(fs, 1, 4, new Checkpointer(fs), () => undefined));
    for (let cut = 1; cut <= total; cut++) {
      const fs = emptyDisk();
      const start = fs.operations;
      let acknowledged = 0;
      fs.before = () => {
        if (fs.operations - start >= cut) throw Object.assign(new Error('killed'), { code: 'EKILLED' });
      };
      try {
        runJob(fs, 1, 4, new Checkpointer(fs), (n) => (acknowledged = n));
      } catch {
        // Killed; or not noticed, where only cleaning up was left to do.
      }
      const image = fs.kill();
      const newest = checkImage(image, acknowledged, `killed at operation ${cut}`);
      continueWith(image, newest, `killed at operation ${cut}`);
    }
  });

  test('a failure of any operation fails that checkpoint only: earlier ones stay, and later ones work', () => {
    const total = operationsOf((fs) => runJob(fs, 1, 3, new Checkpointer(fs), () => undefined));
    for (const code of ['ENOSPC', 'EIO']) {
      for (let cut = 1; cut <= total; cut++) {
        const fs = emptyDisk();
        const start = fs.operations;
        let acknowledged = 0;
        fs.before = () => {
          if (fs.operations - start === cut) throw Object.assign(new Error(`${code}: simulated`), { code });
        };
        let failed = false;
        try {
          runJob(fs, 1, 3, new Checkpointer(fs), (n) => (acknowledged = n));
        } catch (error) {
          failed = true;
          expect(isTidemarkError(error), `${code} at operation ${cut}: ${String(error)}`).toBe(true);
        }
        fs.before = () => undefined;
        const newest = checkImage(fs, acknowledged, `${code} at operation ${cut}`);
        if (failed) continueWith(fs, newest, `${code} at operation ${cut}`);
      }
    }
  });
});

/** Two further checkpoints, with a second crash at a random operation of them. Returns 1. */
function continueFrom(image: SimFs, newest: number, random: () => number, where: string): number {
  const again = resumed(image, newest);
  let acknowledged = newest;
  const stopAt = image.operations + 1 + Math.floor(random() * 90);
  let second: SimFs | null = null;
  image.before = () => {
    if (image.operations === stopAt) second = image.crash(random);
    if (image.operations >= stopAt) throw Object.assign(new Error('power cut'), { code: 'EPOWER' });
  };
  try {
    collectGarbage(image, JOB_DIR, { retain: retainedAt(newest), inFlight: new Set(), sweep: true });
    runJob(image, newest + 1, newest + 2, again, (n) => (acknowledged = n));
  } catch {
    // The cut.
  }
  image.before = () => undefined;
  checkImage(second ?? image, acknowledged, `${where}, second cut`);
  return 1;
}

function continueWith(image: SimFs, newest: number, where: string): void {
  const again = resumed(image, newest);
  runJob(image, newest + 1, newest + 3, again, () => undefined);
  checkImage(image, newest + 3, `${where}, continued`);
  const report = collectGarbage(image, JOB_DIR, { retain: [newest + 3], inFlight: new Set(), sweep: true });
  expect(report.failures, where).toEqual([]);
  const kept = findCheckpointsOfJob(image, JOB_DIR);
  expect(
    kept.map((found) => found.checkpointId),
    where,
  ).toEqual([newest + 3]);
  const named = new Set(kept[0].checkpoint!.manifest.stages[0].subtasks[0].tables.map((table) => `${table.hash}.sst`));
  expect(new Set(image.list(sharedDirectory(JOB_DIR))), where).toEqual(named);
  expect(image.list(JOB_DIR).sort(), where).toEqual([`chk-${newest + 3}`, 'shared', 'taskowned']);
}

function resumed(fs: SimFs, newest: number): Checkpointer {
  if (newest === 0) return new Checkpointer(fs);
  const { checkpoint } = findCheckpointsOfJob(fs, JOB_DIR)[0];
  return new Checkpointer(fs, stateAt(newest), checkpoint!.manifest.stages[0].subtasks[0].tables);
}

function operationsOf(scenario: (fs: SimFs) => void): number {
  const fs = emptyDisk();
  const start = fs.operations;
  scenario(fs);
  return fs.operations - start;
}
