import { execFileSync } from 'node:child_process';
import * as nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { realFs } from '../../src/snapshot/fs-port.ts';
import { collectGarbage } from '../../src/snapshot/gc.ts';
import { tablePath, sharedDirectory, jobDirectory } from '../../src/snapshot/paths.ts';
import { openCheckpoint } from '../../src/snapshot/restore.ts';
import { TableFile } from '../../src/snapshot/table-file.ts';
import { prepareJobDirectory, publishCheckpoint } from '../../src/snapshot/publish.ts';
import { JOB_ID, manifestOf, readState, writeDelta } from './job-tools.ts';

let base: string;
let jobDir: string;
beforeEach(() => {
  base = nodeFs.mkdtempSync(join(tmpdir(), 'tidemark-'));
  jobDir = jobDirectory(join(base, 'checkpoints'), JOB_ID);
});
afterEach(() => nodeFs.rmSync(base, { recursive: true, force: true }));

const state = new Map([
  ['a', '1'],
  ['b', '2'],
]);

function publish(checkpointId: number) {
  prepareJobDirectory(realFs, jobDir);
  const table = writeDelta(realFs, sharedDirectory(jobDir), checkpointId, state)!;
  return {
    table,
    directory: publishCheckpoint(realFs, jobDir, manifestOf(checkpointId, [table], state)),
    path: tablePath(sharedDirectory(jobDir), table.hash),
  };
}

describe('the real file system', () => {
  test('a checkpoint is written, read back and deleted, and nothing is left', () => {
    const { directory } = publish(1);
    expect(readState(realFs, openCheckpoint(realFs, directory))).toEqual(state);
    expect(readState(realFs, openCheckpoint(realFs, join(directory, '_metadata')))).toEqual(state);
    expect(nodeFs.readdirSync(jobDir).sort()).toEqual(['chk-1', 'shared', 'taskowned']);
    collectGarbage(realFs, jobDir, { retain: [], inFlight: new Set(), sweep: true });
    expect(nodeFs.existsSync(jobDir)).toBe(false);
  });

  test('files are for the owner only: 0600, directories 0700', () => {
    const { directory, path } = publish(1);
    for (const file of [path, join(directory, '_metadata')]) expect(nodeFs.statSync(file).mode & 0o777).toBe(0o600);
    for (const dir of [jobDir, directory, sharedDirectory(jobDir)]) expect(nodeFs.statSync(dir).mode & 0o777).toBe(0o700);
  });

  test('the second process that publishes a number is fenced', () => {
    const { table } = publish(1);
    expect(() => publishCheckpoint(realFs, jobDir, manifestOf(1, [table], state))).toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT_FENCED' }),
    );
    expect(nodeFs.readdirSync(jobDir).sort()).toEqual(['chk-1', 'shared', 'taskowned']);
  });

  test('a process that wakes up after later checkpoints were published is fenced, though its number is free', () => {
    const { table } = publish(5);
    expect(() => publishCheckpoint(realFs, jobDir, manifestOf(3, [table], state))).toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT_FENCED' }),
    );
    expect(nodeFs.readdirSync(jobDir).sort()).toEqual(['chk-5', 'shared', 'taskowned']);
  });

  test('the checksum of a manifest can be verified with sha256sum', () => {
    const { directory } = publish(1);
    const computed = execFileSync('sh', ['-c', 'head -n 1 "$1/_metadata" | sha256sum | cut -c 1-64', 'sh', directory], {
      encoding: 'utf8',
    }).trim();
    expect(nodeFs.readFileSync(join(directory, '_metadata'), 'utf8').split('\n')[1]).toBe(`sha256 ${computed}`);
  });

  test.each([
    ['a symbolic link', (path: string) => nodeFs.symlinkSync('/etc/hostname', path)],
    ['a directory', (path: string) => nodeFs.mkdirSync(path)],
    ['a pipe', (path: string) => execFileSync('mkfifo', [path])],
  ])('%s in the place of a table is refused at once', (_what, put) => {
    const { directory, path, table } = publish(1);
    nodeFs.rmSync(path);
    put(path);
    expect(() => TableFile.open(realFs, path, table)).toThrow(expect.objectContaining({ code: 'ERR_IO' }));
    expect(() => openCheckpoint(realFs, directory)).toThrow(expect.objectContaining({ code: 'ERR_IO' }));
  });

  test('a file that is really full is ERR_NO_SPACE', () => {
    if (!nodeFs.existsSync('/dev/full')) return;
    const full = {
      ...realFs,
      open: (path: string, mode: 'create' | 'read' | 'directory') =>
        mode === 'create' ? nodeFs.openSync('/dev/full', 'w') : realFs.open(path, mode),
      unlink: () => undefined,
    };
    prepareJobDirectory(realFs, jobDir);
    expect(() => writeDelta(full, sharedDirectory(jobDir), 1, state)).toThrow(expect.objectContaining({ code: 'ERR_NO_SPACE' }));
  });
});
