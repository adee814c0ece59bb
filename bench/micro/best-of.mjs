/** Of several processes the one that was fastest. */

/**
 * Measures in one process after another, until one `allows` what was measured, or `tries` of them have not.
 *
 * @param once    the rounds of one process
 * @param allows  ratio => is it as fast as it should be?
 */
export async function bestOf(once, { tries, allows }) {
  const measured = [];
  let best;
  do {
    measured.push(...(await once()));
    best = measured.reduce((least, round) => (round.ratio < least.ratio ? round : least));
    tries--;
  } while (tries > 0 && !allows(best.ratio));
  return { ...best, rounds: measured };
}
