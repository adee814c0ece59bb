/**
 * Mistakes with the files that checkpoints share, each of which a system of this kind once shipped, put back into our code. Those that
 * the design excludes as a class have the nearest mistake that can still be made. `report` is where the story is told.
 *
 * @type {readonly import('./apply.mjs').Mutant[]}
 */
export const SHARED_FILE_MUTANTS = [
  {
    name: 'a-late-deletion-retires-newer-checkpoints',
    report: 'FLINK-7268',
    file: 'src/snapshot/gc.ts',
    edits: [['(checkpointId < newestRetained && !retain.has(checkpointId))', '!retain.has(checkpointId)']],
    test: [
      'test/main/shared-files.test.ts',
      'deletion > that was decided before a restart and comes after it takes nothing from the new attempt',
    ],
  },
  {
    name: 'tables-are-named-by-number-and-a-duplicate-is-dropped',
    report: 'FLINK-29095',
    file: 'src/snapshot/table-file.ts',
    edits: [
      [
        'const hash = hasher.digest();\n  const path',
        "const hash = (options.createdBy * 65536 + summary.sizeBytes).toString(16).padStart(32, '0');\n  const path",
      ],
      [
        "attempt('name', path, () => fs.rename(temporary, path));",
        'quietly(() => fs.link(temporary, path));\n    fs.unlink(temporary);',
      ],
    ],
    test: [
      'test/main/shared-files.test.ts',
      'a crash > after the tables were written and before they were published: what is written instead counts',
    ],
  },
  {
    name: 'a-deletion-does-not-know-of-checkpoints-in-flight',
    report: 'FLINK-29913',
    file: 'src/main/checkpointing.ts',
    edits: [
      [
        'return [...this.#durable.hashes(), ...persisted, ...(this.#merger?.written ?? [])];',
        'void persisted;\n    return this.#durable.hashes();',
      ],
    ],
    test: [
      'test/main/shared-files.test.ts',
      'deletion > of a subsumed checkpoint leaves a table that one in flight has written again',
    ],
  },
  {
    name: 'cleaning-up-after-a-failure-removes-what-an-older-checkpoint-names',
    report: 'FLINK-25395',
    file: 'src/snapshot/table-file.ts',
    edits: [['quietly(() => fs.unlink(temporary));\n    throw error;', 'quietly(() => fs.unlink(path));\n    throw error;']],
    test: [
      'test/main/shared-files.test.ts',
      'a checkpoint that fails > at any file operation, after it has written again what an older one names, leaves the older ones whole',
    ],
  },
  {
    name: 'the-restored-checkpoints-are-forgotten',
    report: 'FLINK-26985',
    file: 'src/main/old-checkpoints.ts',
    edits: [['this.#complete = options.before;', 'this.#complete = [];']],
    test: [
      'test/main/shared-files.test.ts',
      'deletion > counts the checkpoint that was restored among the retained ones, and deletes no other',
    ],
  },
  {
    name: 'a-savepoint-subsumes-the-last-checkpoint',
    report: 'FLINK-21351',
    file: 'src/main/checkpointing.ts',
    edits: [
      [
        "if (pending.trigger === 'savepoint') for (const token of tokens) this.#answer(token, answer);",
        "if (pending.trigger === 'savepoint') {\n      this.#old?.add(id, Promise.resolve());\n      for (const token of tokens) this.#answer(token, answer);\n    }",
      ],
    ],
    test: [
      'test/main/shared-files.test.ts',
      'savepoints > between incremental checkpoints, of which one is retained, subsume none of them',
    ],
  },
  {
    name: 'the-first-checkpoint-does-not-take-over-what-it-inherits',
    report: 'FLINK-39964',
    file: 'src/main/durable-state.ts',
    edits: [['this.#linkIn = [...foreign.values()];', 'void foreign;\n    this.#linkIn = [];']],
    test: [
      'test/main/shared-files.test.ts',
      "what a job starts from > a 'native', 'claim', incremental true: is not needed after the first checkpoint",
    ],
  },
  {
    name: 'tables-of-aborted-checkpoints-stay-for-ever',
    report: 'FLINK-30461',
    file: 'src/main/durable-state.ts',
    edits: [['return this.#abandoned;', 'return new Set();']],
    test: [
      'test/main/shared-files.test.ts',
      'a checkpoint that fails > in one subtask leaves none of the tables of the others, those that come late included',
    ],
  },
  {
    name: 'a-manifest-that-cannot-be-read-names-nothing',
    report: 'FLINK-7783',
    file: 'src/snapshot/gc.ts',
    edits: [
      [
        'tables: namedTables(fs, join(jobDir, name)) }];',
        'tables: namedTablesIfReadable(fs, join(jobDir, name)) ?? new Set<string>() }];',
      ],
    ],
    test: [
      'test/main/shared-files.test.ts',
      'deletion > of nothing while a manifest cannot be read, be it for a moment; then it is made up for',
    ],
  },
  {
    name: 'a-file-that-could-not-be-deleted-counts-as-deleted',
    report: 'FLINK-26450',
    file: 'src/snapshot/gc.ts',
    edits: [['message: failure.message });\n      return false;', 'message: failure.message });\n      return true;']],
    test: ['test/main/shared-files.test.ts', 'deletion > that fails with EBUSY is tried again, and the job goes on'],
  },
  {
    name: 'a-restore-moves-the-files-that-it-restores-from',
    report: 'FLINK-11743',
    file: 'src/snapshot/link-in.ts',
    edits: [
      [
        "fs.link(source.path, path);\n    return 'linked';",
        "fs.link(source.path, path);\n    fs.unlink(source.path);\n    return 'linked';",
      ],
    ],
    test: [
      'test/main/shared-files.test.ts',
      'what a job starts from > is as it was, byte for byte, whoever restores from it and how often',
    ],
  },
  {
    name: 'operators-whose-states-have-one-name-share-a-section',
    report: 'FLINK-12296',
    file: 'src/format/sorted-table/reader.ts',
    edits: [['section.uid === uid && section.name === name', 'section.name === name']],
    test: ['test/main/shared-files.test.ts', 'the states of two operators are apart whatever they are called'],
  },
  {
    name: 'an-operator-that-fails-leaves-the-file-of-those-before-it',
    report: 'FLINK-5229',
    file: 'src/snapshot/files.ts',
    edits: [['quietly(() => fs.unlink(path));\n    throw error;', 'throw error;']],
    test: [
      'test/main/shared-files.test.ts',
      'a checkpoint that fails > because an operator fails while its state is written leaves no file of those before it',
    ],
  },
  {
    name: 'a-manifest-names-a-file-that-was-never-written',
    report: 'apache/iceberg#4168',
    file: 'src/snapshot/publish.ts',
    edits: [['requireTables(fs, shared, manifest);\n', '']],
    test: [
      'test/main/shared-files.test.ts',
      'a checkpoint that fails > since a table is gone that was said to be written: nothing is published, and the next one is whole',
    ],
  },
  {
    name: 'a-merge-of-tables-that-are-out-of-date-is-taken',
    report: 'GreptimeDB#2013',
    file: 'src/main/durable-state.ts',
    edits: [['if (start < 0) {\n      this.abandon(merged);\n      return;\n    }\n', '']],
    test: [
      'test/main/shared-files.test.ts',
      'merging > of tables whose place was taken meanwhile is thrown away, and what was deleted since stays deleted',
    ],
  },
  {
    name: 'a-merged-table-stands-beside-what-went-into-it',
    report: 'Arc#157',
    file: 'src/main/durable-state.ts',
    edits: [['...tables.slice(start + run.length),', '...tables.slice(start),']],
    test: [
      'test/main/shared-files.test.ts',
      'merging > takes the place of its input or is not there: after a power cut at any moment nothing counts twice',
    ],
  },
  {
    name: 'a-merge-of-newer-tables-drops-tombstones',
    report: 'Hudi#4863, SplinterDB#454',
    file: 'src/main/table-merger.ts',
    edits: [['this.#merge(tables, run.end === all.length)', 'this.#merge(tables, true)']],
    test: [
      'test/main/shared-files.test.ts',
      'merging > loses nothing and brings nothing back, whatever runs of tables are merged',
    ],
  },
  {
    name: 'a-damaged-checkpoint-is-restored-again-and-again',
    report: 'rdsn#459',
    file: 'src/main/job-attempts.ts',
    edits: [["  'ERR_TABLE_CORRUPT',\n", '']],
    test: [
      'test/e2e/restore.test.ts',
      'what cannot be restored > damage of a table fails at once with the file named, whatever the restart strategy',
    ],
  },
  {
    name: 'a-merge-trusts-what-a-collection-has-chosen',
    report: 'our own',
    file: 'src/main/table-merger.ts',
    edits: [['if (merged !== null && this.#deleted.has(merged.hash))', 'if (merged !== null && merged.hash.length === 0)']],
    test: [
      'test/main/shared-files.test.ts',
      'merging > into a table that a collection is about to delete, before it does: the job goes on without a gap',
    ],
  },
];
