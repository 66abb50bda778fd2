/**
 * Decoding with fallback (Radford et al. 2022, section 4.5): a text that repeats itself, or that the model finds
 * unlikely, is decoded again by sampling, at rising temperatures.
 */
import { compressionRatio, MAX_COMPRESSION_RATIO } from '../files/deflate.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type Decoded, type DecodingOptions, decode } from './decode.ts';

export interface FallbackOptions {
  /** Temperatures, tried in order; 0: greedy or beam search. Default: only 0. */
  readonly temperatures?: readonly number[];
  /** A text with a higher zlib compression ratio repeats itself. Default 2.4. */
  readonly compressionRatioThreshold?: number | undefined;
  /** A text with a lower average log probability has failed. Default −1. */
  readonly logProbabilityThreshold?: number | undefined;
  /** A failed text with a higher probability of no speech is silence. Default 0.6. */
  readonly noSpeechThreshold?: number | undefined;
}

export interface DecodedWithFallback extends Decoded {
  readonly temperature: number;
  readonly compressionRatio: number;
  /** No speech: the text should be discarded. */
  readonly silent: boolean;
}

export async function decodeWithFallback(
  model: WhisperModel,
  clips: readonly EncodedClip[],
  options: DecodingOptions & FallbackOptions,
): Promise<DecodedWithFallback[]> {
  const {
    temperatures = [0],
    compressionRatioThreshold = MAX_COMPRESSION_RATIO,
    logProbabilityThreshold = -1,
    noSpeechThreshold = 0.6,
    prompts,
    languages,
    positions,
  } = options;
  const results: DecodedWithFallback[] = new Array(clips.length);
  let failed = [...clips.keys()];
  for (const [attempt, temperature] of temperatures.entries()) {
    const decoded = await decode(
      model,
      failed.map((i) => clips[i]!),
      {
        ...options,
        temperature,
        prompts: failed.map((i) => prompts[i]!),
        ...(languages && { languages: failed.map((i) => languages[i]) }),
        ...(positions && { positions: failed.map((i) => positions[i]!) }),
        ...(attempt > 0 && { onProgress: undefined }),
      } as DecodingOptions,
    );
    const again: number[] = [];
    decoded.forEach((result, k) => {
      const { text, english = '' } = result;
      const ratio = Math.max(compressionRatio(text), compressionRatio(english));
      const unlikely = result.averageLogProbability < logProbabilityThreshold;
      const silent = unlikely && result.noSpeechProbability > noSpeechThreshold;
      results[failed[k]!] = { ...result, temperature, compressionRatio: ratio, silent };
      if (!silent && (unlikely || ratio > compressionRatioThreshold)) again.push(failed[k]!);
    });
    failed = again;
    if (failed.length === 0) break;
  }
  return results;
}
