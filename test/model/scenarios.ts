/** What is explored, and how far. */
import { writeDelta, BASE, JOB_DIR, manifestOf } from '../snapshot/job-tools.ts';
import type { FsPort } from '../../src/snapshot/fs-port.ts';
import { prepareJobDirectory, publishCheckpoint } from '../../src/snapshot/publish.ts';
import { Disk } from './disk.ts';
import { type JobOptions, OPERATIONS } from './operations.ts';
import { runAlone } from './program.ts';
import { EVERY_ORDER, type Scenario } from './world.ts';

const FORMER_ID = 'f'.repeat(32);
const FORMER_DIR = `${BASE}/${FORMER_ID}`;
const JOB: JobOptions = { jobDirectory: JOB_DIR, retained: 1, from: null, claim: false };

type Bounds = Partial<Omit<Scenario, 'name'>>;

/** Two processes that own one directory, one after the other. */
export function oneDirectory(name: string, bounds: Bounds, forgets = false): Scenario {
  return {
    name,
    jobs: [JOB, JOB],
    disk: diskWith(forgets, () => undefined),
    second: true,
    operations: OPERATIONS,
    publicationWaits: true,
    checkpoints: 0,
    savepoints: 0,
    tables: 3,
    faults: 0,
    takeovers: 0,
    pauses: 'anywhere',
    switches: EVERY_ORDER,
    ends: 0,
    ...bounds,
  };
}

/**
 * A job starts from a checkpoint in the directory of another. NO_CLAIM: the other goes on meanwhile, and deletes it when its time
 * has come. CLAIM: the other is gone.
 */
export function anothersCheckpoint(name: string, claim: boolean, bounds: Bounds): Scenario {
  const disk = diskWith(false, (fs) => {
    prepareJobDirectory(fs, FORMER_DIR);
    const table = writeDelta(fs, `${FORMER_DIR}/shared`, 1, new Map([['key 0', 'value']]));
    publishCheckpoint(fs, FORMER_DIR, manifestOf(1, table === null ? [] : [table], new Map(), { jobId: FORMER_ID }));
  });
  const heir: JobOptions = { ...JOB, from: `${FORMER_DIR}/chk-1`, claim };
  const former: JobOptions = { ...JOB, jobDirectory: FORMER_DIR };
  return { ...oneDirectory(name, bounds), disk, jobs: [heir, former], second: !claim };
}

function diskWith(forgets: boolean, fill: (fs: FsPort) => void): Disk {
  return runAlone(Disk.empty(forgets), fill).disk;
}
