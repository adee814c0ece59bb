/** Golden files: bytes that a released version wrote. They are never written again; `GOLDEN=write` adds those that are missing. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function golden(name: string, make: () => Uint8Array | string): Buffer {
  const path = fileURLToPath(new URL(name, import.meta.url));
  if (process.env['GOLDEN'] === 'write' && !existsSync(path)) writeFileSync(path, make());
  return readFileSync(path);
}
