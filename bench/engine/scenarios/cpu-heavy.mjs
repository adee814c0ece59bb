/** A map whose function takes a millisecond, against the function in a loop. */
import { baselineAlone, measureAlone } from '../../lib/isolated.mjs';
import { row } from '../../lib/report.mjs';

const MS_PER_RECORD = 1;

export const cpuHeavy = {
  name: 'cpu-heavy',
  question: 'How near do 2 threads come to twice a plain loop when a record takes a millisecond, and what does the runtime cost?',
  async *rows({ warmUpMs, windowMs, intervalMs }) {
    const plain = await baselineAlone('burnAll', { ms: MS_PER_RECORD, warmUpMs, windowMs });
    yield row('plain loop', plain.perSecond, 'records/s', null, `${plain.iterations} iterations a record`);
    const two = await measureAlone('steadyRate', {
      job: 'burn',
      args: [plain.iterations],
      threads: 2,
      intervalMs,
      warmUpMs,
      windowMs,
    });
    yield row('2 threads', two.perSecond, 'records/s');
    yield row('2 threads against the plain loop', two.perSecond / plain.perSecond, 'times', { atLeast: 1.95 });
    // What a record costs is taken from the loop, not from the calibration: it is the same code under the same clock.
    const cpuMsOfRecord = plain.cpuMs / plain.records;
    const overhead = (two.cpuMs - two.records * cpuMsOfRecord) / two.cpuMs;
    yield row(
      'CPU time that is not the function',
      overhead * 100,
      '%',
      { atMost: 1 },
      `${Math.round(two.cpuMs)} ms for ${two.records} records of ${cpuMsOfRecord.toFixed(3)} ms`,
    );
  },
};
