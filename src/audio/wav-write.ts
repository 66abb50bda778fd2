/** Writes RIFF WAVE: 16-bit PCM, mono. */
import { SAMPLE_RATE } from './sample-rate.ts';

const HEADER_BYTES = 44;

/** @param samples in [-1, 1]; louder ones are clipped */
export function wavBytes(samples: Float32Array, rate = SAMPLE_RATE): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + 2 * samples.length);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(HEADER_BYTES - 8 + 2 * samples.length, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20); // PCM
  bytes.writeUInt16LE(1, 22); // channels
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(2 * rate, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((sample, i) =>
    bytes.writeInt16LE(Math.round(32_767 * Math.max(-1, Math.min(1, sample))), HEADER_BYTES + 2 * i),
  );
  return bytes;
}
