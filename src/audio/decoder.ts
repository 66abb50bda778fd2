/** What a decoder of an audio format does, whatever the format. */

export interface DecodedBlock {
  /** One array for each channel, equally long; none when the block completed no samples. */
  readonly channelData: readonly Float32Array[];
  /** Of `channelData`, in Hz: Opus always gives 48,000, whatever rate it was made from. */
  readonly sampleRate: number;
}

/** Takes the bytes of one file in order. Throws an Error that says what is wrong with them. */
export interface AudioDecoder {
  decode(chunk: Uint8Array): DecodedBlock;
  /** What still waited for bytes that never came. */
  flush?(): DecodedBlock;
  /** Length that the header promises from here on, once known. */
  seconds?(): number | undefined;
  free(): void;
}
