/** The interface of decoders of audio formats. */

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
  free(): void;
}

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
