/** PCM16 of any rate, as it comes from a socket, to samples of 16 kHz: in one stretch, however it was cut into messages. */
import { type PcmDecoder, pcmDecoder } from '../audio/pcm.ts';
import { Resampler } from '../audio/resample.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';

export class PcmStream {
  readonly #decoder: PcmDecoder;
  readonly #resampler: Resampler | undefined;

  constructor(rate: number) {
    this.#decoder = pcmDecoder({
      ...{ kind: 'signed', bytes: 2, littleEndian: true, channels: 1 },
      sampleRate: rate,
    });
    this.#resampler = rate === SAMPLE_RATE ? undefined : new Resampler(rate, SAMPLE_RATE);
  }

  /** @param bytes little-endian, mono @returns samples from −1 to 1 that are now complete */
  push(bytes: Uint8Array): Float32Array[] {
    const [samples] = this.#decoder.decode(bytes).channelData as [Float32Array];
    return (this.#resampler?.push(samples) ?? [samples]).filter(({ length }) => length > 0);
  }

  /** The samples that waited for others to come. */
  finish(): Float32Array {
    return this.#resampler?.finish() ?? new Float32Array(0);
  }
}
