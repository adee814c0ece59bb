/** Mistakes that the model must find: each takes the place of something that the product does right. */
import type { FsPort } from '../../src/snapshot/fs-port.ts';
import { listDirectory, removeDirectoryOfFiles, syncDirectory } from '../../src/snapshot/files.ts';
import { deletionName } from '../../src/snapshot/paths.ts';
import { findCheckpointsOfJob } from '../../src/snapshot/restore.ts';
import { type Manifest, tablesOf } from '../../src/format/manifest.ts';
import { publish } from '../../src/worker/file-tasks.ts';
import type { CollectGarbageResult, CollectGarbageTask } from '../../src/worker/protocol.ts';
import { stages } from './program.ts';
import { OPERATIONS, type Operations } from './operations.ts';

/** Publication with another file system than the real one. */
function publishingWith(change: (fs: FsPort) => Partial<FsPort>): Operations {
  return {
    ...OPERATIONS,
    carryOut: (task, table) =>
      task.op === 'publish' ? stages((fs) => publish(changed(fs, change(fs)), task)) : OPERATIONS.carryOut(task, table),
  };
}

function changed(fs: FsPort, change: Partial<FsPort>): FsPort {
  return new Proxy(fs, {
    get: (target, name: keyof FsPort) => change[name] ?? target[name].bind(target),
  });
}

/** A checkpoint that has the number already is replaced. */
export const REPLACES_WHAT_IS_THERE = publishingWith((fs) => ({
  rename: (from, to) => {
    if (listDirectory(fs, to).length > 0) removeDirectoryOfFiles(fs, to);
    fs.rename(from, to);
  },
}));

/** Nobody looks whether a later checkpoint exists. */
export const OVERLOOKS_LATER_ONES = publishingWith(() => ({ list: () => [] }));

/** A late owner passes over what others have published when its own number is higher, since checkpoints of its own had failed. */
export const COMPARES_NUMBERS_ONLY: Operations = {
  ...OPERATIONS,
  carryOut: (task, table) => {
    if (task.op !== 'publish') return OPERATIONS.carryOut(task, table);
    const { checkpointId } = JSON.parse(task.manifest) as Manifest;
    return stages((fs) => publish(fs, { ...task, known: checkpointId - 1 }));
  },
};

/** A late owner whose attempt fails takes all that is there for its own, and goes on from it. */
export const RESTARTS_FROM_WHAT_IS_THERE: Operations = {
  ...OPERATIONS,
  open: (job, restart) => OPERATIONS.open(job, restart && { ...restart, known: Number.MAX_SAFE_INTEGER }),
};

/** The name of the new checkpoint is not made durable before it counts, and older ones are deleted. */
export const FORGETS_THE_LAST_SYNC = publishingWith((fs) => {
  let renamed = false;
  return {
    rename: (from, to) => {
      fs.rename(from, to);
      renamed = true;
    },
    fsync: (fd) => {
      if (!renamed) fs.fsync(fd);
    },
  };
});

/** A table goes with the checkpoint that wrote it, whoever has inherited it. */
export const DELETES_WITH_THE_WRITER: Operations = {
  ...OPERATIONS,
  carryOut: (task, table) =>
    task.op === 'gc' ? stages((fs) => deleteWithTheWriter(fs, task)) : OPERATIONS.carryOut(task, table),
};

function deleteWithTheWriter(fs: FsPort, { jobDirectory, retain }: CollectGarbageTask): CollectGarbageResult {
  for (const { checkpointId, checkpoint, directory } of findCheckpointsOfJob(fs, jobDirectory)) {
    if (checkpoint === null || checkpointId >= Math.max(...retain)) continue;
    const away = `${jobDirectory}/${deletionName(`chk-${checkpointId}`)}`;
    fs.rename(directory, away);
    syncDirectory(fs, jobDirectory);
    removeDirectoryOfFiles(fs, away);
    for (const { hash, createdBy } of tablesOf(checkpoint.manifest).values())
      if (createdBy === checkpointId) fs.unlink(`${jobDirectory}/shared/${hash}.sst`);
  }
  return { failures: 0, chosen: [] };
}
