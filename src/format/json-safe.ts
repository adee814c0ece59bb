/** Does a value come back from JSON as it was? What checkpoints keep as JSON must. */

export interface NotJson {
  /** `.a[2]`; empty for the value itself. */
  readonly path: string;
  readonly value: unknown;
}

/** First part of a value that JSON would lose or change (undefined, NaN, -0, a bigint, a Map, an instance), or null. */
export function findNotJson(value: unknown, path = ''): NotJson | null {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return null;
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0) ? null : { path, value };
  if (typeof value !== 'object') return { path, value };
  if (Array.isArray(value))
    return value.reduce<NotJson | null>((found, item, i) => found ?? findNotJson(item, `${path}[${i}]`), null);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return { path, value };
  for (const [key, part] of Object.entries(value)) {
    const found = findNotJson(part, `${path}.${key}`);
    if (found !== null) return found;
  }
  return null;
}
