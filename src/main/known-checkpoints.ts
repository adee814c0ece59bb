/**
 * Which numbers in a job's directory this process knows of: it has found them when it took the job, or has published them. One above
 * them is another's, who has taken the job over meanwhile.
 */
import type { Manifest } from '../format/manifest.ts';

export class KnownCheckpoints {
  readonly #isPublished: (manifest: Manifest) => boolean;
  #highest: number;

  /**
   * @param highest      number of the newest checkpoint in the directory, 0 when there is none
   * @param isPublished  as `isPublished` of `snapshot/publish.ts`
   */
  constructor(highest: number, isPublished: (manifest: Manifest) => boolean) {
    this.#highest = highest;
    this.#isPublished = isPublished;
  }

  get highest(): number {
    return this.#highest;
  }

  /** Publishes a checkpoint. If that fails, or its thread dies, its number is known when it is this checkpoint that lies under it. */
  async publish<T>(manifest: Manifest, publication: () => Promise<T>): Promise<T> {
    const before = this.#highest;
    this.#highest = Math.max(before, manifest.checkpointId);
    try {
      return await publication();
    } catch (error) {
      if (!this.#mayBePublished(manifest)) this.#highest = before;
      throw error;
    }
  }

  /** Where it cannot be told, the process takes it for its own, and does not stop for what it may have done itself. */
  #mayBePublished(manifest: Manifest): boolean {
    try {
      return this.#isPublished(manifest);
    } catch {
      return true;
    }
  }
}
