/**
 * When a life of a job is killed, and what of it. As measured on this machine, `paceMs` is the time from the start of the process to its
 * first checkpoint, `lifeMs` that to its end: a delay below the one hits the start or the restore, one between them hits the work.
 *
 * | kind    | killed   | when                                                                                      |
 * |---------|----------|-------------------------------------------------------------------------------------------|
 * | early   | all      | while the process starts, loads the job or restores                                       |
 * | random  | all      | at any time                                                                               |
 * | publish | all      | up to 3 ms after the n-th change of the names in the checkpoint directory                 |
 * | commit  | all      | up to 3 ms after the n-th change of the names in the output directory                     |
 * | orphan  | parent   | at any time; the runtime process must end by itself                                       |
 * | runtime | child    | at any time; the supervisor must resume it; some time later all of it is killed           |
 */
export function chooseMoment(random, { paceMs, lifeMs }) {
  const anyTime = () => random.float() * Math.min(3 * paceMs, lifeMs);
  const roll = random.float();
  if (roll < 0.2) return { kind: 'early', delayMs: random.float() * paceMs };
  if (roll < 0.4) return { kind: 'random', delayMs: anyTime() };
  if (roll < 0.7) return { kind: 'publish', changes: 1 + random.int(12), delayMs: random.float() * 3 };
  if (roll < 0.85) return { kind: 'commit', changes: 1 + random.int(6), delayMs: random.float() * 3 };
  if (roll < 0.93) return { kind: 'orphan', delayMs: anyTime() };
  return { kind: 'runtime', delayMs: anyTime(), thenMs: anyTime() };
}
