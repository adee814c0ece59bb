/** What is shown of a running job: lines of a frame, one line for a log, and the summary at the end. Pure. */
import type { CheckpointSummary, JobProgress, OperatorProgress, StageProgress } from './handle.ts';
import { humanBytes, humanCount, humanDuration, humanPercent } from './human.ts';
import type { ProcessResult } from './process-messages.ts';
import { type Paint, printable, type Style, truncate } from './terminal.ts';
import { type Column, renderTable } from './text-table.ts';

export interface View {
  /** Columns of the terminal. */
  readonly width: number;
  /** Lines of the terminal. */
  readonly height: number;
  readonly paint: Paint;
  /** Wall clock, for the age of the last checkpoint. */
  readonly nowMs: number;
}

const BAR_CELLS = 12;

const STATE_STYLES: Partial<Record<JobProgress['state'], Style>> = {
  running: 'green',
  finished: 'green',
  restarting: 'yellow',
  stopping: 'yellow',
  failed: 'red',
  cancelled: 'red',
};

const STAGE_COLUMNS: readonly Column[] = [
  { title: '  stage', align: 'left', dropOrder: 0, minWidth: 12 },
  { title: 'x', align: 'right', dropOrder: 3 },
  { title: 'in/s', align: 'right', dropOrder: 0 },
  { title: 'out/s', align: 'right', dropOrder: 4 },
  { title: 'busy █ blocked ▒', align: 'left', dropOrder: 2 },
  { title: 'busy', align: 'right', dropOrder: 1 },
  { title: 'state', align: 'left', dropOrder: 5 },
];

/** The frame that is redrawn on a terminal. Where it would be higher than that, the operators inside of stages are left out. */
export function renderProgress(progress: JobProgress, view: View): string[] {
  const { width, paint } = view;
  const facts = [humanDuration(progress.runningMs), `${humanCount(progress.records)} records`, ...remaining(progress)];
  if (progress.malformed > 0) facts.push(`${humanCount(progress.malformed)} malformed`);
  if (progress.restarts > 0) facts.push(`${progress.restarts} ${progress.restarts === 1 ? 'restart' : 'restarts'}`);
  const name = printable(progress.jobName);
  const head = truncate(`${name}  ${progress.state}  ${facts.join(' · ')}`, width);
  const lines = [styleHead(head, name.length, progress.state, paint)];
  const below = [truncate(checkpointLine(progress, view.nowMs), width)];
  const trouble = troubleLine(progress);
  if (trouble !== undefined) below.push(paint('yellow', truncate(trouble, width)));
  const table = stageTable(progress.stages, view, lines.length + below.length);
  lines.push(...table.map((line, i) => (i === 0 ? paint('dim', line) : line)));
  return [...lines, ...below];
}

/** @param others  lines of the frame besides the table */
function stageTable(stages: readonly StageProgress[], { width, height }: View, others: number): string[] {
  if (stages.length === 0) return [];
  const all = stages.flatMap((stage) => [stageRow(stage), ...operatorRows(stage)]);
  // A line for the titles, and one for the cursor below the frame.
  const fits = all.length + others + 2 <= height;
  return renderTable(STAGE_COLUMNS, fits ? all : stages.map(stageRow), width);
}

function styleHead(head: string, nameLength: number, state: JobProgress['state'], paint: Paint): string {
  const style = STATE_STYLES[state];
  const rest = head.slice(nameLength);
  return (
    paint('bold', head.slice(0, nameLength)) + (style === undefined ? rest : rest.replace(state, (word) => paint(style, word)))
  );
}

function remaining(progress: JobProgress): string[] {
  const parts: string[] = [];
  if (progress.inputProgress !== null) parts.push(humanPercent(progress.inputProgress));
  if (progress.etaMs !== null && progress.state === 'running') parts.push(`${humanDuration(progress.etaMs)} left`);
  return parts;
}

function stageRow(stage: StageProgress): string[] {
  const finished = stage.finishedSubtasks === stage.parallelism;
  return [
    `  ${printable(stage.name)}`,
    String(stage.parallelism),
    humanCount(stage.recordsInPerSecond),
    humanCount(stage.recordsOutPerSecond),
    finished ? 'finished' : bar(stage.busy, stage.backpressured),
    finished ? '' : humanPercent(stage.busy),
    stage.stateEntries > 0 ? `${humanCount(stage.stateEntries)} entries, ${humanBytes(stage.stateBytes)}` : '',
  ];
}

/** A stage of one operator is that operator. */
function operatorRows({ operators }: StageProgress): string[][] {
  if (operators.length < 2) return [];
  return operators.map(({ name, recordsInPerSecond, recordsOutPerSecond }) => [
    `    ${printable(name)}`,
    '',
    humanCount(recordsInPerSecond),
    humanCount(recordsOutPerSecond),
    '',
    '',
    '',
  ]);
}

/** Shares of time as cells: busy, then waiting for room downstream, then nothing to do. */
function bar(busy: number, backpressured: number): string {
  const busyCells = Math.min(BAR_CELLS, Math.round(busy * BAR_CELLS));
  const blockedCells = Math.min(BAR_CELLS - busyCells, Math.round(backpressured * BAR_CELLS));
  return '█'.repeat(busyCells) + '▒'.repeat(blockedCells) + '░'.repeat(BAR_CELLS - busyCells - blockedCells);
}

function checkpointLine({ checkpoints, lastCheckpoint }: JobProgress, nowMs: number): string {
  const counts = [
    `${checkpoints.completed} completed`,
    ...(checkpoints.failed > 0 ? [`${checkpoints.failed} failed`] : []),
    ...(checkpoints.inProgress > 0 ? ['one under way'] : []),
  ].join(', ');
  if (lastCheckpoint === null) return `  no checkpoint yet (${counts})`;
  const age = humanDuration(Math.max(0, nowMs - lastCheckpoint.completedAt));
  return `  ${describeCheckpoint(lastCheckpoint)}, ${age} ago (${counts})`;
}

/** "checkpoint 7 in 120 ms: 1.20 MB new, 30.0 MB referenced" */
export function describeCheckpoint(checkpoint: CheckpointSummary): string {
  return `${checkpoint.kind} ${checkpoint.checkpointId} in ${humanDuration(checkpoint.durationMs)}: ${humanBytes(checkpoint.newBytes)} new, ${humanBytes(checkpoint.referencedBytes)} referenced`;
}

function troubleLine({ state, nextAttemptInMs, lastError }: JobProgress): string | undefined {
  if (state !== 'restarting') return undefined;
  const when = nextAttemptInMs === null ? '' : ` in ${humanDuration(nextAttemptInMs)}`;
  return `  restarting${when}${lastError === null ? '' : ` after: ${printable(lastError.split('\n')[0])}`}`;
}

/** The line that is printed every few seconds where there is no terminal. */
export function plainLine(progress: JobProgress, nowMs: number): string {
  const parts = [
    `${printable(progress.jobName)} ${progress.state}`,
    humanDuration(progress.runningMs),
    `${humanCount(progress.records)} records`,
    ...remaining(progress),
    checkpointLine(progress, nowMs).trim(),
    ...progress.stages.map(plainStage),
  ];
  return parts.join(' · ');
}

/** "lines 512 k/s -> split 512 k/s: 75 % busy, 10 % blocked", with what came into each operator. */
function plainStage({ operators, parallelism, finishedSubtasks, busy, backpressured }: StageProgress): string {
  const rate = ({ name, recordsInPerSecond }: OperatorProgress): string =>
    `${printable(name)} ${humanCount(recordsInPerSecond)}/s`;
  const names = operators.map((operator) => (finishedSubtasks === parallelism ? printable(operator.name) : rate(operator)));
  const shares =
    finishedSubtasks === parallelism ? 'finished' : `${humanPercent(busy)} busy, ${humanPercent(backpressured)} blocked`;
  return `${names.join(' -> ')}: ${shares}`;
}

/** What is said when the job has ended without an error. */
export function summaryLines(result: ProcessResult, lastCheckpoint: CheckpointSummary | null, paint: Paint): string[] {
  const { durationMs, records, checkpoints } = result;
  const rate = durationMs > 0 ? humanCount((records * 1000) / durationMs) : '0';
  const state = paint(result.status === 'cancelled' ? 'red' : 'green', result.status);
  const lines = [
    `${paint('bold', printable(result.jobName))} ${state} in ${humanDuration(durationMs)}: ${humanCount(records)} records, ${rate}/s`,
  ];
  if (result.restoredFrom !== null) lines.push(`  restored from    ${result.restoredFrom}`);
  if (result.restarts > 0) lines.push(`  restarts         ${result.restarts}`);
  if (result.malformed > 0) lines.push(`  malformed input  ${humanCount(result.malformed)} records skipped or put aside`);
  if (checkpoints.completed + checkpoints.failed > 0) {
    lines.push(`  checkpoints      ${checkpoints.completed} completed, ${checkpoints.failed} failed`);
    if (lastCheckpoint !== null)
      lines.push(
        `  last one         ${describeCheckpoint(lastCheckpoint)}; ${humanBytes(lastCheckpoint.liveBytes)} live in ${lastCheckpoint.files} files`,
      );
  }
  if (result.lastCheckpoint !== null) lines.push(`  kept at          ${result.lastCheckpoint}`);
  lines.push(`  job id           ${result.jobId}`);
  return lines;
}
