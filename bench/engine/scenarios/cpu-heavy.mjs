/** A map whose function takes a millisecond, against the function in a loop. */
import { baselineAlone, measureAlone } from '../../lib/isolated.mjs';
import { row } from '../../lib/report.mjs';

const MS_PER_RECORD = 1;
const THREADS = 2;
/**
 * Times the warm-up of other scenarios. At a thousand records a second the compiler is busy for long: in the second after 1 s of warm-up
 * its threads took 1 % of the CPU, after 10 s 0.3 %.
 */
const LONGER_WARM_UP = 4;

export const cpuHeavy = {
  name: 'cpu-heavy',
  question: 'How near do 2 threads come to twice a plain loop when a record takes a millisecond, and what does the runtime cost?',
  async *rows({ warmUpMs, windowMs, intervalMs }) {
    const plain = await baselineAlone('burnAll', { ms: MS_PER_RECORD, warmUpMs, windowMs });
    const { iterations } = plain;
    yield row('plain loop', plain.perSecond, 'records/s', null, `${iterations} iterations a record`);
    const before = await loopsAtOnce({ iterations, warmUpMs, windowMs });
    const two = await measureAlone('steadyRate', {
      job: 'burn',
      args: [iterations],
      threads: THREADS,
      intervalMs,
      warmUpMs: warmUpMs * LONGER_WARM_UP,
      windowMs,
    });
    const after = await loopsAtOnce({ iterations, warmUpMs, windowMs });
    yield row('2 threads', two.perSecond, 'records/s');
    yield row('2 threads against the plain loop', two.perSecond / plain.perSecond, 'times', { atLeast: 1.95 });
    const cpuMsOfRecord = sum([...before, ...after], 'cpuMs') / sum([...before, ...after], 'records');
    const overhead = (two.cpuMs - two.records * cpuMsOfRecord) / two.cpuMs;
    yield row(
      'CPU time that is not the function',
      overhead * 100,
      '%',
      { atMost: 1 },
      `${Math.round(two.cpuMs)} ms for ${two.records} records of ${cpuMsOfRecord.toFixed(3)} ms, as in ${THREADS} loops at once`,
    );
  },
};

/**
 * As many plain loops as the job has threads, each in a process: what a record costs where every core is busy. A loop that has the
 * machine for itself takes up to 1.5 % less for the same, which is not the runtime's. Before and after the job, since clocks drift.
 */
function loopsAtOnce(options) {
  return Promise.all(Array.from({ length: THREADS }, () => baselineAlone('burnAll', options)));
}

function sum(loops, field) {
  return loops.reduce((total, loop) => total + loop[field], 0);
}
