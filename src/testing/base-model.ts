/**
 * For tests: the embedded Whisper base, loaded once for all files that a worker of vitest runs, and closed with it. Tests that
 * change weights load their own.
 */
import { embeddedModel } from '../checkpoint/embedded.ts';
import { fingerprint } from '../files/fingerprint.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';

let loading: Promise<WhisperModel> | undefined;

/** It encodes each recording once: several tests compare the same ones with what other programs make of them. */
export function baseModel(): Promise<WhisperModel> {
  loading ??= WhisperModel.load(embeddedModel).then(remembering);
  return loading;
}

function remembering(model: WhisperModel): WhisperModel {
  const known = new Map<string, EncodedClip>();
  const encode = model.encode.bind(model);
  model.encode = async (clips, window, options) => {
    if (options?.mask) return encode(clips, window, options);
    const keys = clips.map((samples) => `${window} ${fingerprint(samples)}`);
    const missing = [...keys.keys()].filter((i) => !known.has(keys[i]!));
    const encoded = await encode(
      missing.map((i) => clips[i]!),
      window,
      { ...options, languages: undefined }, // it has no experts
    );
    for (const [k, i] of missing.entries()) known.set(keys[i]!, encoded[k]!);
    return keys.map((key) => known.get(key)!);
  };
  return model;
}
