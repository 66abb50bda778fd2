/** Sample rate of all speech here, Hz: that of Whisper's log-mel and Silero's voice activity detection. */
export const SAMPLE_RATE = 16_000;
