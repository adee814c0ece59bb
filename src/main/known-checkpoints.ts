/**
 * Which numbers in a job's directory this process knows of: it has found them when it took the job, or has published them. One above
 * them is another's, who has taken the job over meanwhile.
 */
import type { Manifest } from '../format/manifest.ts';

export class KnownCheckpoints {
  readonly #isPublished: (manifest: Manifest) => boolean;
  #highest: number;
  /** What was to be published, and has not been said to be. */
  readonly #uncertain = new Set<Manifest>();

  /**
   * @param highest      number of the newest checkpoint in the directory, 0 when there is none
   * @param isPublished  as `isPublished` of `snapshot/publish.ts`
   */
  constructor(highest: number, isPublished: (manifest: Manifest) => boolean) {
    this.#highest = highest;
    this.#isPublished = isPublished;
  }

  /** Looks first what has become of publications that did not succeed. None may be under way. */
  get highest(): number {
    for (const manifest of this.#uncertain) {
      this.#uncertain.delete(manifest);
      if (this.#mayBePublished(manifest)) this.#raise(manifest);
    }
    return this.#highest;
  }

  /**
   * Publishes a checkpoint. If that fails, its number is known when it is this checkpoint that lies under it; which is looked at later, since
   * a thread that is being ended may yet do its last step.
   *
   * @param publication  is given the highest number that is known
   */
  async publish<T>(manifest: Manifest, publication: (known: number) => Promise<T>): Promise<T> {
    const known = this.highest;
    this.#uncertain.add(manifest);
    const result = await publication(known);
    this.#uncertain.delete(manifest);
    this.#raise(manifest);
    return result;
  }

  #raise({ checkpointId }: Manifest): void {
    this.#highest = Math.max(this.#highest, checkpointId);
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
