/** What random lives were made of, so that a reader sees that they are what they claim to be. */
import { STEP_WEIGHTS } from './steps.ts';

export class Coverage {
  lives = 0;
  readonly #steps = new Map<string, number>();
  readonly #pairs = new Map<string, Map<string, number>>();
  readonly #counts = new Map<string, number>();
  #longest = 0;
  #total = 0;

  add(steps: readonly string[], counts: ReadonlyMap<string, number>): void {
    this.lives++;
    this.#longest = Math.max(this.#longest, steps.length);
    this.#total += steps.length;
    for (const [i, step] of steps.entries()) {
      add(this.#steps, step, 1);
      if (i === 0) continue;
      const row = this.#pairs.get(kindOf(steps[i - 1])) ?? new Map<string, number>();
      this.#pairs.set(kindOf(steps[i - 1]), row);
      add(row, kindOf(step), 1);
    }
    for (const [what, count] of counts) if (!this.#steps.has(what)) add(this.#counts, what, count);
  }

  /** Kinds of steps that were never done. */
  missing(): string[] {
    const done = new Set([...this.#steps.keys()].map(kindOf));
    return Object.keys(STEP_WEIGHTS).filter((kind) => !done.has(kind));
  }

  report(): string {
    const kinds = Object.keys(STEP_WEIGHTS);
    const table = kinds.map((from) => {
      const row = this.#pairs.get(from);
      return [from.padEnd(11), ...kinds.map((to) => String(row?.get(to) ?? 0).padStart(6))].join('');
    });
    return [
      `${this.lives} lives of ${this.#total} steps, the longest of ${this.#longest}`,
      `steps: ${list(this.#steps)}`,
      `in them: ${list(this.#counts)}`,
      'pairs, first in the row, then in the column:',
      [''.padEnd(11), ...kinds.map((kind) => kind.slice(0, 5).padStart(6))].join(''),
      ...table,
    ].join('\n');
  }
}

function kindOf(step: string): string {
  return step.replace(/ \(.*/, '');
}

function add(to: Map<string, number>, what: string, count: number): void {
  to.set(what, (to.get(what) ?? 0) + count);
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, count]) => `${what} ${count}`)
    .join(', ');
}
