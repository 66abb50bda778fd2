/** Where a recording is digital silence, noted while its samples pass by. */

/** Softer samples, −80 dBFS, are digital silence. */
const INAUDIBLE = 1e-4;
/** Samples for which a note is kept. Stretches of speech begin and end at multiples of it: of them all is exact. */
const GRAIN = 256;

export class AudibleSamples {
  /** For each grain: inaudible samples at its beginning and at its end. */
  #leading = new Uint16Array(1024);
  #trailing = new Uint16Array(1024);
  /** Number of samples so far. */
  length = 0;
  /** Inaudible samples up to here, within the grain. */
  #silent = 0;
  #audible = false;

  add(samples: Float32Array): void {
    for (let i = 0; i < samples.length; i++) {
      const grain = Math.floor(this.length / GRAIN);
      if (this.length % GRAIN === 0) {
        if (grain === this.#leading.length) {
          this.#leading = twiceAsLong(this.#leading);
          this.#trailing = twiceAsLong(this.#trailing);
        }
        this.#silent = 0;
        this.#audible = false;
      }
      if (Math.abs(samples[i]!) < INAUDIBLE) this.#silent++;
      else {
        this.#silent = 0;
        this.#audible = true;
      }
      if (!this.#audible) this.#leading[grain] = this.#silent;
      this.#trailing[grain] = this.#silent;
      this.length++;
    }
  }

  /** The first audible sample from `start` on, in its grain at the earliest `start`; at most `end`. */
  firstFrom(start: number, end: number): number {
    for (let grain = Math.floor(start / GRAIN); grain * GRAIN < end; grain++) {
      const silent = this.#leading[grain]!;
      if (silent < GRAIN) return Math.min(end, Math.max(start, grain * GRAIN + silent));
    }
    return end;
  }

  /** The sample after the last audible one before `end`, in its grain at the latest `end`; at least `start`. */
  lastBefore(end: number, start: number): number {
    for (let grain = Math.ceil(end / GRAIN) - 1; (grain + 1) * GRAIN > start; grain--) {
      const begin = grain * GRAIN;
      const audible = Math.min(begin + GRAIN, this.length) - this.#trailing[grain]!;
      if (audible > begin) return Math.max(start, Math.min(end, audible));
    }
    return start;
  }
}

function twiceAsLong(values: Uint16Array): Uint16Array<ArrayBuffer> {
  const longer = new Uint16Array(2 * values.length);
  longer.set(values);
  return longer;
}
