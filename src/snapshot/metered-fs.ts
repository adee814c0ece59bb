/** Counts what is read, so that a tool can say what its answer cost. */
import type { FsPort } from './fs-port.ts';

export interface ReadMeter {
  readonly fs: FsPort;
  /** Bytes read through `fs` so far. */
  readonly bytesRead: number;
}

/** A port that passes every call on. Call by call, not by spreading: a port may be an object of a class. */
export function meterReads(fs: FsPort): ReadMeter {
  let bytesRead = 0;
  return {
    fs: {
      open: (path, mode) => fs.open(path, mode),
      write: (fd, bytes) => fs.write(fd, bytes),
      read: (fd, into, at) => {
        const read = fs.read(fd, into, at);
        bytesRead += read;
        return read;
      },
      fsync: (fd) => fs.fsync(fd),
      close: (fd) => fs.close(fd),
      fileStatus: (fd) => fs.fileStatus(fd),
      rename: (from, to) => fs.rename(from, to),
      link: (existing, path) => fs.link(existing, path),
      unlink: (path) => fs.unlink(path),
      makeDirectory: (path) => fs.makeDirectory(path),
      removeDirectory: (path) => fs.removeDirectory(path),
      list: (path) => fs.list(path),
    },
    get bytesRead() {
      return bytesRead;
    },
  };
}
