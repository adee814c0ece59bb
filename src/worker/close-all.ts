/** Closing several things of which any may fail: none is left open for that. */

/** Closes one after another. @throws what the first one throws that fails, when all have been closed */
export async function closeAll(closings: readonly (() => void | Promise<void>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closings) {
    try {
      await close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
