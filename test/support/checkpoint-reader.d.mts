export interface FoundCheckpoint {
  readonly jobId: string;
  readonly checkpointId: number;
  readonly path: string;
  readonly metadata: string;
  readonly at: number;
}
export function listCheckpoints(base: string): readonly FoundCheckpoint[];
export function findIncompleteCheckpoints(base: string): readonly string[];
export function digestsOf(manifest: unknown): Readonly<Record<string, string>>;
export function tablesOf(manifest: unknown): readonly { readonly hash: string; readonly sizeBytes: number }[];
export function readManifest(metadata: string): unknown;
