export interface Round {
  readonly nsPerItem: number;
  readonly referenceNs: number;
  readonly ratio: number;
}
export function bestOf(
  once: () => Promise<readonly Round[]>,
  options: { readonly tries: number; readonly allows: (ratio: number) => boolean },
): Promise<Round & { readonly rounds: readonly Round[] }>;
