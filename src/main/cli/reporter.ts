/** Shows what a supervised job does: a frame that is redrawn on a terminal, a line every few seconds elsewhere. */
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { humanCount, humanDuration } from '../human.ts';
import { plainLine, renderProgress } from '../progress-view.ts';
import type { Supervisor } from '../supervisor.ts';
import { LiveFrame, widthOf } from '../terminal.ts';
import { paintErr, printErr } from './output.ts';

const PLAIN_LINE_EVERY_MS = 5_000;

export class Reporter {
  readonly #frame: LiveFrame | null;
  #lastLineAtMs = performance.now();

  /** @param live  redraw a frame; else print lines */
  constructor(supervisor: Supervisor, live: boolean) {
    this.#frame = live ? new LiveFrame(process.stderr) : null;
    // However this process ends, the cursor comes back.
    if (live) process.on('exit', () => this.close());
    supervisor.on('progress', (progress) => {
      if (this.#frame !== null) {
        // Undefined when the terminal does not tell.
        const height = (process.stderr.rows as number | undefined) ?? 24;
        this.#frame.draw(
          renderProgress(progress, { width: widthOf(process.stderr), height, paint: paintErr, nowMs: Date.now() }),
        );
      } else if (performance.now() - this.#lastLineAtMs >= PLAIN_LINE_EVERY_MS) {
        this.#lastLineAtMs = performance.now();
        printErr(plainLine(progress, Date.now()));
      }
    });
    supervisor.on('restored', ({ path, checkpointId, durationMs, entries }) => {
      this.print(
        `Restored from checkpoint ${checkpointId} (${path}) in ${humanDuration(durationMs)}: ${humanCount(entries)} entries.`,
      );
    });
    supervisor.on('checkpointFailed', ({ checkpointId, error }) =>
      this.print(paintErr('yellow', `Checkpoint ${checkpointId} failed: ${error.message}`)),
    );
    supervisor.on('restart', ({ attempt, delayMs, error }) =>
      this.print(paintErr('yellow', `Restarting in ${humanDuration(delayMs)} (attempt ${attempt}) after: ${error.message}`)),
    );
    supervisor.on('crash', ({ reason, delayMs, attempt }) =>
      this.print(
        paintErr('yellow', `The process of the job ${reason}. Starting process ${attempt} in ${humanDuration(delayMs)}.`),
      ),
    );
    supervisor.on('notice', (text) => this.print(text));
    if (supervisor.process !== null) this.#readOutput(supervisor.process);
    supervisor.on('process', (child) => this.#readOutput(child));
  }

  /** A message for people, above the frame. */
  print(text: string): void {
    if (this.#frame === null) printErr(text);
    else this.#frame.print(text);
  }

  close(): void {
    this.#frame?.close();
  }

  /** What the job prints goes above the frame, in whole lines. */
  #readOutput({ stdout, stderr }: ChildProcess): void {
    for (const stream of [stdout, stderr]) if (stream !== null) this.#readLines(stream);
  }

  #readLines(stream: Readable): void {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk: string) => {
      const end = chunk.lastIndexOf('\n') + 1;
      if (end > 0) this.print(rest + chunk.slice(0, end));
      rest = end > 0 ? chunk.slice(end) : rest + chunk;
    });
    stream.on('end', () => {
      if (rest !== '') this.print(rest);
    });
  }
}
