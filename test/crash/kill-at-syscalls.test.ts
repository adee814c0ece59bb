import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const hasStrace = spawnSync('strace', ['-V']).status === 0;
const KILLS = process.env.CRASH_SYSCALL_KILLS ?? '3';

it.skipIf(!hasStrace)(
  `crash at system calls: ${KILLS} kills at an fsync, link, rename, unlink or mkdir lose and duplicate nothing`,
  () => {
    const program = fileURLToPath(new URL('kill-at-syscalls.mjs', import.meta.url));
    const loop = spawnSync(process.execPath, [program, '--json', '--kills', KILLS], { encoding: 'utf8' });
    process.stderr.write(loop.stderr);
    expect(JSON.parse(loop.stdout)).toMatchObject({ ok: true });
  },
);
