/** Numbers words by their UTF-8 bytes, so that reading a file creates no string per word. */

const MAX_LOAD = 0.5;

/** Words are numbered 0, 1, 2, … in the order in which they are added. */
export class ByteWords {
  /** Number + 1; 0 marks a free slot. */
  #slots = new Int32Array(1024);
  /** By number: hash, and where the bytes end in the text. */
  #hashes: number[] = [];
  #ends: number[] = [];
  #text = new Uint8Array(4096);

  get size(): number {
    return this.#ends.length;
  }

  /** Number of the word `bytes[start..end)`; -1 if absent. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return this.#slots[this.#slotOf(bytes, start, end, hashOf(bytes, start, end))]! - 1;
  }

  /** Number of the word, which is the `size` before the call exactly if the word is new. */
  add(bytes: Uint8Array, start: number, end: number): number {
    const hash = hashOf(bytes, start, end);
    const slot = this.#slotOf(bytes, start, end, hash);
    if (this.#slots[slot] !== 0) return this.#slots[slot]! - 1;
    const from = this.#ends.at(-1) ?? 0;
    const to = from + end - start;
    if (to > this.#text.length) {
      const text = new Uint8Array(Math.max(to, this.#text.length * 2));
      text.set(this.#text);
      this.#text = text;
    }
    this.#text.set(bytes.subarray(start, end), from);
    this.#ends.push(to);
    this.#hashes.push(hash);
    this.#slots[slot] = this.size;
    if (this.size > this.#slots.length * MAX_LOAD) this.#grow();
    return this.size - 1;
  }

  #slotOf(bytes: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    let at = (hash ^ (hash >>> 15)) & mask;
    for (;;) {
      const number = this.#slots[at]! - 1;
      if (number < 0 || (this.#hashes[number] === hash && this.#is(number, bytes, start, end))) return at;
      at = (at + 1) & mask;
    }
  }

  #is(number: number, bytes: Uint8Array, start: number, end: number): boolean {
    const from = number === 0 ? 0 : this.#ends[number - 1]!;
    if (this.#ends[number]! - from !== end - start) return false;
    for (let i = start, own = from; i < end; i++, own++) if (bytes[i] !== this.#text[own]) return false;
    return true;
  }

  #grow(): void {
    this.#slots = new Int32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    this.#hashes.forEach((hash, number) => {
      let at = (hash ^ (hash >>> 15)) & mask;
      while (this.#slots[at] !== 0) at = (at + 1) & mask;
      this.#slots[at] = number + 1;
    });
  }
}

/** FNV-1a. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}
