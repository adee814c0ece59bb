/** Checks of what a user passes in: misuse is reported at once, naming the option and the value. */
import { describeValue } from '../format/describe-value.ts';
import { TidemarkError } from '../format/errors.ts';

export function invalidArgument(message: string, facts: Readonly<Record<string, string | number>> = {}): TidemarkError {
  return new TidemarkError('ERR_INVALID_ARG', message, { facts });
}

export function requireFunction(value: unknown, where: string): void {
  if (typeof value !== 'function') throw invalidArgument(`${where} must be a function, but it is ${describeValue(value)}.`);
}

/** The object's methods of these names must be functions, or absent where `optional`. */
export function requireMethods(object: object, names: readonly string[], where: string, optional = false): void {
  for (const name of names) {
    const method = (object as Readonly<Record<string, unknown>>)[name];
    if (!optional || method !== undefined) requireFunction(method, `${name} of ${where}`);
  }
}

/** `options` must be an object (or absent) with no other names than `allowed`: a misspelt option must not be ignored. */
export function requireOptions(options: unknown, allowed: readonly string[], where: string): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalidArgument(`The options of ${where} must be an object, but they are ${describeValue(options)}.`);
  const unknown = Object.keys(options).find((name) => !allowed.includes(name));
  if (unknown === undefined) return;
  const known = allowed.length === 0 ? 'It takes none.' : `It takes ${allowed.join(', ')}.`;
  throw invalidArgument(`${where} has no option '${unknown}'. ${known}`, { option: unknown });
}

export interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

export function requireInteger(value: unknown, { min, max }: IntegerRange, where: string): void {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw invalidArgument(`${where} must be an integer ${range}, but it is ${describeValue(value)}.`);
}

export function requireText(value: unknown, where: string): void {
  if (typeof value !== 'string' || value === '')
    throw invalidArgument(`${where} must be a string that is not empty, but it is ${describeValue(value)}.`);
}
