/** Branded primitives: values that must not be mixed up, though all are numbers or strings at run time. */

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** Index of a key group, in [0, maxParallelism). */
export type KeyGroup = Branded<number, 'KeyGroup'>;
/** Number of a checkpoint, from 1. Barrier n closes epoch n and begins checkpoint n, so it is also an epoch. */
export type CheckpointId = Branded<number, 'CheckpointId'>;
/** 32 lower-case hex characters: the 128-bit content hash of a file (see `content-hash.ts`). */
export type ContentHash = Branded<string, 'ContentHash'>;
/** 32 lower-case hex characters, new at every submission. */
export type JobId = Branded<string, 'JobId'>;

export const asKeyGroup = (n: number): KeyGroup => n as KeyGroup;
export const asCheckpointId = (n: number): CheckpointId => n as CheckpointId;
export const asContentHash = (s: string): ContentHash => s as ContentHash;
export const asJobId = (s: string): JobId => s as JobId;
