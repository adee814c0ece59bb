/** The job of `../embed.ts`: how often does each gap between neighbouring primes occur below a limit? */
import { collect, count, generate, job, t } from 'tidemark';

const BLOCK = 10_000;

export default job('prime-gaps', (flow, [limit = '20000000']) => {
  flow
    .from(generate({ count: Math.ceil(Number(limit) / BLOCK), schema: t.record({ block: t.i32 }), make: (block) => ({ block }) }))
    .flatMap(({ block }) => gapsFrom(block * BLOCK, (block + 1) * BLOCK), { schema: t.record({ gap: t.i32 }) })
    .name('find primes')
    .keyBy('gap')
    .aggregate({ times: count() }, { emit: 'end' })
    .uid('gaps')
    .to(collect());
});

/** Gaps that begin at a prime in [from, to). */
function* gapsFrom(from: number, to: number): Iterable<{ gap: number }> {
  let prime = nextPrime(from);
  while (prime < to) {
    const next = nextPrime(prime + 1);
    yield { gap: next - prime };
    prime = next;
  }
}

function nextPrime(from: number): number {
  for (let n = Math.max(from, 2); ; n++) if (isPrime(n)) return n;
}

function isPrime(n: number): boolean {
  if (n % 2 === 0) return n === 2;
  for (let divisor = 3; divisor * divisor <= n; divisor += 2) if (n % divisor === 0) return false;
  return true;
}
