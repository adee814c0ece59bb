/**
 * Ends this process when its parent is gone, also while the main thread stands still: in an endless loop, or in a file
 * operation that does not return. The IPC channel alone would not do, for its end is an event of that thread; a runtime
 * that nobody supervises and that comes back to life could write where its successor does.
 */
import { Worker } from 'node:worker_threads';

/** How long an orphan may live; on top of it comes `START_AFTER_MS`, at most. */
const LOOK_EVERY_MS = 200;

/** A thread costs 27 ms of CPU to start. That is kept off the way to the first record. */
const START_AFTER_MS = 500;

const WATCH = `
  const parent = require('node:worker_threads').workerData;
  setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL'); }, ${LOOK_EVERY_MS});
`;

export function guardAgainstOrphaning(): void {
  const parent = process.ppid;
  const start = (): void => {
    const limits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
    const thread = new Worker(WATCH, { eval: true, workerData: parent, execArgv: [], resourceLimits: limits });
    // Without it the channel still guards; it is no reason to end a job.
    thread.on('error', () => undefined);
    thread.unref();
  };
  setTimeout(start, START_AFTER_MS).unref();
}
