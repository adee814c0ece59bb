/** The configuration that a run has: its sources read, and run options turned into the keys they stand for. */
import type { JobGraph } from '../job/graph.ts';
import { type Config, readConfigFile, resolveConfig } from './config.ts';
import type { StartOptions } from './handle.ts';

/**
 * @param origin  what messages call the options: `-D` for the command line, `run() options` for a program
 * @throws TidemarkError ERR_CONFIG_INVALID
 */
export async function resolveRunConfig(
  graph: Pick<JobGraph, 'config'>,
  options: StartOptions,
  origin = 'run() options',
): Promise<Config> {
  return resolveConfig({
    file: await readConfigFile(options.configFile),
    env: process.env,
    code: graph.config,
    overrides: overridesOf(options),
    overridesOrigin: origin,
  });
}

/** A named option wins over the same key in `config`: `-p 4` over `-D parallelism.default=2`. */
function overridesOf(options: StartOptions): Record<string, string | number | boolean> {
  return {
    ...options.config,
    ...(options.threads !== undefined && { 'task.threads': options.threads }),
    ...(options.parallelism !== undefined && { 'parallelism.default': options.parallelism }),
    ...(options.from !== undefined && { 'execution.state-recovery.path': options.from }),
    ...(options.allowNonRestoredState !== undefined && {
      'execution.state-recovery.ignore-unclaimed-state': options.allowNonRestoredState,
    }),
    ...(options.claimMode !== undefined && { 'execution.state-recovery.claim-mode': options.claimMode }),
  };
}
