/**
 * The type of a key as manifests record it, read back: the inverse of `keyTypeText`. A key's bytes have no types in them, so this
 * text is all that a reader of checkpoints has.
 */
import type { Schema } from './schema.ts';

const SCALARS = ['i32', 'f64', 'int', 'bigint', 'boolean', 'string', 'bytes', 'timestamp'] as const;

/**
 * @param text  `string`, `(string, i32)`, `any`
 * @returns     schemas of the key's parts; `null`: untyped; `undefined`: no such type is known
 */
export function parseKeyType(text: string): readonly Schema[] | null | undefined {
  if (text === 'any') return null;
  const parser = new TypeParser(text);
  try {
    const parts = parser.accept('(') ? parser.list(')') : [parser.type()];
    return parser.atEnd ? parts : undefined;
  } catch (error) {
    if (error instanceof UnknownType) return undefined;
    throw error;
  }
}

class UnknownType extends Error {}

/** Recursive descent over the grammar of `schemaText`, as far as types can be keys. */
class TypeParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  accept(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  list(end: string): Schema[] {
    const types = [this.type()];
    while (this.accept(', ')) types.push(this.type());
    this.#expect(end);
    return types;
  }

  type(): Schema {
    if (this.accept('optional<')) {
      const of = this.type();
      this.#expect('>');
      return { type: 'optional', of };
    }
    if (this.accept('enum<')) return this.#enum();
    const scalar = SCALARS.find((name) => this.accept(name));
    if (scalar === undefined) throw new UnknownType();
    return { type: scalar };
  }

  #enum(): Schema {
    const values = [this.#string()];
    while (this.accept(', ')) values.push(this.#string());
    this.#expect('>');
    return { type: 'enum', values };
  }

  #string(): string {
    const match = /"(?:[^"\\]|\\.)*"/y;
    match.lastIndex = this.#at;
    const found = match.exec(this.#text);
    if (found === null) throw new UnknownType();
    this.#at += found[0].length;
    return JSON.parse(found[0]) as string;
  }

  #expect(token: string): void {
    if (!this.accept(token)) throw new UnknownType();
  }
}
