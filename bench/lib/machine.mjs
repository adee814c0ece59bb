/** What a figure depends on: the machine, the version of Node, and the state of the code. */
import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

export const machine = {
  node: process.version,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  memoryBytes: totalmem(),
  platform: `${process.platform} ${process.arch}`,
};

export function describeMachine() {
  const { node, cores, cpu, memoryBytes, platform } = machine;
  return `Node ${node}, ${cores} cores of ${cpu}, ${Math.round(memoryBytes / 2 ** 30)} GiB, ${platform}`;
}

/** @returns the commit of this checkout, with `+` where files were changed since; null outside of one */
export function commit() {
  const git = (...args) =>
    execFileSync('git', args, {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return `${git('rev-parse', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`;
  } catch {
    return null;
  }
}
