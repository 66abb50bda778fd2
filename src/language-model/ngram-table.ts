/** A hash table from (context, word) to the number of an n-gram, in one typed array: no object per n-gram. */
import { UserError } from '../errors.ts';

/** context, word, number + 1; a number of 0 marks a free slot. */
const SLOT = 3;
const MAX_LOAD = 0.7;
/** 3 GiB of slots. */
const MAX_CAPACITY = 2 ** 28;
export const MAX_NGRAMS = Math.floor(MAX_CAPACITY * MAX_LOAD);

/** N-grams are numbered 0, 1, 2, … in the order in which they are added. */
export class NgramTable {
  #slots: Int32Array;
  #mask: number;
  #size = 0;

  /** @param expected number of n-grams; beyond it the table is resized */
  constructor(expected = 0) {
    let capacity = 1024;
    while (capacity * MAX_LOAD < expected && capacity < MAX_CAPACITY) capacity *= 2;
    this.#slots = new Int32Array(capacity * SLOT);
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** Number of the n-gram; -1 if absent. */
  find(context: number, word: number): number {
    return this.#slots[this.#slotOf(context, word) + 2]! - 1;
  }

  /** Number of the n-gram, which is the `size` before the call exactly if the n-gram is new. */
  add(context: number, word: number): number {
    let slot = this.#slotOf(context, word);
    const known = this.#slots[slot + 2]!;
    if (known > 0) return known - 1;
    if (this.#size >= (this.#mask + 1) * MAX_LOAD) {
      this.#grow();
      slot = this.#slotOf(context, word);
    }
    this.#slots[slot] = context;
    this.#slots[slot + 1] = word;
    this.#slots[slot + 2] = this.#size + 1;
    return this.#size++;
  }

  /** Slot of the n-gram, or the free slot for it: linear probing. */
  #slotOf(context: number, word: number): number {
    const slots = this.#slots;
    let hash = Math.imul(context, 0x9e3779b1) ^ Math.imul(word, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    let at = ((hash ^ (hash >>> 13)) & this.#mask) * SLOT;
    while (slots[at + 2] !== 0 && (slots[at] !== context || slots[at + 1] !== word)) {
      at += SLOT;
      if (at === slots.length) at = 0;
    }
    return at;
  }

  #grow(): void {
    const old = this.#slots;
    const capacity = (this.#mask + 1) * 2;
    if (capacity > MAX_CAPACITY) {
      throw new UserError(
        `found more than ${MAX_NGRAMS} n-grams; expected fewer: use a lower order or less text`,
      );
    }
    this.#slots = new Int32Array(capacity * SLOT);
    this.#mask = capacity - 1;
    for (let at = 0; at < old.length; at += SLOT) {
      if (old[at + 2] === 0) continue;
      const slot = this.#slotOf(old[at]!, old[at + 1]!);
      this.#slots[slot] = old[at]!;
      this.#slots[slot + 1] = old[at + 1]!;
      this.#slots[slot + 2] = old[at + 2]!;
    }
  }
}
