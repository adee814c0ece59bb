/** `tidemark run`: starts the job under a supervisor and stays until it has ended. */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { TidemarkError } from '../../format/errors.ts';
import type { ControlRequest } from '../control-protocol.ts';
import type { CheckpointSummary } from '../handle.ts';
import { summaryLines } from '../progress-view.ts';
import { type Registration, registerJob } from '../registry.ts';
import type { Outcome, Supervisor } from '../supervisor.ts';
import { startDetached, tellStarter } from './detach.ts';
import { forkRuntime, isLive } from './fork-ahead.ts';
import { describeError, errorDocument, exitCodeOf, paintErr, printErr, printJson } from './output.ts';
import { printConfiguration } from './print-config.ts';
import { Reporter } from './reporter.ts';
import { type RunFlags, toStartOptions } from './run-options.ts';
import { exitCodeOfSignal, StopOnSignal } from './stop-on-signal.ts';

/**
 * @param ahead  the supervisor whose process was forked before the arguments were read, if that was possible
 * @returns      the exit code
 */
export async function runCommand(
  jobFile: string,
  jobArgs: readonly string[],
  flags: RunFlags,
  ahead: Supervisor | undefined,
): Promise<number> {
  const options = toStartOptions(flags, jobArgs);
  if (flags.printConfig) return printConfiguration(jobFile, options, flags.json === true);
  if (flags.detached && flags.jobId === undefined) return startDetached(process.argv.slice(2), flags.json === true);

  const jobId = flags.jobId ?? randomBytes(16).toString('hex');
  const supervisor = ahead ?? forkRuntime(flags.cpuProf ? ['--cpu-prof'] : []);
  const reporter = new Reporter(supervisor, isLive());
  const signals = new StopOnSignal(supervisor, reporter);
  const startedAtMs = performance.now();
  let registration: Promise<Registration | undefined> = Promise.resolve(undefined);
  supervisor.once('started', (jobName) => {
    registration = register(supervisor, { jobId, jobName, jobFile: resolve(jobFile) }, reporter);
  });
  if (flags.jobId !== undefined) tellStarter(supervisor);
  supervisor.start(jobFile, { ...options, jobId });

  const outcome = await supervisor.done;
  signals.close();
  reporter.close();
  await (await registration)?.close();
  return conclude(outcome, {
    supervisor,
    jobId,
    signal: signals.received,
    json: flags.json === true,
    durationMs: performance.now() - startedAtMs,
  });
}

async function register(
  supervisor: Supervisor,
  job: { jobId: string; jobName: string; jobFile: string },
  reporter: Reporter,
): Promise<Registration | undefined> {
  try {
    return await registerJob({ ...job, pid: process.pid, startedAt: new Date().toISOString(), cwd: process.cwd() }, (request) =>
      answer(supervisor, request),
    );
  } catch (error) {
    // The job itself does not need it.
    reporter.print(paintErr('yellow', `This job cannot be listed or stopped from elsewhere: ${(error as Error).message}`));
    return undefined;
  }
}

async function answer(supervisor: Supervisor, request: ControlRequest): Promise<unknown> {
  if (request.method === 'status') return supervisor.progress;
  return supervisor.call(request);
}

interface Conclusion {
  readonly supervisor: Supervisor;
  readonly jobId: string;
  readonly signal: NodeJS.Signals | null;
  readonly json: boolean;
  readonly durationMs: number;
}

/** Says how it ended. @returns the exit code */
function conclude(outcome: Outcome, facts: Conclusion): number {
  const { lastCheckpoint } = facts.supervisor;
  switch (outcome.kind) {
    case 'result': {
      const { result } = outcome;
      for (const line of summaryLines(result, lastCheckpoint, paintErr)) printErr(line);
      if (result.status === 'stopped' && result.lastCheckpoint !== null)
        printErr('Go on from there with `tidemark run --resume`.');
      if (result.status === 'cancelled') {
        const error = new TidemarkError('ERR_JOB_CANCELLED', `The job ${result.jobName} was cancelled before its end.`);
        printErr(describeError(error, paintErr));
        if (facts.json) printJson({ ...result, error: errorDocument(error) });
        return error.exitCode;
      }
      if (facts.json) printJson(result);
      return result.status === 'stopped' && facts.signal !== null ? exitCodeOfSignal(facts.signal) : 0;
    }
    case 'failed':
      printErr(describeError(outcome.error, paintErr));
      if (facts.json) printJson({ status: 'failed', ...partialResult(facts), error: errorDocument(outcome.error) });
      return exitCodeOf(outcome.error);
    case 'killed':
      printErr(
        lastCheckpoint === null
          ? 'Ended at once; no checkpoint was complete.'
          : `Ended at once. ${resumeHint(lastCheckpoint.path)}`,
      );
      if (facts.json) printJson({ status: 'killed', ...partialResult(facts) });
      return exitCodeOfSignal(facts.signal ?? 'SIGINT');
  }
}

/** The fields of a result, as far as they are known of a job that did not come to its end. */
function partialResult({ supervisor, jobId, durationMs }: Conclusion): Record<string, unknown> {
  const { progress, lastCheckpoint } = supervisor;
  return {
    jobId,
    jobName: supervisor.jobName,
    records: progress?.records ?? 0,
    durationMs,
    checkpoints: { completed: progress?.checkpoints.completed ?? 0, failed: progress?.checkpoints.failed ?? 0 },
    lastCheckpoint: (lastCheckpoint satisfies CheckpointSummary | null)?.path ?? null,
    restoredFrom: supervisor.restoredFrom?.path ?? null,
    restarts: progress?.restarts ?? 0,
    malformed: progress?.malformed ?? 0,
  };
}

function resumeHint(path: string): string {
  return `The last checkpoint is ${path}. Go on with \`tidemark run --resume\` or \`tidemark run -s ${path}\`.`;
}
