/** Writes RIFF WAVE: 16-bit PCM, mono. */
import { SAMPLE_RATE } from './sample-rate.ts';

const HEADER_BYTES = 44;

/** What stands before samples of 16 bits. @param bytes of the samples */
export function wavHeader(bytes: number, rate: number): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  const text = (at: number, letters: string) => header.set(new TextEncoder().encode(letters), at);
  text(0, 'RIFF');
  view.setUint32(4, HEADER_BYTES - 8 + bytes, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, bytes, true);
  return header;
}

/** @param sample in [-1, 1]; louder ones are clipped */
export const toPcm16 = (sample: number): number => Math.round(32_767 * Math.max(-1, Math.min(1, sample)));

/** @param samples in [-1, 1]; louder ones are clipped */
export function wavBytes(samples: Float32Array, rate = SAMPLE_RATE): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + 2 * samples.length);
  bytes.set(wavHeader(2 * samples.length, rate));
  samples.forEach((sample, i) => bytes.writeInt16LE(toPcm16(sample), HEADER_BYTES + 2 * i));
  return bytes;
}
