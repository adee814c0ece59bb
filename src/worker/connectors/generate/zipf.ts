/**
 * Zipf-distributed integers without tables, in constant expected time for any n.
 *
 * Source: W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions",
 * ACM TOMACS 6(3), 1996. Names follow the paper: H is the integral of h(x) = x^-exponent.
 */
import { randomFloat } from './random.ts';

export class Zipf {
  readonly #n: number;
  readonly #exponent: number;
  readonly #hIntegralX1: number;
  readonly #hIntegralN: number;
  readonly #s: number;

  /**
   * @param n         number of values, at least 1
   * @param exponent  above 0; 1 is the classic law
   */
  constructor(n: number, exponent: number) {
    this.#n = n;
    this.#exponent = exponent;
    this.#hIntegralX1 = this.#hIntegral(1.5) - 1;
    this.#hIntegralN = this.#hIntegral(n + 0.5);
    this.#s = 2 - this.#hIntegralInverse(this.#hIntegral(2.5) - this.#h(2));
  }

  /** The value of record `index`, in [0, n); 0 is the most frequent. Draws until one is accepted: 1.1 times on average. */
  sample(seed: number, index: number): number {
    const n = this.#n;
    for (let draw = 0; ; draw += 2) {
      const u = this.#hIntegralN + randomFloat(seed, index, draw) * (this.#hIntegralX1 - this.#hIntegralN);
      const x = this.#hIntegralInverse(u);
      const k = Math.min(n, Math.max(1, Math.floor(x + 0.5)));
      if (k - x <= this.#s || u >= this.#hIntegral(k + 0.5) - this.#h(k)) return k - 1;
    }
  }

  #h(x: number): number {
    return Math.exp(-this.#exponent * Math.log(x));
  }

  #hIntegral(x: number): number {
    const logX = Math.log(x);
    return expm1OverX((1 - this.#exponent) * logX) * logX;
  }

  #hIntegralInverse(x: number): number {
    // Below -1 only by rounding: the inverse has no value there.
    const t = Math.max(-1, x * (1 - this.#exponent));
    return Math.exp(log1pOverX(t) * x);
  }
}

/** (e^x - 1) / x, also near 0, where the exponent is 1. */
function expm1OverX(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.expm1(x) / x : 1 + x * 0.5 * (1 + (x / 3) * (1 + 0.25 * x));
}

function log1pOverX(x: number): number {
  return Math.abs(x) > 1e-8 ? Math.log1p(x) / x : 1 - x * (0.5 - x * (1 / 3 - 0.25 * x));
}
