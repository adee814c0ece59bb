/** The file system as a file sink uses it: as checkpoints do, but what it creates is readable as the user's umask says. */
import { constants, mkdirSync, openSync } from 'node:fs';
import { type FsPort, realFs } from '../../../snapshot/fs-port.ts';

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

export const outputFs: FsPort = {
  ...realFs,
  open: (path, mode) =>
    mode === 'create' ? openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666) : realFs.open(path, mode),
  makeDirectory: (path) => mkdirSync(path),
};
