/** Decodes clips, and retries in the full window of 30 s where the fitted one was too short. */
import { MAX_COMPRESSION_RATIO } from '../files/deflate.ts';
import { type EncodedClip, FULL_WINDOW_POSITIONS } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { DecodingOptions } from './decode.ts';
import { type DecodedWithFallback, decodeWithFallback, type FallbackOptions } from './fallback.ts';

export interface DecodedWindow {
  readonly result: DecodedWithFallback;
  /** The encoder outputs that it was decoded from. */
  readonly clip: EncodedClip;
}

/**
 * A text without an end of text, or one that repeats itself, indicates that the window was too short: such clips are
 * decoded again in the full one.
 * @param inFullWindow encoder outputs of some of the clips, by index
 */
export async function decodeWithRetry(
  model: WhisperModel,
  clips: readonly EncodedClip[],
  options: DecodingOptions & FallbackOptions,
  inFullWindow: (members: readonly number[]) => Promise<readonly EncodedClip[]>,
): Promise<DecodedWindow[]> {
  const { compressionRatioThreshold = MAX_COMPRESSION_RATIO, prompts, languages, positions } = options;
  const decoded = await decodeWithFallback(model, clips, { ...options, stopLoops: true } as DecodingOptions);
  const windows = decoded.map((result, i): DecodedWindow => ({ result, clip: clips[i]! }));
  const endless = windows.flatMap(({ result: { finished, compressionRatio }, clip }, i) =>
    clip.window < FULL_WINDOW_POSITIONS && (!finished || compressionRatio > compressionRatioThreshold)
      ? [i]
      : [],
  );
  if (endless.length > 0) {
    const whole = await inFullWindow(endless);
    const retried = await decodeWithFallback(model, whole, {
      ...options,
      prompts: endless.map((i) => prompts[i]!),
      ...(languages && { languages: endless.map((i) => languages[i]) }),
      ...(positions && { positions: endless.map((i) => positions[i]!) }),
      onProgress: undefined,
    } as DecodingOptions);
    for (const [k, i] of endless.entries()) windows[i] = { result: retried[k]!, clip: whole[k]! };
  }
  return windows;
}
