import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Catalog } from '../../src/main/catalog.ts';
import { CheckpointHistory } from '../../src/main/checkpoint-history.ts';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { collectGarbage } from '../../src/snapshot/gc.ts';
import { type HistoryRecord, recordOfManifest } from '../../src/snapshot/history.ts';
import { prepareJobDirectory, publishCheckpoint } from '../../src/snapshot/publish.ts';
import { JOB_ID, manifestOf } from '../snapshot/job-tools.ts';
import { makeDirectory } from '../support/cli.ts';

/** A job's directory with checkpoints 1 and 2. */
function jobDirectory(): string {
  const directory = join(makeDirectory(), JOB_ID);
  prepareJobDirectory(realFs, directory);
  for (const id of [1, 2]) publishCheckpoint(realFs, directory, at(id));
  return directory;
}

function at(id: number): ReturnType<typeof manifestOf> {
  return { ...manifestOf(id, [], new Map()), triggeredAt: `2026-01-02T03:04:${String(id).padStart(2, '0')}.000Z` };
}

const FAILURE: HistoryRecord = {
  type: 'failed',
  jobId: JOB_ID,
  jobName: 'test job',
  checkpointId: 3,
  at: '2026-01-02T03:05:00.000Z',
  durationMs: 4,
  trigger: 'periodic',
  code: 'ERR_NO_SPACE',
  message: 'The disk is full.',
  acknowledged: 0,
  subtaskCount: 2,
};

const shown = (records: readonly HistoryRecord[] | null): string[] | null =>
  records?.map(({ type, checkpointId }) => `${type} ${checkpointId}`) ?? null;

describe('catalog', () => {
  test('what is in it survives, and what only the manifests know is added when it is opened', async () => {
    const directory = jobDirectory();
    const first = await Catalog.open(directory);
    await first.add([FAILURE]);
    await first.close();
    publishCheckpoint(realFs, directory, { ...at(4), triggeredAt: '2026-01-02T03:06:00.000Z' });
    const second = await Catalog.open(directory);
    expect(shown(await second.list(10))).toEqual(['completed 4', 'failed 3', 'completed 2', 'completed 1']);
    expect(shown(await second.list(2))).toEqual(['completed 4', 'failed 3']);
    await second.close();
    expect(shown(await Catalog.read(directory))).toEqual(['completed 4', 'failed 3', 'completed 2', 'completed 1']);
  });

  test.each<[string, (directory: string) => void]>([
    ['is deleted', (directory) => rmSync(directory, { recursive: true })],
    ['has lost the file that names the others', (directory) => writeFileSync(join(directory, 'CURRENT'), 'nonsense')],
    [
      'is overwritten with noise',
      (directory) => {
        for (const name of readdirSync(directory)) writeFileSync(join(directory, name), 'x'.repeat(1000));
      },
    ],
  ])('it is made anew from the manifests when it %s', async (_, damage) => {
    const directory = jobDirectory();
    const catalog = await Catalog.open(directory);
    await catalog.add([FAILURE]);
    await catalog.close();
    damage(join(directory, 'catalog'));
    expect(await Catalog.read(directory)).toBeNull();
    const again = await Catalog.open(directory);
    expect(shown(await again.list(10))).toEqual(['completed 2', 'completed 1']);
    await again.close();
  });
});

test('a job that leaves no checkpoint leaves no catalog and no directory', async () => {
  const directory = jobDirectory();
  await (await Catalog.open(directory)).close();
  collectGarbage(realFs, directory, { retain: [], inFlight: new Set(), sweep: true });
  expect(existsSync(directory)).toBe(false);
});

/** Names and bytes of the files of a job's catalog. */
function contentOf(directory: string): readonly (readonly [string, string])[] {
  const catalog = join(directory, 'catalog');
  return readdirSync(catalog)
    .sort()
    .map((name) => [name, readFileSync(join(catalog, name), 'latin1')] as const);
}

describe('history of a running job', () => {
  test('while another process has the catalog open records wait, which is told once, and nothing is lost', async () => {
    const directory = jobDirectory();
    const other = await Catalog.open(directory);
    const notices: string[] = [];
    const history = new CheckpointHistory(directory, (text) => notices.push(text));
    history.add(FAILURE);
    history.add({ ...FAILURE, checkpointId: 4, at: '2026-01-02T03:05:01.000Z' });
    expect(shown(await history.list(10))).toEqual(['failed 4', 'failed 3']);
    expect(notices).toEqual([expect.stringContaining('Checkpoints do not depend on it')]);
    await other.close();
    history.add({ ...FAILURE, checkpointId: 5, at: '2026-01-02T03:05:02.000Z' });
    expect(shown(await history.list(10))).toEqual(['failed 5', 'failed 4', 'failed 3', 'completed 2', 'completed 1']);
    await history.close();
    expect(shown(await Catalog.read(directory))).toHaveLength(5);
  });

  test('the history of the job that it goes on from is taken over', async () => {
    const former = jobDirectory();
    const past = new CheckpointHistory(former, () => undefined);
    past.add(FAILURE);
    await past.close();
    const own = join(makeDirectory(), 'f'.repeat(32));
    prepareJobDirectory(realFs, own);
    const before = contentOf(former);
    const history = new CheckpointHistory(own, () => undefined);
    history.adopt(join(former, 'chk-2'));
    history.add({ ...recordOfManifest(at(3), '/chk-3'), at: '2026-01-02T03:07:00.000Z' });
    expect(shown(await history.list(10))).toEqual(['completed 3', 'failed 3', 'completed 2', 'completed 1']);
    await history.close();
    expect(shown(await Catalog.read(own))).toHaveLength(4);
    // It answers after that too, also when its directory is gone.
    rmSync(own, { recursive: true });
    expect(shown(await history.list(10))).toEqual(['completed 3', 'failed 3', 'completed 2', 'completed 1']);
    expect(shown(await history.list(2))).toEqual(['completed 3', 'failed 3']);
    // Nothing is written into what is restored from.
    expect(contentOf(former)).toEqual(before);
  });

  test('on a full disk the files of the catalog make way for checkpoints, and memory has what they held', async () => {
    const directory = jobDirectory();
    const history = new CheckpointHistory(directory, () => undefined);
    history.add(FAILURE);
    expect(shown(await history.list(10))).toEqual(['failed 3', 'completed 2', 'completed 1']);
    history.giveWay();
    history.add({ ...FAILURE, checkpointId: 4, at: '2026-01-02T03:05:01.000Z' });
    expect(shown(await history.list(10))).toEqual(['failed 4', 'failed 3', 'completed 2', 'completed 1']);
    expect(existsSync(join(directory, 'catalog'))).toBe(false);
    await history.close();
  });

  test('a directory that is gone costs the history and nothing else, and does not come back', async () => {
    const notices: string[] = [];
    const directory = join(makeDirectory(), 'gone');
    const history = new CheckpointHistory(directory, (text) => notices.push(text));
    history.add(FAILURE);
    expect(shown(await history.list(10))).toEqual(['failed 3']);
    expect(notices).toHaveLength(1);
    expect(existsSync(directory)).toBe(false);
    await history.close();
  });
});
