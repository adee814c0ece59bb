export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly { readonly value: number; readonly label: string }[];
  readonly grid: readonly number[];
  readonly low: number;
  readonly high: number;
}
export function scale(options: {
  readonly kind: 'log' | 'linear';
  readonly values: readonly number[];
  readonly range: readonly [number, number];
  readonly unit: string;
  readonly room?: number;
}): Scale;
