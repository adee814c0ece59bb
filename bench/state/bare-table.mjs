/**
 * What the keyed state is measured against: open addressing with linear probing in one Int32Array, which can do nothing else. Not
 * shared between threads, no deletion, no growth, no epochs, no checkpoint. It has the same hash function, since what is compared is
 * the finding and changing of entries.
 */
import { hashKeyOfTwoWords } from '../../dist/format/hash.js';

/** Elements of a chunk of a list. */
const CHUNK = 14;

/**
 * A slot:
 *
 * | word | field | meaning                                            |
 * |-----:|-------|----------------------------------------------------|
 * |  0-1 | key   | the two words of an f64; both 0: the slot is empty |
 * |  2-3 | value | f64                                                |
 */
export class BareTable {
  #mask;
  #words;
  #doubles;

  /** @param entries  most that will be there; at most half of the slots get used */
  constructor(entries) {
    let slots = 64;
    while (slots < 2 * entries) slots *= 2;
    this.#mask = slots - 1;
    this.#words = new Int32Array(slots * 4);
    this.#doubles = new Float64Array(this.#words.buffer);
  }

  get(low, high) {
    return this.#doubles[this.#valueOf(low, high)];
  }

  set(low, high, value) {
    this.#doubles[this.#valueOf(low, high)] = value;
  }

  /** @returns the value before */
  add(low, high, amount) {
    const at = this.#valueOf(low, high);
    const before = this.#doubles[at];
    this.#doubles[at] = before + amount;
    return before;
  }

  /** Index of the f64 of a key, which is added with 0 where it is missing. */
  #valueOf(low, high) {
    const words = this.#words;
    const mask = this.#mask;
    let slot = hashKeyOfTwoWords(low, high) & mask;
    for (; ; slot = (slot + 1) & mask) {
      const word = slot << 2;
      const a = words[word];
      const b = words[word + 1];
      if (a === low && b === high) return (slot << 1) + 1;
      if ((a | b) !== 0) continue;
      words[word] = low;
      words[word + 1] = high;
      return (slot << 1) + 1;
    }
  }
}

/**
 * The same with a second key, and with lists. A slot:
 *
 * | word | field | meaning                                            |
 * |-----:|-------|----------------------------------------------------|
 * |  0-1 | key   | the two words of an f64; both 0: the slot is empty |
 * |    2 | sub   | key of a map of this key, 0 where there is none    |
 * |    3 | list  | newest chunk of the list of this key, 0: none      |
 * |  4-5 | value | f64                                                |
 */
export class BareCompositeTable {
  #mask;
  #words;
  #doubles;
  #lists;
  #listEnd = CHUNK + 2;

  constructor(entries, elements = 0) {
    let slots = 64;
    while (slots < 2 * entries) slots *= 2;
    this.#mask = slots - 1;
    this.#words = new Int32Array(slots * 6);
    this.#doubles = new Float64Array(this.#words.buffer);
    // A chunk: the one before, elements used, elements.
    this.#lists = new Float64Array((entries + Math.ceil(elements / CHUNK) + 1) * (CHUNK + 2));
  }

  get(low, high, sub) {
    return this.#doubles[this.#slotOf(low, high, sub) * 3 + 2];
  }

  set(low, high, sub, value) {
    this.#doubles[this.#slotOf(low, high, sub) * 3 + 2] = value;
    return value;
  }

  append(low, high, value) {
    const word = this.#slotOf(low, high, 0) * 6 + 3;
    const lists = this.#lists;
    let chunk = this.#words[word];
    if (chunk === 0 || lists[chunk + 1] === CHUNK) {
      lists[this.#listEnd] = chunk;
      chunk = this.#listEnd;
      this.#listEnd += CHUNK + 2;
      this.#words[word] = chunk;
    }
    lists[chunk + 2 + lists[chunk + 1]++] = value;
    return value;
  }

  #slotOf(low, high, sub) {
    const words = this.#words;
    const mask = this.#mask;
    let slot = (hashKeyOfTwoWords(low, high) + Math.imul(sub, 0x9e3779b1)) & mask;
    for (; ; slot = (slot + 1) & mask) {
      const word = slot * 6;
      const a = words[word];
      const b = words[word + 1];
      if (a === low && b === high && words[word + 2] === sub) return slot;
      if ((a | b) !== 0) continue;
      words[word] = low;
      words[word + 1] = high;
      words[word + 2] = sub;
      return slot;
    }
  }
}
