export interface BenchmarkDocument {
  readonly bench: string;
  readonly [field: string]: unknown;
}
export interface DocumentOptions {
  readonly quick?: boolean;
  readonly startedAt?: string;
  readonly node?: string;
  readonly rows?: readonly object[];
  readonly error?: string | null;
  readonly scenario?: string;
  readonly settings?: object;
  readonly commit?: string;
}
type Point = Readonly<Record<string, unknown>>;
export const SHARES: readonly number[];
export function documentOf(bench: string, points: readonly Point[], options?: DocumentOptions): BenchmarkDocument;
export function row(
  measure: string,
  value: number,
  unit: string,
  target?: { readonly atLeast: number } | { readonly atMost: number } | null,
  detail?: string,
): object;
export function snapshotPoints(options?: {
  readonly sizes?: readonly number[];
  readonly distributions?: readonly string[];
  readonly valueSizes?: readonly number[];
}): Point[];
export function throughputPoints(): Point[];
export function scalingPoints(): Point[];
export function latencyPoints(): Point[];
export function peerPoints(): Point[];
export function peerScenarioPoints(): Point[];
export function microPoints(options?: { readonly stored?: boolean }): Point[];
export function snapshotScenarioPoints(): Point[];
export function allDocuments(options?: DocumentOptions): BenchmarkDocument[];
