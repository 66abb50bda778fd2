/** Decoding of windows, some of which are encoded again in the full 30 s where the fitted one was too short. */
import { type EncodedClip, FULL_WINDOW_POSITIONS, type WhisperModel } from '../whisper/model.ts';
import { DEFAULT_COMPRESSION_RATIO, type DecodedWithFallback, decodeWithFallback } from './fallback.ts';
import type { TranscribeOptions } from './transcribe-options.ts';

export interface DecodedWindow {
  readonly result: DecodedWithFallback;
  /** What it was decoded from. */
  readonly clip: EncodedClip;
}

export async function decodeWindows(
  model: WhisperModel,
  samples: readonly Float32Array[],
  clips: readonly EncodedClip[],
  options: TranscribeOptions,
  prompts: readonly (readonly number[])[],
  languages: readonly (string | undefined)[],
  withTimestamps: boolean,
): Promise<DecodedWindow[]> {
  const { temperatures, compressionRatioThreshold, logProbabilityThreshold, noSpeechThreshold } = options;
  const settings = {
    ...options.decoding,
    withTimestamps,
    ...(temperatures && { temperatures }),
    ...(compressionRatioThreshold !== undefined && { compressionRatioThreshold }),
    ...(logProbabilityThreshold !== undefined && { logProbabilityThreshold }),
    ...(noSpeechThreshold !== undefined && { noSpeechThreshold }),
  };
  const decoded = await decodeWithFallback(model, clips, {
    ...settings,
    prompts,
    languages,
    stopLoops: true,
  });
  const windows = decoded.map((result, i): DecodedWindow => ({ result, clip: clips[i]! }));
  // A text that did not end by itself, or that repeats itself, is the sign of a window too short: those clips are read
  // again in the full one.
  const failed = ({ finished, compressionRatio }: DecodedWithFallback): boolean =>
    !finished || compressionRatio > (compressionRatioThreshold ?? DEFAULT_COMPRESSION_RATIO);
  const endless = windows.flatMap(({ result, clip }, i) =>
    clip.window < FULL_WINDOW_POSITIONS && failed(result) ? [i] : [],
  );
  if (endless.length > 0) {
    const whole = await model.encode(
      endless.map((i) => samples[i]!),
      'full',
    );
    const again = await decodeWithFallback(model, whole, {
      ...settings,
      prompts: endless.map((i) => prompts[i]!),
      languages: endless.map((i) => languages[i]),
    });
    for (const [k, i] of endless.entries()) windows[i] = { result: again[k]!, clip: whole[k]! };
  }
  return windows;
}
