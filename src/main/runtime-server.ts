/**
 * The process with the runtime, as its supervisor drives it. It obeys the IPC channel alone: a terminal sends SIGINT to
 * every process of the foreground group, and it is the supervisor that turns it into a stop with a last checkpoint.
 */
import { encodeError } from '../format/errors.ts';
import type { JobGraph } from '../job/graph.ts';
import { loadJob } from '../job/load.ts';
import { outliveReaders } from './broken-pipe.ts';
import { withinLine } from './control-protocol.ts';
import type { JobHandle, StartOptions } from './handle.ts';
import { guardAgainstOrphaning } from './orphan-guard.ts';
import type { FromRuntime, RuntimeCall, ToRuntime } from './process-messages.ts';
import { resolveRunConfig } from './run-config.ts';

export type StartJob = (graph: JobGraph, moduleUrl: string, options: StartOptions) => Promise<JobHandle>;

/**
 * Serves this process's supervisor; returns at once.
 *
 * @param loadEngine  called at once: the engine loads while the supervisor still reads its command line
 */
export function serveRuntime(loadEngine: () => Promise<{ readonly startJob: StartJob }>): void {
  outliveReaders();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  // Not exit(): that waits for threads, and one of them may hang. Whatever is half done, a crash must be able to leave behind.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));

  const engine = loadEngine();
  // Reported when the job is started; until then it is nobody's unhandled rejection.
  engine.catch(() => undefined);
  let onHandle: (handle: JobHandle) => void;
  // Calls that come while the job is being started wait for it. If it never starts, this process ends and so do they.
  const handle = new Promise<JobHandle>((resolve) => {
    onHandle = resolve;
  });
  process.on('message', (message: ToRuntime) => {
    if (message.kind === 'call') return void answer(handle, message.id, message.call);
    // Before the job module is loaded, whose top level may stand still for ever.
    guardAgainstOrphaning(message.supervisorPid);
    runJob(engine, message, onHandle).then(end, (error: unknown) => end({ kind: 'failed', error: encodeError(error) }));
  });
}

async function runJob(
  engine: Promise<{ readonly startJob: StartJob }>,
  { jobFile, options, progressEveryMs }: Extract<ToRuntime, { kind: 'start' }>,
  onHandle: (handle: JobHandle) => void,
): Promise<FromRuntime> {
  const { graph, moduleUrl } = await loadJob(jobFile, { args: options.args ?? [] });
  const config = await resolveRunConfig(graph, options, '-D');
  send({
    kind: 'started',
    jobName: graph.name,
    checkpointing: config.checkpointing.intervalMs !== null,
    restart: config.restart,
  });
  const handle = await (await engine).startJob(graph, moduleUrl, options);
  onHandle(handle);
  report(handle);
  const timer = setInterval(() => send({ kind: 'progress', progress: handle.progress() }), progressEveryMs);
  try {
    const { collected, ...result } = await handle.done;
    return { kind: 'finished', result: { ...result, collected: collected.length } };
  } finally {
    clearInterval(timer);
    send({ kind: 'progress', progress: handle.progress() });
  }
}

function report(handle: JobHandle): void {
  // Progress comes with every state, so that whoever hears of a state and asks for the progress does not find one before it.
  const tellState = (): void => {
    send({ kind: 'progress', progress: handle.progress() });
    send({ kind: 'state', state: handle.state });
  };
  // The handle came with a state already; events tell the later ones.
  tellState();
  handle.on('state', tellState);
  handle.on('checkpoint', (checkpoint) => send({ kind: 'checkpoint', checkpoint }));
  handle.on('checkpointFailed', ({ checkpointId, error }) =>
    send({ kind: 'checkpointFailed', checkpointId, error: encodeError(error) }),
  );
  handle.on('restart', ({ attempt, delayMs, error }) => send({ kind: 'restart', attempt, delayMs, error: encodeError(error) }));
  handle.on('restored', (restored) => send({ kind: 'restored', restored }));
  handle.on('notice', (text) => send({ kind: 'notice', text }));
}

async function answer(handle: Promise<JobHandle>, id: number, call: RuntimeCall): Promise<void> {
  try {
    send({ kind: 'answer', id, result: (await perform(await handle, call)) ?? null });
  } catch (error) {
    send({ kind: 'refusal', id, error: encodeError(error) });
  }
}

async function perform(handle: JobHandle, call: RuntimeCall): Promise<unknown> {
  switch (call.method) {
    case 'cancel':
      return handle.cancel();
    case 'history':
      return withinLine(await handle.history(call.limit));
    case 'checkpoint':
      return handle.checkpoint();
    case 'savepoint':
      return handle.savepoint(call.directory, call.format === undefined ? {} : { format: call.format });
    case 'stop': {
      const { method: _, ...options } = call;
      return handle.stop(options);
    }
  }
}

/** Says how it ended and exits; 0 also for a failed job, since any other code is a crash to the supervisor. */
function end(message: FromRuntime): void {
  process.send?.(message, () => process.exit(0));
}

function send(message: FromRuntime): void {
  // A closed channel kills this process a moment later; there is nobody left to tell.
  if (process.connected) process.send?.(message, () => undefined);
}
