/** The interface of decoders of audio formats. */

export interface DecodedBlock {
  /** One array for each channel, equally long; none when the block completed no samples. */
  readonly channelData: readonly Float32Array[];
  /** Sample rate of `channelData`, Hz: always 48,000 for Opus, whatever the original rate. */
  readonly sampleRate: number;
}

/** Decodes the bytes of one file, in order. @throws Error that says what is wrong with them */
export interface AudioDecoder {
  decode(chunk: Uint8Array): DecodedBlock;
  /** Decodes what is left at the end of the file. */
  flush?(): DecodedBlock;
  /** Length from here on by the header, once known. */
  seconds?(): number | undefined;
  free(): void;
}
