/** How a checkpoint ended, as `onCheckpoint` of a `process` and of a sink's writer are told. */
export interface CheckpointOutcome {
  readonly checkpointId: number;
  /**
   * `completed`: it is durable, and what sinks had prepared for it is committed. `aborted`: it will never be; nothing is lost, the
   * next one holds its changes.
   */
  readonly status: 'completed' | 'aborted';
}
