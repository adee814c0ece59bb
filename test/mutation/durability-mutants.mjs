/**
 * Builds that are broken on purpose: each leaves out one of the steps that make a checkpoint survive a power cut, a full disk, a
 * failing one, or a second owner.
 *
 * @type {readonly import('./apply.mjs').Mutant[]}
 */
export const DURABILITY_MUTANTS = [
  {
    name: 'no-fsync-of-directories',
    file: 'src/snapshot/files.ts',
    edits: [['      fs.fsync(fd);\n    } finally {', '    } finally {']],
    test: [
      'test/snapshot/crash.test.ts',
      'publication and collection > after a power cut at any operation, each visible checkpoint is whole and the newest is n or n + 1',
    ],
  },
  {
    name: 'no-fsync-of-files',
    file: 'src/snapshot/files.ts',
    edits: [["attempt('sync', path, () => fs.fsync(fd));\n", '']],
    test: [
      'test/snapshot/crash.test.ts',
      'publication and collection > after a power cut at any operation, each visible checkpoint is whole and the newest is n or n + 1',
    ],
  },
  {
    name: 'a-short-write-is-ignored',
    file: 'src/snapshot/files.ts',
    edits: [['done += written;', 'done = bytes.length;']],
    test: ['test/snapshot/files.test.ts', 'files > a short write is continued until all bytes are taken'],
  },
  {
    name: 'a-failed-fsync-is-tried-again',
    file: 'src/snapshot/files.ts',
    edits: [
      [
        "attempt('sync', path, () => fs.fsync(fd));",
        "attempt('sync', path, () => {\n      try {\n        fs.fsync(fd);\n      } catch {\n        fs.fsync(fd);\n      }\n    });",
      ],
    ],
    test: ['test/snapshot/files.test.ts', 'files > after an fsync that failed, fsync is not called again'],
  },
  {
    name: 'old-checkpoints-are-deleted-before-the-new-one-is-durable',
    file: 'src/main/checkpointing.ts',
    edits: [
      [
        'const manifest = this.#manifest(id, pending);\n',
        'const manifest = this.#manifest(id, pending);\n    this.#old?.add(id, Promise.resolve());\n',
      ],
    ],
    test: [
      'test/main/shared-files.test.ts',
      'a crash > at any file operation of a running job leaves a checkpoint, whole, with all that sinks have committed',
    ],
  },
  {
    name: 'sinks-commit-before-the-manifest-is-durable',
    file: 'src/main/checkpointing.ts',
    edits: [
      [
        'const manifest = this.#manifest(id, pending);\n',
        'const manifest = this.#manifest(id, pending);\n    void this.#sinks.commit(id);\n',
      ],
    ],
    test: [
      'test/main/shared-files.test.ts',
      'a crash > at any file operation of a running job leaves a checkpoint, whole, with all that sinks have committed',
    ],
  },
  {
    name: 'the-hash-of-a-table-is-not-verified',
    file: 'src/snapshot/table-file.ts',
    edits: [['if (verify) verifyHash(fs, fd, path, sizeBytes, ref.hash);\n', 'void [verify, verifyHash];\n']],
    test: ['test/snapshot/restore.test.ts', 'restore > two tables of equal size that were swapped are noticed by their hash'],
  },
  {
    name: 'what-a-killed-process-began-to-delete-is-not-durably-gone-before-its-tables-are',
    file: 'src/snapshot/claim-record.ts',
    edits: [['  syncDirectory(fs, directory);\n  for (const hash of tables)', '  for (const hash of tables)']],
    test: [
      'test/snapshot/claim-record.test.ts',
      'a recorded claim > of a savepoint whose deletion was cut short brings back no half of it when the power is cut meanwhile',
    ],
  },
  {
    name: 'the-end-of-a-directory-loses-what-it-says-of-others',
    file: 'src/snapshot/claim-record.ts',
    edits: [['  quietly(() => findClaim(fs, jobDirectory));\n', '']],
    test: [
      'test/snapshot/claim-record.test.ts',
      'a recorded claim > that was being fulfilled is, when another job removes the directory of the one that had recorded it',
    ],
  },
  {
    name: 'publication-replaces-what-is-there',
    file: 'src/snapshot/publish.ts',
    edits: [
      [
        '    fs.rename(staging, final);\n',
        '    quietly(() => removeDirectoryOfFiles(fs, final));\n    fs.rename(staging, final);\n',
      ],
    ],
    test: ['test/snapshot/real-fs.test.ts', 'the real file system > the second process that publishes a number is fenced'],
  },
  {
    name: 'a-superseded-owner-that-finds-its-checkpoint-collected-goes-on',
    file: 'src/snapshot/publish.ts',
    edits: [['    cause = error;\n', '    throw error;\n']],
    test: [
      'test/snapshot/fence.test.ts',
      'a process that is paused while it publishes, and wakes up after another has gone on > is fenced when what it has named was collected',
    ],
  },
  {
    name: 'a-superseded-owner-whose-publication-was-swept-goes-on',
    file: 'src/snapshot/publish.ts',
    edits: [
      [
        "    if (errnoOf(error) !== 'ENOENT' || !directoryExists(fs, jobDir)) throw error;\n",
        '    if (error !== null) throw error;\n',
      ],
    ],
    test: [
      'test/snapshot/fence.test.ts',
      'a process that is paused while it publishes, and wakes up after another has gone on > is fenced when what it was writing was swept (after write)',
    ],
  },
  {
    name: 'a-superseded-owner-with-the-higher-number-publishes',
    file: 'src/snapshot/publish.ts',
    edits: [['  if (latest <= known) return;\n', '  if (latest <= Math.max(known, checkpointId)) return;\n']],
    test: [
      'test/snapshot/fence.test.ts',
      'a process that is paused while it publishes, and wakes up after another has gone on > is fenced when its number is the higher one, since its own had failed',
    ],
  },
  {
    name: 'a-publication-that-took-place-is-taken-for-that-of-another',
    file: 'src/main/known-checkpoints.ts',
    edits: [['      if (this.#mayBePublished(manifest)) this.#raise(manifest);\n', '']],
    test: [
      'test/snapshot/fence.test.ts',
      'the numbers that a process knows of > are those of a publication whose thread died after the rename',
    ],
  },
  {
    name: 'a-publication-of-another-is-taken-for-the-own-one-that-failed',
    file: 'src/snapshot/publish.ts',
    edits: [['    return found !== null && Buffer.compare(found, expected) === 0;\n', '    return found !== null;\n']],
    test: [
      'test/snapshot/fence.test.ts',
      "the numbers that a process knows of > are not another's, who has published under the number of one that failed",
    ],
  },
  {
    name: 'a-superseded-owner-restarts-from-what-another-has-published',
    file: 'src/main/checkpoint-store.ts',
    edits: [
      [
        '    this.#refuseWhenSuperseded();\n    if (this.jobDirectory !== null) sweepLeftovers',
        '    if (this.jobDirectory !== null) sweepLeftovers',
      ],
    ],
    test: ['test/e2e/superseded.test.ts', 'a superseded owner > whose job fails does not go on from what another has published'],
  },
  {
    name: 'a-superseded-owner-that-is-cancelled-deletes-what-another-has-published',
    file: 'src/main/checkpoint-store.ts',
    edits: [['      this.#refuseWhenSuperseded();\n', '']],
    test: ['test/e2e/superseded.test.ts', 'a superseded owner > whose job is cancelled says so, and leaves what is there'],
  },
  {
    name: 'what-a-sink-could-not-make-durable-is-committed-with-the-next-checkpoint',
    file: 'src/main/checkpointing.ts',
    edits: [['    await this.#sinks.persistRest(manifest.checkpointId);\n', '']],
    test: [
      'test/e2e/failed-checkpoints.test.ts',
      'what a sink could not make durable > is made so before a later checkpoint commits it',
    ],
  },
  {
    name: 'output-that-a-sink-has-lost-is-a-checkpoint-that-fails-and-no-more',
    file: 'src/main/checkpointing.ts',
    edits: [['if (isOutputLost(error) || (error instanceof', 'if ((error instanceof']],
    test: [
      'test/main/shared-files.test.ts',
      'a checkpoint that fails > for output that a sink has lost ends the attempt, whatever is tolerated',
    ],
  },
  {
    name: 'a-checkpoint-is-published-although-output-was-lost-meanwhile',
    file: 'src/main/sink-commits.ts',
    edits: [['    if (this.#lost !== undefined) throw this.#lost;\n', '']],
    test: [
      'test/main/shared-files.test.ts',
      'a checkpoint that fails > whose sinks lose output while the next one asks for it again keeps that from being published',
    ],
  },
  {
    name: 'a-checkpoint-commits-what-a-later-one-that-was-aborted-had-prepared',
    file: 'src/main/sink-commits.ts',
    edits: [['.filter(({ epoch }) => epoch <= checkpointId)', '']],
    test: [
      'test/main/shared-files.test.ts',
      'a checkpoint that fails > while the one before is being written leaves its output to a later one',
    ],
  },
];
