import { describe, expect, test } from 'vitest';
import { asksForHugePages } from '../../src/format/huge-pages.ts';
import { withHugePages } from '../../src/main/huge-pages.ts';

const ENABLED = '/sys/kernel/mm/transparent_hugepage/enabled';
const SIZE = '/sys/kernel/mm/transparent_hugepage/hpage_pmd_size';
const GLIBC = '7f10 r-xp 00026000 08:01 1234   /usr/lib/x86_64-linux-gnu/libc.so.6\n';
const ASKED = 'glibc.malloc.hugetlb=1';

const MACHINE = { [ENABLED]: 'always [madvise] never\n', [SIZE]: '2097152\n', '/proc/self/maps': GLIBC };

function machine(changed: Readonly<Record<string, string | null>> = {}): (path: string) => string {
  return (path) => {
    const text = { ...MACHINE, ...changed }[path];
    if (typeof text !== 'string') throw new Error(`ENOENT ${path}`);
    return text;
  };
}

describe.runIf(process.platform === 'linux')('huge pages', () => {
  test('huge pages: asked for where Linux gives them to those who ask, and nothing else of the environment changes', () => {
    expect(withHugePages({ HOME: '/home/me' }, machine())).toEqual({ HOME: '/home/me', GLIBC_TUNABLES: ASKED });
    expect(withHugePages({ GLIBC_TUNABLES: 'glibc.malloc.tcache_count=0' }, machine())).toEqual({
      GLIBC_TUNABLES: `glibc.malloc.tcache_count=0:${ASKED}`,
    });
    expect(asksForHugePages(withHugePages({}, machine()))).toBe(true);
  });

  test.each([
    ['Linux always gives them', { [ENABLED]: '[always] madvise never\n' }],
    ['Linux never gives them', { [ENABLED]: 'always madvise [never]\n' }],
    ['they are of 512 MiB', { [SIZE]: '536870912\n' }],
    ['the C library is another', { '/proc/self/maps': '7f10 r-xp 0 08:01 1 /lib/ld-musl-x86_64.so.1\n' }],
    ['the kernel was built without them', { [ENABLED]: null }],
    ['there is no /proc', { '/proc/self/maps': null }],
  ])('huge pages: not asked for where %s', (_, changed) => {
    const env = { HOME: '/home/me' };
    expect(withHugePages(env, machine(changed))).toBe(env);
  });

  test.each([
    ['glibc.malloc.hugetlb=0', false],
    ['glibc.malloc.hugetlb=2', true],
    ['glibc.malloc.tcache_count=0:glibc.malloc.hugetlb=1', true],
  ])('huge pages: what the user says stands: %s', (tunables, asks) => {
    const env = { GLIBC_TUNABLES: tunables };
    expect(withHugePages(env, machine())).toBe(env);
    expect(asksForHugePages(env)).toBe(asks);
  });
});
