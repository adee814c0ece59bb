/** Asking for huge pages on behalf of a process that this one starts: why and how is in `format/huge-pages.ts`. */
import { readFileSync } from 'node:fs';
import { type Environment, TUNABLE } from '../format/huge-pages.ts';

const ENABLED = '/sys/kernel/mm/transparent_hugepage/enabled';
const SIZE = '/sys/kernel/mm/transparent_hugepage/hpage_pmd_size';
/** Kernels with pages of 64 KiB have huge ones of 512 MiB: too much for a small map. */
const BYTES = 2 * 1024 * 1024;

/**
 * The environment for a process that holds state: the same, and huge pages asked for where that changes anything. What
 * the user says of them stands.
 *
 * @param read  reads a text file; throws when there is none
 */
export function withHugePages(env: Environment, read: (path: string) => string = readText): Environment {
  const tunables = env['GLIBC_TUNABLES'] ?? '';
  if (process.platform !== 'linux' || tunables.includes(TUNABLE) || !mayAsk(read)) return env;
  return { ...env, GLIBC_TUNABLES: tunables === '' ? `${TUNABLE}=1` : `${tunables}:${TUNABLE}=1` };
}

function mayAsk(read: (path: string) => string): boolean {
  try {
    if (!read(ENABLED).includes('[madvise]') || Number(read(SIZE)) !== BYTES) return false;
    // Another C library ignores the tunable, and places large blocks elsewhere in their first page.
    return read('/proc/self/maps').includes('/libc.so.6');
  } catch {
    return false; // No /sys or no /proc: nothing is known, so nothing is asked for.
  }
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
