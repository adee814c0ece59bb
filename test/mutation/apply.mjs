/**
 * A mutant is a mistake as an edit of our source, and the test that must fail on it.
 *
 * @typedef {object} Mutant
 * @property {string} name
 * @property {string} [report]  where a system of this kind shipped the mistake
 * @property {string} file      that is edited
 * @property {readonly (readonly [find: string, replace: string])[]} edits  each `find` stands in the file once
 * @property {readonly [file: string, name: string]} test  the name with ` > ` between its parts
 */
import { DURABILITY_MUTANTS } from './durability-mutants.mjs';
import { SHARED_FILE_MUTANTS } from './shared-file-mutants.mjs';

/** @type {readonly Mutant[]} */
export const MUTANTS = [...SHARED_FILE_MUTANTS, ...DURABILITY_MUTANTS];

/**
 * @param {Mutant} mutant
 * @param {string} source  the text of its file
 * @returns {string}
 * @throws {Error} when it does not apply any more
 */
export function applyMutant({ name, file, edits }, source) {
  let mutated = source;
  for (const [find, replace] of edits) {
    const times = mutated.split(find).length - 1;
    if (times !== 1) throw new Error(`${name} does not apply any more: ${file} has ${times} times, not once: ${find}`);
    mutated = mutated.replace(find, () => replace);
  }
  return mutated;
}
