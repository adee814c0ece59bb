import { describe, expect, test } from 'vitest';
import {
  distributionOf,
  type FailedRecord,
  recordOfManifest,
  recordsOfManifests,
  type RestoredRecord,
  summarizeHistory,
} from '../../src/snapshot/history.ts';
import { Checkpointer, JOB_DIR, JOB_ID, manifestOf } from './job-tools.ts';
import { SimFs } from './sim-fs.ts';

describe('history', () => {
  test('a record has what the manifest says of the checkpoint and of each subtask', () => {
    const manifest = manifestOf(7, [], new Map([['a', '1']]));
    expect(recordOfManifest(manifest, '/chk-7')).toMatchObject({
      type: 'completed',
      jobName: 'test job',
      checkpointId: 7,
      at: manifest.triggeredAt,
      path: '/chk-7',
      entries: 1,
      sizes: manifest.sizes,
      subtasks: [
        { operators: ['count'], subtask: 0, finished: false, syncMs: 0.25, asyncMs: 3, alignmentMs: 0, startDelayMs: 0 },
      ],
    });
  });

  test('manifests are read back newest first, and a damaged one is passed over', () => {
    const fs = new SimFs();
    const job = new Checkpointer(fs);
    for (let id = 1; id <= 3; id++) job.checkpoint(id, new Map([['a', String(id)]]));
    fs.file(`${JOB_DIR}/chk-2/_metadata`).bytes = Buffer.alloc(5);
    expect(recordsOfManifests(fs, JOB_DIR).map(({ checkpointId }) => checkpointId)).toEqual([3, 1]);
  });

  test('a summary counts what happened, and takes the newest of each', () => {
    const base = { jobId: JOB_ID, jobName: 'test job', at: '2026-01-02T03:04:05.006Z', durationMs: 5 };
    const failed: FailedRecord = {
      ...base,
      type: 'failed',
      checkpointId: 3,
      trigger: 'periodic',
      code: 'ERR_NO_SPACE',
      message: 'full',
      acknowledged: 1,
      subtaskCount: 2,
    };
    const restored: RestoredRecord = { ...base, type: 'restored', checkpointId: 1, path: '/chk-1', entries: 9 };
    const [first, second] = [1, 2].map((id) =>
      recordOfManifest({ ...manifestOf(id, [], new Map()), durationMs: 10 * id }, `/chk-${id}`),
    );
    const summary = summarizeHistory([failed, second, restored, first]);
    expect(summary.counts).toEqual({ completed: 2, savepoints: 0, failed: 1, restored: 1 });
    expect(summary.latest).toMatchObject({ completed: { checkpointId: 2 }, savepoint: null, failed: { checkpointId: 3 } });
    expect(summary.durationMs).toMatchObject({ min: 10, avg: 15, max: 20, p50: 10, p99: 20 });
    expect(summarizeHistory([]).durationMs).toBeNull();
  });

  test('percentiles are those of the nearest rank', () => {
    const thousand = Array.from({ length: 1000 }, (_, i) => 1000 - i);
    expect(distributionOf(thousand)).toEqual({
      min: 1,
      avg: 500.5,
      max: 1000,
      p50: 500,
      p90: 900,
      p95: 950,
      p99: 990,
      p999: 999,
    });
    expect(distributionOf([7])).toEqual({ min: 7, avg: 7, max: 7, p50: 7, p90: 7, p95: 7, p99: 7, p999: 7 });
  });
});
