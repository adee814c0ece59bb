import { describe, expect, test } from 'vitest';
import { encodeManifest } from '../../src/format/manifest.ts';
import { claimOne, deleteClaimed } from '../../src/snapshot/claim.ts';
import { findClaim, forgetClaim, recordClaim } from '../../src/snapshot/claim-record.ts';
import { quietly, syncDirectory } from '../../src/snapshot/files.ts';
import { collectGarbage } from '../../src/snapshot/gc.ts';
import { type Checkpoint, openCheckpoint, pathOfTable } from '../../src/snapshot/restore.ts';
import { writeSavepoint } from '../../src/snapshot/savepoint.ts';

import { BASE, Checkpointer, JOB_DIR, JOB_ID, manifestOf } from './job-tools.ts';
import { randomFrom, SimFs } from './sim-fs.ts';

const CLAIMING = `${BASE}/fedcba9876543210fedcba9876543210`;
const STATE = new Map([['a', '1']]);

function withCheckpoint(): SimFs {
  const fs = new SimFs();
  fs.makeDirectory(BASE);
  fs.makeDirectory(CLAIMING);
  new Checkpointer(fs).checkpoint(1, STATE);
  return fs;
}

/** A savepoint of the checkpoint, whose claim is recorded. */
function claimedSavepoint(fs: SimFs): Checkpoint {
  const source = openCheckpoint(fs, `${JOB_DIR}/chk-1`);
  const { path } = writeSavepoint(fs, source.manifest, {
    target: '/savepoints',
    name: 'savepoint-012345-00112233aabb',
    format: 'native',
    compression: 'none',
    tablePath: (hash) => pathOfTable(source, { hash }),
  });
  const savepoint = openCheckpoint(fs, path);
  recordClaim(fs, CLAIMING, claimOne(savepoint), savepoint, 1);
  return savepoint;
}

describe('a recorded claim', () => {
  test('is found by the next owner of the directory, until it is forgotten', () => {
    const fs = withCheckpoint();
    const checkpoint = openCheckpoint(fs, `${JOB_DIR}/chk-1`);
    const claimed = claimOne(checkpoint);
    recordClaim(fs, CLAIMING, claimed, checkpoint, 2);
    expect(findClaim(fs, CLAIMING)).toEqual({ claimed, retained: 2 });
    forgetClaim(fs, CLAIMING);
    expect(findClaim(fs, CLAIMING)).toBeNull();
  });

  test('is none of another checkpoint that has come to be at the same path', () => {
    const fs = withCheckpoint();
    const checkpoint = openCheckpoint(fs, `${JOB_DIR}/chk-1`);
    recordClaim(fs, CLAIMING, claimOne(checkpoint), checkpoint, 1);
    deleteClaimed(fs, claimOne(checkpoint));
    const again = new Checkpointer(fs);
    again.checkpoint(1, new Map([['b', '2']]));
    // One job's checkpoints of one number are told apart by when they were completed: `job-tools` makes that of the number.
    const other = manifestOf(1, again.tables, again.state, { completedAt: '2027-01-02T03:04:05.006Z' });
    fs.file(`${JOB_DIR}/chk-1/_metadata`).bytes = encodeManifest(other);
    expect(findClaim(fs, CLAIMING)).toBeNull();
    expect(fs.list(CLAIMING)).toEqual([]);
    openCheckpoint(fs, `${JOB_DIR}/chk-1`);
  });

  test('of a savepoint whose deletion was cut short is fulfilled: tables without a manifest go, and nothing else does', () => {
    const fs = withCheckpoint();
    const { directory } = claimedSavepoint(fs);
    fs.unlink(`${directory}/_metadata`);
    expect(findClaim(fs, CLAIMING, true)).toBeNull();
    expect(fs.list(directory)).toHaveLength(1);
    expect(findClaim(fs, CLAIMING)).toBeNull();
    expect(fs.list('/savepoints')).toEqual([]);
    expect(fs.list(CLAIMING)).toEqual([]);
    openCheckpoint(fs, `${JOB_DIR}/chk-1`);
  });

  test('of a savepoint whose deletion was cut short brings back no half of it when the power is cut meanwhile', () => {
    let cameBack = 0;
    for (let operations = 0; operations < 20; operations++) {
      const fs = withCheckpoint();
      const { directory } = claimedSavepoint(fs);
      for (const path of ['/', BASE, '/savepoints']) syncDirectory(fs, path);
      fs.unlink(`${directory}/_metadata`);
      let left = operations;
      fs.before = () => {
        if (left-- <= 0) throw new Error('the power is cut');
      };
      quietly(() => findClaim(fs, CLAIMING));
      for (let seed = 0; seed < 20; seed++) {
        const after = fs.crash(randomFrom(seed));
        const paths = after.entries();
        if (!paths.has(`${directory}/_metadata`)) continue;
        cameBack++;
        expect([...paths.keys()].filter((path) => path.startsWith(`${directory}/`))).toHaveLength(2);
      }
    }
    expect(cameBack).toBeGreaterThan(0);
  });

  test('that was being fulfilled is, when another job removes the directory of the one that had recorded it', () => {
    const fs = withCheckpoint();
    const { directory } = claimedSavepoint(fs);
    fs.unlink(`${directory}/_metadata`);
    collectGarbage(fs, CLAIMING, { retain: [], inFlight: new Set(), sweep: true });
    expect(fs.list('/savepoints')).toEqual([]);
    expect(fs.list(BASE)).toEqual([JOB_ID]);
  });

  test('that was not begun to be fulfilled leaves what was claimed, when the directory of the job is removed', () => {
    const fs = withCheckpoint();
    const { directory } = claimedSavepoint(fs);
    collectGarbage(fs, CLAIMING, { retain: [], inFlight: new Set(), sweep: true });
    openCheckpoint(fs, directory);
    expect(fs.list(BASE)).toEqual([JOB_ID]);
  });

  test('that was not written to its end is none', () => {
    const fs = withCheckpoint();
    const checkpoint = openCheckpoint(fs, `${JOB_DIR}/chk-1`);
    recordClaim(fs, CLAIMING, claimOne(checkpoint), checkpoint, 1);
    const file = fs.file(`${CLAIMING}/.claimed`);
    file.bytes = file.bytes.subarray(0, 20);
    expect(findClaim(fs, CLAIMING)).toBeNull();
  });
});
