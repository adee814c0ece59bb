import { describe, expect, test } from 'vitest';
import { createDurably, ensureDirectory, readFileBounded, writeFully } from '../../src/snapshot/files.ts';
import { errno, SimFs } from './sim-fs.ts';

const disk = () => new SimFs();

describe('files', () => {
  test('a short write is continued until all bytes are taken', () => {
    const fs = disk();
    fs.before = (operation) => (operation === 'write' ? 3 : undefined);
    createDurably(fs, '/f', (fd) => writeFully(fs, fd, '/f', Buffer.from('0123456789')));
    expect(fs.file('/f').bytes.toString()).toBe('0123456789');
  });

  test('a write that takes nothing is an error, not an endless loop', () => {
    const fs = disk();
    fs.before = (operation) => (operation === 'write' ? 0 : undefined);
    expect(() => createDurably(fs, '/f', (fd) => writeFully(fs, fd, '/f', Buffer.from('x')))).toThrow(
      expect.objectContaining({ code: 'ERR_IO' }),
    );
    expect(fs.list('/')).toEqual([]);
  });

  test('a full disk is ERR_NO_SPACE with the path, and the file is removed', () => {
    const fs = disk();
    fs.before = (operation) => {
      if (operation === 'write') throw errno('ENOSPC', '/f');
    };
    expect(() => createDurably(fs, '/f', (fd) => writeFully(fs, fd, '/f', Buffer.from('x')))).toThrow(
      expect.objectContaining({ code: 'ERR_NO_SPACE', message: expect.stringContaining('/f') }),
    );
    expect(fs.list('/')).toEqual([]);
    expect(fs.openFiles).toBe(0);
  });

  test('after an fsync that failed, fsync is not called again', () => {
    const fs = disk();
    let calls = 0;
    fs.before = (operation) => {
      if (operation === 'fsync' && ++calls > 0) throw errno('EIO', '/f');
    };
    expect(() => createDurably(fs, '/f', () => undefined)).toThrow(expect.objectContaining({ code: 'ERR_IO' }));
    expect(calls).toBe(1);
    expect(fs.list('/')).toEqual([]);
  });

  test('a short read is continued, and a larger file than allowed is not read', () => {
    const fs = disk();
    createDurably(fs, '/f', (fd) => writeFully(fs, fd, '/f', Buffer.from('0123456789')));
    fs.before = (operation) => (operation === 'read' ? 4 : undefined);
    expect(readFileBounded(fs, '/f', 10)?.toString()).toBe('0123456789');
    expect(readFileBounded(fs, '/f', 9)).toBeNull();
  });

  test('directories are made with their parents, and survive a power cut', () => {
    const fs = disk();
    expect(ensureDirectory(fs, '/a/b/c')).toBe(true);
    expect(ensureDirectory(fs, '/a/b/c')).toBe(false);
    expect(fs.crash(() => 0.99).list('/a/b/c')).toEqual([]);
  });

  test('directories whose maker was killed before it synced their names are durable once the next one has asked for them', () => {
    // Killed before each operation that there is; the next process asks for the same, or for what is below.
    for (const next of ['/a/b', '/a/b/c/d'])
      for (let k = 1, killed = true; killed; k++) {
        const fs = disk();
        killed = false;
        let operations = 0;
        fs.before = (operation, path) => {
          killed ||= ++operations === k;
          if (killed) throw errno('EIO', `${operation} ${path}`);
        };
        try {
          ensureDirectory(fs, '/a/b');
        } catch {
          // It is no more.
        }
        const kept = fs.kill();
        ensureDirectory(kept, next);
        expect(kept.crash(() => 0.99).list(next)).toEqual([]);
      }
  });
});
