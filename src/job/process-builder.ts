/** `process` as a user writes it, with the types of its state handles, and its description for the operators. */
import { describeValue } from '../format/describe-value.ts';
import { invalidArgument, requireMethods, requireOptions } from './arguments.ts';
import type { CheckpointOutcome } from './checkpoint-outcome.ts';
import type { ProcessContext, ProcessSpec } from './process.ts';
import type { OperatorStateDescriptor, StateDescriptor } from './state.ts';

/** Keyed states by name. */
export type KeyedStates = Readonly<Record<string, StateDescriptor<unknown>>>;
/** Operator states by name. */
export type OperatorStates = Readonly<Record<string, OperatorStateDescriptor<unknown>>>;

/** The handles of described states: what `context.state` is. */
export type StateHandles<S> = {
  readonly [N in keyof S]: S[N] extends StateDescriptor<infer H> ? H : S[N] extends OperatorStateDescriptor<infer H> ? H : never;
};

/** Where the function runs. */
export interface OpenContext {
  readonly subtask: number;
  readonly parallelism: number;
}

interface Process<T, S, U, K> {
  /** State by name. */
  readonly state?: S;
  /** Called once for each subtask and start, before the first record: for what must be made once, such as tables. */
  onOpen?(context: OpenContext): void;
  /** Called for each record. `context` is one object, reused; its `emit` may be taken out of it. */
  onRecord(value: T, context: ProcessContext<U, StateHandles<S>, K>): void;
  /**
   * Called once in each subtask for each checkpoint that it took part in, between two records, when that is complete or was aborted.
   * Savepoints on the way are not told. After a failure nothing is told of what was under way.
   */
  onCheckpoint?(outcome: CheckpointOutcome): void;
}

/** A user function with state for each key. */
export interface KeyedProcess<T, K, S extends KeyedStates, U> extends Process<T, S, U, K> {
  /** Called once for each key that has state, in the order of key hashes, when all input has ended. */
  onEnd?(context: ProcessContext<U, StateHandles<S>, K>): void;
}

/** A user function with state of the subtask's own. */
export interface FreeProcess<T, S extends OperatorStates, U> extends Process<T, S, U, undefined> {
  /** Called once for each subtask, when all input has ended. */
  onEnd?(context: ProcessContext<U, StateHandles<S>, undefined>): void;
}

export function keyedProcessSpec<T, K, S extends KeyedStates, U>(spec: KeyedProcess<T, K, S, U>): ProcessSpec {
  const state = mapStates(
    spec,
    (descriptor: Partial<StateDescriptor<unknown>>) => descriptor.spec,
    'Describe it with value(t.f64, 0), list, map, reducing or aggregating.',
  );
  return { ...functionsOf(spec), state, operatorState: {} };
}

export function freeProcessSpec<T, S extends OperatorStates, U>(spec: FreeProcess<T, S, U>): ProcessSpec {
  const operatorState = mapStates(
    spec,
    (descriptor: Partial<OperatorStateDescriptor<unknown>>) => descriptor.operatorState,
    'Without keyBy there are only lists of the subtask: operatorList(t.string). For a value per key put keyBy before process.',
  );
  return { ...functionsOf(spec), state: {}, operatorState };
}

/** Methods are called on the user's object, so that `this` is what it was where they were written. */
function functionsOf(spec: {
  onOpen?(context: never): void;
  onRecord(value: never, context: never): void;
  onEnd?(context: never): void;
  onCheckpoint?(outcome: CheckpointOutcome): void;
}): Pick<ProcessSpec, 'onOpen' | 'onRecord' | 'onEnd' | 'onCheckpoint'> {
  requireOptions(spec, ['state', 'onOpen', 'onRecord', 'onEnd', 'onCheckpoint'], 'process');
  requireMethods(spec, ['onRecord'], 'process');
  requireMethods(spec, ['onOpen', 'onEnd', 'onCheckpoint'], 'process', true);
  return {
    onOpen: spec.onOpen?.bind(spec) as ProcessSpec['onOpen'],
    onRecord: spec.onRecord.bind(spec),
    onEnd: spec.onEnd?.bind(spec),
    onCheckpoint: spec.onCheckpoint?.bind(spec),
  };
}

function mapStates<D, R>(
  spec: { readonly state?: Readonly<Record<string, D>> },
  pick: (descriptor: D) => R | undefined,
  advice: string,
): Record<string, R> {
  const states = Object.entries(spec.state ?? {}).map(([name, descriptor]): [string, R] => {
    const picked = typeof descriptor === 'object' && descriptor !== null ? pick(descriptor) : undefined;
    if (picked === undefined)
      throw invalidArgument(
        `The state '${name}' of process is ${describeValue(descriptor)}, not a description of a state. ${advice}`,
      );
    return [name, picked];
  });
  return Object.fromEntries(states);
}
