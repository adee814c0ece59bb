/**
 * What a position remembers of its file, so that a replaced or truncated file is noticed. The inode is not part of it:
 * a file that was copied to another machine is still the same file, and one rewritten in place is not.
 *
 * Two hashes: of the beginning, and of what lies right before the position. A file that has grown keeps both.
 */
import { checksum64 } from '../../../format/content-hash.ts';
import { readAt } from './byte-input.ts';
import { fileChanged } from './file-errors.ts';

/** Type, not interface: it is part of a JSON value. */
export type FileIdentity = {
  /** Bytes of the file when the position was taken. */
  readonly size: number;
  readonly headBytes: number;
  readonly head: string;
  readonly beforeBytes: number;
  readonly before: string;
};

const HEAD_BYTES = 1024;
const BEFORE_BYTES = 256;

/**
 * @param fd        open file; about 5 µs
 * @param size      bytes of the file now
 * @param offset    position in the file; 0 for a compressed one, whose offset counts decompressed bytes
 */
export function fileIdentity(path: string, fd: number, size: number, offset: number): FileIdentity {
  const headBytes = Math.min(HEAD_BYTES, size);
  const beforeBytes = Math.min(BEFORE_BYTES, offset);
  return {
    size,
    headBytes,
    head: hashAt(path, fd, 0, headBytes),
    beforeBytes,
    before: hashAt(path, fd, offset - beforeBytes, beforeBytes),
  };
}

/**
 * Compares a file with what a position remembers of it.
 *
 * @param offset  as for `fileIdentity`
 * @throws TidemarkError ERR_SOURCE_CHANGED
 */
export function checkIdentity(path: string, fd: number, size: number, offset: number, expected: FileIdentity): void {
  const least = Math.max(offset, expected.headBytes);
  if (size < least) {
    throw fileChanged(path, `it had ${expected.size} bytes then and has ${size} now, fewer than the ${least} that were read`, {
      expectedSize: expected.size,
      size,
      offset,
    });
  }
  const head = hashAt(path, fd, 0, expected.headBytes);
  if (head !== expected.head) {
    throw fileChanged(path, `the hash of its first ${expected.headBytes} bytes was ${expected.head} and is ${head} now`, {
      expected: expected.head,
      found: head,
      offset,
    });
  }
  const before = hashAt(path, fd, offset - expected.beforeBytes, expected.beforeBytes);
  if (before !== expected.before) {
    throw fileChanged(
      path,
      `the hash of the ${expected.beforeBytes} bytes before byte ${offset} was ${expected.before} and is ${before} now`,
      {
        expected: expected.before,
        found: before,
        offset,
      },
    );
  }
}

function hashAt(path: string, fd: number, offset: number, length: number): string {
  const bytes = Buffer.alloc(length);
  const read = readAt(path, fd, bytes, 0, length, offset);
  return checksum64(bytes.subarray(0, read)).toString(16).padStart(16, '0');
}
