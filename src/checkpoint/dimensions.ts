/** The sizes of a Whisper model. Names follow OpenAI's `ModelDimensions`, spelled out. */
export interface WhisperDimensions {
  /** Mel bins of the input: 80, or 128 for large-v3 and turbo. */
  readonly melBins: number;
  /** Encoder output frames of a full 30 s window: 1500 (50 Hz). */
  readonly audioPositions: number;
  /** Longest token sequence of the decoder: 448. */
  readonly textPositions: number;
  /** Model width (d_model). */
  readonly width: number;
  readonly encoderLayers: number;
  readonly encoderHeads: number;
  readonly encoderFfn: number;
  readonly decoderLayers: number;
  readonly decoderHeads: number;
  readonly decoderFfn: number;
  /** Rows of the token embedding, special tokens included: 51865, or 51866 for large-v3. */
  readonly vocabulary: number;
}
