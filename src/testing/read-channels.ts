/** For tests: the samples of each channel of a recording, whole. */
import { type AudioSource, readSourceInBlocks } from '../audio/audio-source.ts';
import type { ReadEvents, Span } from '../audio/decode-audio.ts';
import { joinSamples } from '../audio/join-samples.ts';

export async function readChannels(
  source: AudioSource,
  options: Span & ReadEvents = {},
): Promise<Float32Array[]> {
  const tracks: Float32Array[][] = [];
  for await (const block of readSourceInBlocks(source, { ...options, channel: 'separate' })) {
    for (const [i, samples] of block.entries()) (tracks[i] ??= []).push(samples);
  }
  return tracks.map(joinSamples);
}
