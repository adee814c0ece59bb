/** Verification on several threads. */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { realFs } from '../snapshot/fs-port.ts';
import { verifyCheckpoint, type VerifyReport } from '../snapshot/verify.ts';
import type { VerifyResult, VerifyTask } from '../snapshot/verify-task.ts';

/**
 * @param options.threads  default: one for each core
 * @throws TidemarkError as `verifyCheckpoint`
 */
export async function verifyInParallel(
  path: string,
  options: { readonly deep: boolean; readonly threads?: number },
): Promise<VerifyReport> {
  const { deep, threads = availableParallelism() } = options;
  let pool: Piscina<VerifyTask, VerifyResult> | null = null;
  try {
    return await verifyCheckpoint(realFs, path, {
      deep,
      run: (tasks) => {
        pool ??= new Piscina({
          filename: new URL('../main/verify-thread.js', import.meta.url).href,
          // A thread takes longer to start than a small checkpoint to verify: only as many as there are tasks.
          minThreads: 0,
          maxThreads: threads,
          recordTiming: false,
        });
        const running = pool;
        return Promise.all(tasks.map((task) => running.run(task)));
      },
    });
  } finally {
    await (pool as Piscina<VerifyTask, VerifyResult> | null)?.destroy();
  }
}
