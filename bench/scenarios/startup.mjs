/** From the start of the command line's process to the first record at the sink of a small job. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { point } from '../lib/program.mjs';
import { median, row } from '../lib/report.mjs';

const CLI = fileURLToPath(new URL('../../dist/main/cli/main.js', import.meta.url));
const JOB = fileURLToPath(new URL('../jobs/first-record.mjs', import.meta.url));

export const startup = {
  name: 'startup',
  question: 'How long is it from the start of the process to the first record of a small job?',
  async *rows({ startups }) {
    const directory = mkdtempSync(join(tmpdir(), 'tidemark-bench-startup-'));
    try {
      // The first one warms the disk cache.
      await firstRecordMs(directory, 'warm-up');
      const times = [];
      for (let i = 0; i < startups; i++) times.push(await firstRecordMs(directory, String(i)));
      yield row(
        'process start to first record, median',
        median(times),
        'ms',
        { atMost: 300 },
        `of ${startups}; ${Math.round(Math.min(...times))} to ${Math.round(Math.max(...times))} ms`,
      );
      yield point({ kind: 'startup.point', runsMs: times });
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
};

/** By the machine's monotonic clock, which all processes share. */
async function firstRecordMs(directory, name) {
  const note = join(directory, name);
  const startedNs = process.hrtime.bigint();
  const child = spawn(process.execPath, [CLI, 'run', JOB, note], { cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new Error(`the job ended with exit code ${code}: ${said}`);
  return Number(BigInt(readFileSync(note, 'utf8')) - startedNs) / 1e6;
}
