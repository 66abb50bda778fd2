/** Training examples from a manifest's clips. */
import { UserError } from '../errors.ts';
import { toSimplified } from '../evaluation/simplified.ts';
import type { Clip } from '../speech/manifest.ts';
import type { EncodedClip, WhisperModel } from '../whisper/model.ts';
import type { Example } from './batches.ts';

/** Clips whose text is longer than the decoder's context would be cut off in the middle: they are left out. */
export function translationExamples(
  model: WhisperModel,
  clips: readonly { readonly clip: Clip; readonly encoded: EncodedClip }[],
  promptOf: (language: string) => readonly number[],
): Example[] {
  const { tokens, dimensions } = model;
  const examples = clips.flatMap(({ clip, encoded }): Example[] => {
    if (clip.chinese === '') return [];
    const prompt = promptOf(clip.language);
    const text = tokens.encode(toSimplified(clip.chinese));
    const all = [...prompt, ...text, tokens.endOfText];
    return all.length > dimensions.textPositions
      ? []
      : [{ clip: encoded, tokens: all, promptLength: prompt.length }];
  });
  if (examples.length === 0)
    throw new UserError('no clip to train on: none has a Chinese reference ("zh") that fits the decoder');
  return examples;
}
