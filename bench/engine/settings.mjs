/** Sizes and times of the scenarios. */
export const FULL = {
  intervalMs: 1000,
  warmUpMs: 2500,
  windowMs: 5000,
  keys: 2 ** 20,
  countPairs: 3,
  textBytes: 200e6,
  stall: { payloadBytes: 1000, small: 10_000, large: 2_000_000, intervalMs: 100, windowMs: 10_000, checkpoints: 100 },
  hot: { keys: 2 ** 22, pairs: 5 },
  restoreEntries: 10_000_000,
  restores: 3,
  restoreThreads: [2],
  startups: 15,
};

/** For `--quick`: shows that every scenario runs; its figures say nothing about the targets. */
export const QUICK = {
  intervalMs: 300,
  warmUpMs: 300,
  windowMs: 1000,
  keys: 2 ** 16,
  countPairs: 1,
  textBytes: 8e6,
  stall: { payloadBytes: 1000, small: 1_000, large: 20_000, intervalMs: 100, windowMs: 1000, checkpoints: 5 },
  hot: { keys: 2 ** 16, pairs: 1 },
  restoreEntries: 200_000,
  restores: 1,
  restoreThreads: [2],
  startups: 3,
};

/** Counts of random keys are measured when so much of the keys have been met: to insert is not to update. */
export const FILLED = 0.9;
