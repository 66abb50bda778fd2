/** The last samples of a stream. */
export class SampleBuffer {
  #data = new Float32Array(1 << 16);
  #length = 0;
  /** Place of the first sample that is kept, in samples of the stream. */
  #start = 0;

  /** Place after the last sample. */
  get end(): number {
    return this.#start + this.#length;
  }

  append(samples: Float32Array): void {
    const length = this.#length + samples.length;
    if (length > this.#data.length) {
      const grown = new Float32Array(Math.max(2 * this.#data.length, length));
      grown.set(this.#data.subarray(0, this.#length));
      this.#data = grown;
    }
    this.#data.set(samples, this.#length);
    this.#length = length;
  }

  /** A view that the next append or drop may change. */
  slice(from: number, to: number): Float32Array {
    return this.#data.subarray(Math.max(0, from - this.#start), Math.min(this.#length, to - this.#start));
  }

  dropBefore(place: number): void {
    const drop = Math.min(this.#length, Math.floor(place - this.#start));
    if (drop <= 0) return;
    this.#data.copyWithin(0, drop, this.#length);
    this.#length -= drop;
    this.#start += drop;
  }

  /** Empties it; the next sample has this place. */
  restart(place: number): void {
    this.#start = place;
    this.#length = 0;
  }
}
