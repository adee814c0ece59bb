export interface Mutant {
  readonly name: string;
  readonly report?: string;
  readonly file: string;
  readonly edits: readonly (readonly [find: string, replace: string])[];
  readonly test: readonly [file: string, name: string];
}

export const MUTANTS: readonly Mutant[];

export function applyMutant(mutant: Mutant, source: string): string;
