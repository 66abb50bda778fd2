/** Which row had a text, path or sound first, of millions, in a few bytes each: hashes in typed arrays. */

/** An empty place; rows count from 0. */
const EMPTY = 0xffff_ffff;
/** Share of the places that are taken before there are twice as many. */
const MAX_LOAD = 0.6;

/**
 * A hash of 53 bits (two rounds of 32, mixed as MurmurHash3 does): of a million texts two share one by chance in one of 20,000
 * corpora.
 */
export function hashOf(text: string): number {
  let low = 0xdeadbeef;
  let high = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    low = Math.imul(low ^ code, 0x85ebca77);
    high = Math.imul(high ^ code, 0xc2b2ae3d);
  }
  low ^= Math.imul(high ^ (high >>> 15), 0x735a2d97);
  high ^= Math.imul(low ^ (low >>> 15), 0xcaf649a9);
  low ^= high >>> 16;
  high ^= low >>> 16;
  return 2_097_152 * (high >>> 0) + (low >>> 11);
}

/** The first row of each hash. */
export class SeenHashes {
  #hashes = new Float64Array(1024);
  #rows = new Uint32Array(1024).fill(EMPTY);
  #count = 0;

  /** Adds a row, unless an earlier one has the hash. @returns the row that has it first */
  first(hash: number, row: number): number {
    const place = this.#place(hash);
    const known = this.#rows[place]!;
    if (known !== EMPTY) return known;
    this.#hashes[place] = hash;
    this.#rows[place] = row;
    if (++this.#count > MAX_LOAD * this.#rows.length) this.#grow();
    return row;
  }

  /** The row that has a hash first; undefined where none has. */
  get(hash: number): number | undefined {
    const row = this.#rows[this.#place(hash)]!;
    return row === EMPTY ? undefined : row;
  }

  /** Place of a hash, or the free one where it belongs. */
  #place(hash: number): number {
    const mask = this.#rows.length - 1;
    let place = (hash % 4_294_967_296) & mask;
    while (this.#rows[place] !== EMPTY && this.#hashes[place] !== hash) place = (place + 1) & mask;
    return place;
  }

  #grow(): void {
    const [hashes, rows] = [this.#hashes, this.#rows];
    this.#hashes = new Float64Array(2 * rows.length);
    this.#rows = new Uint32Array(2 * rows.length).fill(EMPTY);
    for (let i = 0; i < rows.length; i++) {
      if (rows[i] === EMPTY) continue;
      const place = this.#place(hashes[i]!);
      this.#hashes[place] = hashes[i]!;
      this.#rows[place] = rows[i]!;
    }
  }
}

/** Numbers by names, of which only hashes are held. */
export class NumbersByName {
  readonly #seen = new SeenHashes();
  #numbers = new Float64Array(1024);
  #count = 0;

  /** Of a name that is set twice the last number counts. */
  set(name: string, number: number): void {
    const place = this.#seen.first(hashOf(name), this.#count);
    if (place === this.#numbers.length) {
      const more = new Float64Array(2 * place);
      more.set(this.#numbers);
      this.#numbers = more;
    }
    this.#numbers[place] = number;
    if (place === this.#count) this.#count++;
  }

  get(name: string): number | undefined {
    const place = this.#seen.get(hashOf(name));
    return place === undefined ? undefined : this.#numbers[place];
  }
}
