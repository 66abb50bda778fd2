/** The interface of decoders of audio formats. */
import type { MissingSound } from './missing-sound.ts';

export interface DecodedBlock {
  /** One array for each channel, equally long; none when the block completed no samples. */
  readonly channelData: readonly Float32Array[];
  /** Sample rate of `channelData`, Hz: always 48,000 for Opus, whatever the original rate. */
  readonly sampleRate: number;
}

/** A block, or several where the rate or the channels change within the bytes. */
export type Decoded = DecodedBlock | readonly DecodedBlock[];

/** Decodes the bytes of one file, in order. @throws Error that says what is wrong with them */
export interface AudioDecoder {
  decode(chunk: Uint8Array): Decoded | Promise<Decoded>;
  /** Decodes what is left at the end of the file. */
  flush?(): Decoded | Promise<Decoded>;
  /** Length of the whole sound by the header, once known, and no more than the file has bytes for. */
  seconds?(): number | undefined;
  /** Where samples stand that need none of those before them, once the header is known; undefined: they do. */
  layout?(): SampleLayout | undefined;
  /** What is missing of the sound, once all bytes were decoded. */
  missing?(): MissingSound;
  free(): void;
}

/** Samples of a file in frames of equal size. */
export interface SampleLayout {
  /** Byte of the first frame. */
  readonly at: number;
  /** Frames that are there. */
  readonly frames: number;
  readonly frameBytes: number;
  /** Hz */
  readonly sampleRate: number;
}

/** A codec that is not decoded here, and that ffmpeg may decode. Its message is the codec's name. */
export class UnreadCodecError extends Error {}

export const NO_SOUND: DecodedBlock = { channelData: [], sampleRate: 0 };

/** Calls a library that prints what it thinks of damaged bytes; it must not wait for anything. */
export function silently<T>(decode: () => T): T {
  const { error, warn } = console;
  console.error = console.warn = () => {};
  try {
    return decode();
  } finally {
    console.error = error;
    console.warn = warn;
  }
}
