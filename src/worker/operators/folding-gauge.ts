/** Does folding pay? When keys hardly repeat it costs and saves nothing, so the reduction is measured, and where it is too small records pass. */

/** Records after which the reduction is judged, and the least records per partial result that make folding worth its cost. */
const SAMPLE_RECORDS = 20_000;
const LEAST_REDUCTION = 1.3;
/** Records that pass unfolded before it is tried again. */
const PASS_RECORDS = 1_000_000;

export class FoldingGauge {
  #sampled = 0;
  /** Records since the last judgement that began a partial result. */
  #begun = 0;
  #passing = 0;

  /** Asked once for each record: is it to pass? */
  passes(): boolean {
    if (this.#passing === 0) return false;
    this.#passing--;
    return true;
  }

  /** A record that did not pass: did it begin a partial result, or was it folded into one? */
  note(begun: boolean): void {
    if (begun) this.#begun++;
    if (++this.#sampled < SAMPLE_RECORDS) return;
    if (SAMPLE_RECORDS < LEAST_REDUCTION * this.#begun) this.#passing = PASS_RECORDS;
    this.#sampled = 0;
    this.#begun = 0;
  }
}
