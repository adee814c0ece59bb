/**
 * Runs the ledger job inside this process, without a supervisor, resuming what is there: the program that
 * `kill-at-syscalls.mjs` kills. Arguments: working directory, parallelism, entries, accounts, entries per second.
 */
import { run } from 'tidemark';

const [parallelism, ...args] = process.argv.slice(2);

const handle = await run(new URL('../e2e/jobs/ledger.mjs', import.meta.url), {
  resume: true,
  parallelism: Number(parallelism),
  args: [...args, 'out'],
  config: {
    'state.checkpoints.dir': 'checkpoints',
    'execution.checkpointing.interval': '30 ms',
    'execution.checkpointing.num-retained': 2,
    'execution.checkpointing.externalized-checkpoint-retention': 'RETAIN_ALWAYS',
  },
});
await handle.done;
