/** Starts jobs: in this process, for programs (`run`) and for the supervised runtime process (`startJob`). */
import { TidemarkError } from '../format/errors.ts';
import type { JobGraph } from '../job/graph.ts';
import { loadJob } from '../job/load.ts';
import { CheckpointStore } from './checkpoint-store.ts';
import type { Config } from './config.ts';
import type { JobHandle, RunOptions, StartOptions } from './handle.ts';
import { type Host, thisMachine } from './host.ts';
import { JobRunner, newJobId } from './job-runner.ts';
import { resolveRunConfig } from './run-config.ts';

/**
 * Runs the job that a module exports, in this process. There is no supervisor: when the process dies, start it again with
 * `resume: true`.
 *
 * @param module  path or file: URL of the job module; workers load it again
 * @throws TidemarkError when the job cannot be started; how it ends is told by `handle.done`
 *
 * @example
 * const handle = await run(new URL('./job.ts', import.meta.url), { parallelism: 4 });
 * const { records } = await handle.done;
 */
export async function run(module: URL | string, options: RunOptions = {}): Promise<JobHandle> {
  const { graph, moduleUrl } = await loadJob(module, { args: options.args ?? [] });
  return startJob(graph, moduleUrl, options);
}

/** Starts a loaded job. */
export async function startJob(graph: JobGraph, moduleUrl: string, options: StartOptions = {}): Promise<JobHandle> {
  const jobId = options.jobId ?? newJobId();
  if (!/^[0-9a-f]{32}$/.test(jobId)) {
    throw new TidemarkError('ERR_INVALID_ARG', `The job id must be 32 hex characters (0-9, a-f), and is '${jobId}'.`, {
      facts: { jobId },
    });
  }
  const config = await resolveRunConfig(graph, options);
  return openJob(thisMachine, jobId, graph, moduleUrl, options, config);
}

/** Takes the job's directory and starts the job, on whatever host. */
export async function openJob(
  host: Host,
  jobId: string,
  graph: JobGraph,
  moduleUrl: string,
  options: StartOptions,
  config: Config,
): Promise<JobRunner> {
  const store = await CheckpointStore.open(jobId, graph.name, options, config, host);
  try {
    return new JobRunner(graph, moduleUrl, options, config, store);
  } catch (error) {
    // Who started it in this process may try again.
    await store.abandon();
    throw error;
  }
}
