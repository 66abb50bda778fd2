/** What the browser can read of a file that the server cannot, as WAV of 16 kHz. */
import { SAMPLE_RATE } from '../../../audio/sample-rate.ts';
import { toPcm16, wavHeader } from '../../../audio/wav-write.ts';

/** @throws where the browser cannot read it either */
export async function decodedByBrowser(file: Blob): Promise<Blob> {
  const decoded = await new OfflineAudioContext(1, 1, SAMPLE_RATE).decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, i) => decoded.getChannelData(i));
  const samples = new Int16Array(decoded.length);
  for (let i = 0; i < samples.length; i++) {
    samples[i] = toPcm16(channels.reduce((sum, channel) => sum + channel[i]!, 0) / channels.length);
  }
  return new Blob([wavHeader(samples.byteLength, SAMPLE_RATE), samples], { type: 'audio/wav' });
}
