/** The fence of publication, from each point at which a process can be paused while another takes its job over. */
import * as nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { KnownCheckpoints } from '../../src/main/known-checkpoints.ts';
import { type FsPort, realFs } from '../../src/snapshot/fs-port.ts';
import { collectGarbage } from '../../src/snapshot/gc.ts';
import { isTemporaryDirectoryName, jobDirectory } from '../../src/snapshot/paths.ts';
import { isPublished, prepareJobDirectory, publishCheckpoint } from '../../src/snapshot/publish.ts';
import { JOB_ID, manifestOf } from './job-tools.ts';

const FENCED = expect.objectContaining({ code: 'ERR_CHECKPOINT_FENCED' });

let jobDir: string;
beforeEach(() => {
  const base = nodeFs.mkdtempSync(join(tmpdir(), 'tidemark-'));
  onTestFinished(() => nodeFs.rmSync(base, { recursive: true, force: true }));
  jobDir = jobDirectory(base, JOB_ID);
  prepareJobDirectory(realFs, jobDir);
});

function publish(checkpointId: number, fs: FsPort = realFs, known?: number): string {
  return publishCheckpoint(fs, jobDir, manifestOf(checkpointId, [], new Map()), known);
}

function collect(retain: number, sweep: boolean): void {
  collectGarbage(realFs, jobDir, { retain: [retain], inFlight: new Set(), sweep });
}

/** What happens on another host just after the paused process has done a step. */
function pausedAfter(step: 'makeDirectory' | 'write' | 'rename', meanwhile: () => void): FsPort {
  let isPast = false;
  const then = <T>(at: string, result: T): T => {
    if (at === step && !isPast) {
      isPast = true;
      meanwhile();
    }
    return result;
  };
  return {
    ...realFs,
    makeDirectory: (path) => then('makeDirectory', realFs.makeDirectory(path)),
    write: (fd, bytes) => then('write', realFs.write(fd, bytes)),
    rename: (from, to) => then('rename', realFs.rename(from, to)),
  };
}

function ids(): string[] {
  return nodeFs
    .readdirSync(jobDir)
    .filter((name) => name.startsWith('chk-') || isTemporaryDirectoryName(name))
    .toSorted();
}

describe('a process that is paused while it publishes, and wakes up after another has gone on', () => {
  test.each(['makeDirectory', 'write'] as const)('is fenced when what it was writing was swept (after %s)', (step) => {
    const fs = pausedAfter(step, () => {
      publish(4);
      collect(4, true);
    });
    expect(() => publish(3, fs)).toThrow(FENCED);
    expect(ids()).toEqual(['chk-4']);
  });

  test('is fenced when the other has the number', () => {
    expect(() =>
      publish(
        3,
        pausedAfter('write', () => void publish(3)),
      ),
    ).toThrow(FENCED);
    expect(ids()).toEqual(['chk-3']);
  });

  test('takes back what it has named', () => {
    expect(() =>
      publish(
        3,
        pausedAfter('rename', () => void publish(4)),
      ),
    ).toThrow(FENCED);
    expect(ids()).toEqual(['chk-4']);
  });

  test('is fenced when what it has named was collected', () => {
    const fs = pausedAfter('rename', () => {
      publish(4);
      collect(4, false);
    });
    expect(() => publish(3, fs)).toThrow(FENCED);
    expect(ids()).toEqual(['chk-4']);
  });

  test('is fenced when its number is the higher one, since its own had failed', () => {
    publish(1);
    expect(() =>
      publish(
        7,
        pausedAfter('write', () => void publish(2)),
        1,
      ),
    ).toThrow(FENCED);
    expect(ids()).toEqual(['chk-1', 'chk-2']);
  });

  test('is fenced whatever hinders taking it back', () => {
    const fs = {
      ...pausedAfter('rename', () => void publish(4)),
      rename: (from: string, to: string) => {
        if (from.endsWith('chk-3')) throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
        realFs.rename(from, to);
        publish(4);
      },
    };
    expect(() => publish(3, fs)).toThrow(FENCED);
  });
});

describe('the numbers that a process knows of', () => {
  const fails = (): never => {
    throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
  };
  const known = () => new KnownCheckpoints(2, (manifest) => isPublished(realFs, jobDir, manifest));
  const three = manifestOf(3, [], new Map());

  test('are not those of a publication that failed', async () => {
    const numbers = known();
    const publication = async () => publishCheckpoint({ ...realFs, rename: fails }, jobDir, three);
    await expect(numbers.publish(three, publication)).rejects.toMatchObject({ code: 'ERR_IO' });
    expect(numbers.highest).toBe(2);
  });

  test('are those of a publication that failed after the rename', async () => {
    const numbers = known();
    let isNamed = false;
    const fs: FsPort = {
      ...realFs,
      rename: (from, to) => {
        realFs.rename(from, to);
        isNamed = true;
      },
      fsync: (fd) => (isNamed ? fails() : realFs.fsync(fd)),
    };
    await expect(numbers.publish(three, async () => publishCheckpoint(fs, jobDir, three))).rejects.toMatchObject({
      code: 'ERR_IO',
    });
    expect(ids()).toEqual(['chk-3']);
    expect(numbers.highest).toBe(3);
    expect(publish(4, realFs, numbers.highest)).toContain('chk-4');
  });

  test('are those of a publication whose thread died after the rename', async () => {
    const numbers = known();
    const publication = async () => {
      publishCheckpoint(realFs, jobDir, three);
      throw new Error('the worker has exited');
    };
    await expect(numbers.publish(three, publication)).rejects.toThrow('exited');
    expect(numbers.highest).toBe(3);
  });

  test("are not another's, who has published under the number of one that failed", async () => {
    const numbers = known();
    const publication = async () => {
      publishCheckpoint(realFs, jobDir, { ...three, triggeredAt: '2026-01-02T03:04:05.678Z' });
      throw new Error('the worker has exited');
    };
    await expect(numbers.publish(three, publication)).rejects.toThrow('exited');
    expect(numbers.highest).toBe(2);
  });

  test('are those of a publication that its thread completes after it was given up', async () => {
    const numbers = known();
    await expect(numbers.publish(three, () => Promise.reject(new Error('the worker is being ended')))).rejects.toThrow('ended');
    publishCheckpoint(realFs, jobDir, three);
    expect(numbers.highest).toBe(3);
  });

  test('are those of a publication of which cannot be told whether it took place', async () => {
    const numbers = new KnownCheckpoints(2, fails);
    await expect(numbers.publish(three, () => Promise.reject(new Error('the worker has exited')))).rejects.toThrow('exited');
    expect(numbers.highest).toBe(3);
  });

  test('are what the next publication is given', async () => {
    const numbers = known();
    await numbers.publish(three, () => Promise.resolve());
    let given = 0;
    await numbers.publish({ ...three, checkpointId: 4 }, async (highest) => void (given = highest));
    expect([given, numbers.highest]).toEqual([3, 4]);
  });
});
