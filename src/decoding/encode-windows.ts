/** Encodes clips together, each in its own window mode. */
import type { EncodedClip, WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';

export interface WindowToEncode {
  readonly samples: Float32Array;
  readonly window: WindowMode;
  /** Language whose experts encode it, where the model has them in the encoder. Default: the shared networks do. */
  readonly language?: string | undefined;
}

/**
 * Encoder outputs of clips (16 kHz mono), in the order given.
 * @param exact in float32, whatever the model's `compute`
 */
export async function encodeWindows(
  model: WhisperModel,
  clips: readonly WindowToEncode[],
  signal?: AbortSignal,
  exact = false,
): Promise<EncodedClip[]> {
  const results: EncodedClip[] = new Array(clips.length);
  for (const window of ['fit', 'full'] as const) {
    const members = [...clips.keys()].filter((i) => clips[i]!.window === window);
    const encoded = await model.encode(
      members.map((i) => clips[i]!.samples),
      window,
      { signal, languages: members.map((i) => clips[i]!.language), exact },
    );
    for (const [k, i] of members.entries()) results[i] = encoded[k]!;
  }
  return results;
}
