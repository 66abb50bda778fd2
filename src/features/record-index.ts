/**
 * Where records stand and what they say of themselves, by key: millions in typed arrays. A record takes 8 bytes of its key, what
 * it says of itself without trailing zeros, 16 bytes for the place of a payload where any record has one, and 5 to 8 of a hash table.
 */

/** Share of the slots of the table that are taken at most. */
const MAX_LOAD = 0.75;
const FREE = 0;
/** A slot of a record that was removed: a search goes on behind it. */
const REMOVED = 0xffff_ffff;
/** Room for further records as a share of those that there are. */
const GROWTH = 1.5;
const SHORTEST = 64;
/** Places are numbers of 32 bits: a shard is followed by another long before. */
const MAX_PLACE = 0xffff_ffff;

export interface PayloadPlace {
  readonly shard: number;
  /** Of the payload in the shard, its bytes, and their CRC-32. */
  readonly place: number;
  readonly bytes: number;
  readonly crc: number;
}

interface Places {
  readonly shards: Uint32Array;
  readonly places: Uint32Array;
  readonly bytes: Uint32Array;
  readonly crcs: Uint32Array;
}

export class RecordIndex {
  /** Two numbers of 32 bits each: 64 bits of a key, of which two in a million are alike once in 30 million caches. */
  #keys = new Uint32Array(0);
  #about = new Uint8Array(0);
  /** Bytes of `#about` of a record. */
  #width = 0;
  #places: Places | undefined;
  /** Record and one; FREE; REMOVED. */
  #slots = new Uint32Array(SHORTEST);
  #capacity = 0;
  #count = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Memory of the index, bytes. */
  get byteLength(): number {
    const places = this.#places ? 16 * this.#capacity : 0;
    return this.#keys.byteLength + this.#about.byteLength + this.#slots.byteLength + places;
  }

  /** Makes room for so many records more, at once. */
  reserve(records: number): void {
    if (this.#count + records > this.#capacity) this.#resize(this.#count + records);
  }

  /**
   * Adds a record, in place of one with its key.
   * @param key its first 8 bytes, as two numbers
   * @param about what it says of itself
   */
  add(high: number, low: number, about: Uint8Array, payload: PayloadPlace): void {
    if (payload.place > MAX_PLACE) return;
    if (this.#count === this.#capacity) this.#resize(Math.ceil(GROWTH * this.#capacity) + SHORTEST);
    let slot = this.#find(high, low);
    let record: number;
    if (this.#slots[slot] === FREE) {
      slot = this.#firstOpen(high);
      record = this.#count++;
      this.#size++;
      this.#slots[slot] = record + 1;
      this.#keys[2 * record] = high;
      this.#keys[2 * record + 1] = low;
    } else record = this.#slots[slot]! - 1;
    this.#setAbout(record, about);
    if (payload.bytes > 0) this.#places ??= placesOf(this.#capacity);
    if (!this.#places) return;
    this.#places.shards[record] = payload.shard;
    this.#places.places[record] = payload.place;
    this.#places.bytes[record] = payload.bytes;
    this.#places.crcs[record] = payload.crc;
  }

  /** What a record says of itself, with zeros up to `bytes`; undefined where there is none. */
  about(high: number, low: number, bytes: number): Buffer | undefined {
    const record = this.#record(high, low);
    if (record === undefined) return undefined;
    const about = Buffer.alloc(bytes);
    about.set(this.#about.subarray(record * this.#width, (record + 1) * this.#width));
    return about;
  }

  /** Where its payload stands; of no bytes where the index knows of no payload at all. */
  payload(high: number, low: number): PayloadPlace | undefined {
    const record = this.#record(high, low);
    if (record === undefined) return undefined;
    if (!this.#places) return { shard: 0, place: 0, bytes: 0, crc: 0 };
    const { shards, places, bytes, crcs } = this.#places;
    return { shard: shards[record]!, place: places[record]!, bytes: bytes[record]!, crc: crcs[record]! };
  }

  remove(high: number, low: number): void {
    const slot = this.#find(high, low);
    if (this.#slots[slot] === FREE) return;
    this.#slots[slot] = REMOVED;
    this.#size--;
  }

  #record(high: number, low: number): number | undefined {
    const found = this.#slots[this.#find(high, low)]!;
    return found === FREE ? undefined : found - 1;
  }

  /** The slot of a key, or a free one behind all in which it might be. Keys are hashes: no other is needed. */
  #find(high: number, low: number): number {
    for (let slot = this.#home(high); ; slot = this.#next(slot)) {
      const found = this.#slots[slot]!;
      if (found === FREE) return slot;
      if (found === REMOVED) continue;
      if (this.#keys[2 * found - 2] === high && this.#keys[2 * found - 1] === low) return slot;
    }
  }

  #firstOpen(high: number): number {
    let slot = this.#home(high);
    while (this.#slots[slot] !== FREE && this.#slots[slot] !== REMOVED) slot = this.#next(slot);
    return slot;
  }

  #home(high: number): number {
    return Math.floor((high / 0x1_0000_0000) * this.#slots.length);
  }

  #next(slot: number): number {
    return slot + 1 === this.#slots.length ? 0 : slot + 1;
  }

  #setAbout(record: number, about: Uint8Array): void {
    let length = about.length;
    while (length > 0 && about[length - 1] === 0) length--;
    if (length > this.#width) this.#widen(length);
    const at = record * this.#width;
    this.#about.fill(0, at, at + this.#width);
    this.#about.set(about.subarray(0, length), at);
  }

  #widen(width: number): void {
    const about = new Uint8Array(width * this.#capacity);
    for (let record = 0; record < this.#count; record++) {
      about.set(this.#about.subarray(record * this.#width, (record + 1) * this.#width), record * width);
    }
    this.#about = about;
    this.#width = width;
  }

  /** Records that were removed leave their slots, not their places: they are few. */
  #resize(capacity: number): void {
    const live = new Uint32Array(this.#size);
    let count = 0;
    for (const found of this.#slots) if (found !== FREE && found !== REMOVED) live[count++] = found;
    this.#keys = longer(this.#keys, 2 * capacity);
    const about = new Uint8Array(this.#width * capacity);
    about.set(this.#about);
    this.#about = about;
    if (this.#places) {
      const { shards, places, bytes, crcs } = this.#places;
      this.#places = {
        shards: longer(shards, capacity),
        places: longer(places, capacity),
        bytes: longer(bytes, capacity),
        crcs: longer(crcs, capacity),
      };
    }
    this.#capacity = capacity;
    this.#slots = new Uint32Array(Math.ceil(capacity / MAX_LOAD) + SHORTEST);
    for (const found of live) this.#slots[this.#firstOpen(this.#keys[2 * found - 2]!)] = found;
  }
}

function longer(values: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const all = new Uint32Array(length);
  all.set(values);
  return all;
}

const placesOf = (capacity: number): Places => ({
  shards: new Uint32Array(capacity),
  places: new Uint32Array(capacity),
  bytes: new Uint32Array(capacity),
  crcs: new Uint32Array(capacity),
});
