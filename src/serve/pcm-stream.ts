/** PCM16 of any rate, as it comes from a socket, to samples of 16 kHz: in one stretch, however it was cut into messages. */
import { Resampler } from '../audio/resample.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';

const FULL_SCALE = 32_768;

export class PcmStream {
  readonly #resampler: Resampler | undefined;
  /** The first half of a sample whose second one comes with the next message. */
  #half: number | undefined;

  constructor(rate: number) {
    this.#resampler = rate === SAMPLE_RATE ? undefined : new Resampler(rate, SAMPLE_RATE);
  }

  /** @param bytes little-endian, mono @returns samples from −1 to 1 that are now complete */
  push(bytes: Uint8Array): Float32Array[] {
    const from = this.#half === undefined ? 0 : 1;
    const count = (bytes.length + from) >> 1;
    const samples = new Float32Array(count);
    for (let i = 0; i < count; i++) {
      const at = 2 * i - from;
      const low = at < 0 ? this.#half! : bytes[at]!;
      samples[i] = (((bytes[at + 1]! << 8) | low) << 16) / (FULL_SCALE * 65_536);
    }
    if (bytes.length > 0) this.#half = (bytes.length + from) % 2 === 1 ? bytes.at(-1) : undefined;
    return (this.#resampler?.push(samples) ?? [samples]).filter(({ length }) => length > 0);
  }

  /** The samples that waited for others to come. */
  finish(): Float32Array {
    return this.#resampler?.finish() ?? new Float32Array(0);
  }
}
