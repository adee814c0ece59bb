/**
 * A program that runs a job inside itself: it starts it, watches it, asks for a checkpoint, and uses the result.
 *
 *     node examples/embed.ts [limit]          Node 22.18 or later
 *     npx jiti examples/embed.ts [limit]      Node 20
 *
 * What it shows: `run()` and its handle. There is no supervisor here: when the process dies, the job ends, and the program
 * resumes it by calling `run()` with `resume: true`. Ctrl-C stops the job with a last checkpoint.
 */
import { run } from 'tidemark';

const handle = await run(new URL('./embed/gaps.ts', import.meta.url), {
  args: process.argv.slice(2),
  resume: true,
  config: {
    'state.checkpoints.dir': 'checkpoints/embed',
    'execution.checkpointing.interval': '1 s',
    'execution.checkpointing.externalized-checkpoint-retention': 'DELETE_ON_CANCELLATION',
  },
});

handle.on('restored', ({ checkpointId }) => console.log(`goes on from checkpoint ${checkpointId}`));
handle.on('restart', ({ attempt, delayMs, error }) => console.log(`attempt ${attempt} in ${delayMs} ms: ${error.message}`));
handle.on('checkpoint', ({ checkpointId, durationMs, newBytes }) => {
  console.log(
    `checkpoint ${checkpointId}: ${newBytes} new bytes in ${durationMs.toFixed(0)} ms, ${share(handle.progress().inputProgress)} done`,
  );
});
process.once('SIGINT', () => void handle.stop());

const result = await handle.done;
console.log(`${result.status}: ${result.records} blocks in ${(result.durationMs / 1000).toFixed(1)} s`);
const gaps = result.collected as readonly { gap: number; times: number }[];
for (const { gap, times } of gaps.toSorted((a, b) => b.times - a.times).slice(0, 5))
  console.log(`${times} times a gap of ${gap}`);

function share(progress: number | null): string {
  return progress === null ? '?' : `${Math.round(progress * 100)} %`;
}
