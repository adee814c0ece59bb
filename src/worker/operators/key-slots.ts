/** Numbers for keys: the first different key gets 0, the next 1, … For local combining, where keys are JavaScript values. */

/** The key cannot be told apart by a `Map` as the key encoding does it: it is to travel by itself. */
export const NO_SLOT = -1;

export class KeySlots {
  count = 0;
  readonly #parts: number;
  #slots = new Map<unknown, unknown>();

  /** @param parts  values that make up a key: 1, or the length of the arrays given to `slotOf` */
  constructor(parts: number) {
    this.#parts = parts;
  }

  /** The slot of a key; equal to `count` before the call when the key is new. */
  slotOf(key: unknown): number {
    if (this.#parts === 1) return isPlain(key) ? this.#leaf(this.#slots, key) : NO_SLOT;
    const parts = key as readonly unknown[];
    let map = this.#slots;
    for (let i = 0; i < parts.length; i++) {
      if (!isPlain(parts[i])) return NO_SLOT;
      if (i === parts.length - 1) break;
      let next = map.get(parts[i]) as Map<unknown, unknown> | undefined;
      if (next === undefined) {
        next = new Map();
        map.set(parts[i], next);
      }
      map = next;
    }
    return this.#leaf(map, parts[parts.length - 1]);
  }

  clear(): void {
    this.count = 0;
    this.#slots = new Map();
  }

  #leaf(map: Map<unknown, unknown>, part: unknown): number {
    const known = map.get(part);
    if (known !== undefined) return known as number;
    map.set(part, this.count);
    return this.count++;
  }
}

/**
 * Is a `Map` as exact about this value as the key encoding? Objects are not: equal ones are different keys of a `Map`. Nor
 * is -0: it is the same key as 0 there, and another one here.
 */
function isPlain(value: unknown): boolean {
  if (typeof value === 'number') return value !== 0 || Object.is(value, 0);
  return (typeof value !== 'object' || value === null) && typeof value !== 'function';
}
