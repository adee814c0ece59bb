/**
 * Ends this process when its parent is gone, also while the main thread stands still: in an endless loop, or in a file
 * operation that does not return. The IPC channel alone would not do, for its end is an event of that thread; a runtime
 * that nobody supervises and that comes back to life could write where its successor does.
 */
import { Worker } from 'node:worker_threads';

/** How long an orphan may live, besides the 30 ms or so in which the thread starts. */
const LOOK_EVERY_MS = 200;

const WATCH = `
  const parent = require('node:worker_threads').workerData;
  const look = () => { if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL'); };
  look();
  setInterval(look, ${LOOK_EVERY_MS});
`;

/**
 * Call it before anything that may stand still. The thread costs 27 ms of CPU to start, on another core than the one that
 * loads the job meanwhile.
 *
 * @param parent  process id of the parent as it says itself: it may be gone by now, and its place taken by init
 */
export function guardAgainstOrphaning(parent: number): void {
  const limits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2, stackSizeMb: 1 };
  const thread = new Worker(WATCH, { eval: true, workerData: parent, execArgv: [], resourceLimits: limits });
  // Without it the channel still guards; it is no reason to end a job.
  thread.on('error', () => undefined);
  thread.unref();
}
