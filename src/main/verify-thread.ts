/** A thread of `verifyInParallel`: one task at a time, plain data in and out. */
import { realFs } from '../snapshot/fs-port.ts';
import { runVerifyTask, type VerifyResult, type VerifyTask } from '../snapshot/verify-task.ts';

export default function verify(task: VerifyTask): VerifyResult {
  return runVerifyTask(realFs, task);
}
