/** Samples a second of all speech in here: what Whisper's log-mel and Silero's voice activity are made for. */
export const SAMPLE_RATE = 16_000;
