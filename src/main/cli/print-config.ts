/** `tidemark run --print-config`: what holds for a job, and why. Loads the job, since it has options of its own. */
import { loadJob } from '../../job/load.ts';
import { describeConfig, describeConfigAsJson } from '../config.ts';
import type { StartOptions } from '../handle.ts';
import { resolveRunConfig } from '../run-config.ts';
import { printJson, printOut } from './output.ts';

export async function printConfiguration(jobFile: string, options: StartOptions, json: boolean): Promise<number> {
  const { graph } = await loadJob(jobFile, { args: options.args ?? [] });
  const config = await resolveRunConfig(graph, options, '-D');
  if (json) printJson(describeConfigAsJson(config));
  else printOut(describeConfig(config));
  return 0;
}
