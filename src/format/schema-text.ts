/** Schemas as one line of text: in messages, and as the type of a key in manifests, so the text of a schema never changes. */
import type { Schema } from './schema.ts';

/**
 * `i32`, `enum<"a", "b">`, `optional<string>`, `list<f64>`, `record<user: string, ms: i32>`. Two schemas have the same
 * text exactly when their rows have the same layout and meaning; defaults are not part of it.
 */
export function schemaText(schema: Schema): string {
  switch (schema.type) {
    case 'enum':
      return `enum<${schema.values.map((value) => JSON.stringify(value)).join(', ')}>`;
    case 'optional':
    case 'list':
      return `${schema.type}<${schemaText(schema.of)}>`;
    case 'record':
      return `record<${schema.fields.map((field) => `${fieldText(field.name)}: ${schemaText(field.schema)}`).join(', ')}>`;
    default:
      return schema.type;
  }
}

/** A field name as it stands in a path or a type: bare when it is an identifier, quoted otherwise. */
export function fieldText(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

/** `a.b`, `a["odd name"]`; the empty path has no prefix. */
export function fieldPath(path: string, name: string): string {
  const text = fieldText(name);
  if (text !== name) return `${path}[${text}]`;
  return path === '' ? name : `${path}.${name}`;
}
