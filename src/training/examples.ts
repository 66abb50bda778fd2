/** Training examples from a manifest's clips. */

import type { Clip } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { toSimplified } from '../language/simplified.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Example } from './batches.ts';

/** On encoder outputs, as training of the decoder alone wants it. */
export type EncodedExample = Example & { readonly clip: EncodedClip };

/**
 * Clips whose text is longer than the decoder's context would be cut off in the middle: they are left out.
 * @param onLeftOut is told of each clip that gives no example
 */
export function translationExamples<Speech extends Example['clip']>(
  model: WhisperModel,
  clips: readonly { readonly clip: Clip; readonly encoded: Speech }[],
  promptOf: (language: string) => readonly number[],
  onLeftOut?: (clip: Clip, reason: string) => void,
): (Example & { readonly clip: Speech })[] {
  const { tokens, dimensions } = model;
  const examples = clips.flatMap(({ clip, encoded }): (Example & { readonly clip: Speech })[] => {
    if (clip.chinese === '') {
      onLeftOut?.(clip, 'no Chinese reference ("zh")');
      return [];
    }
    const prompt = promptOf(clip.language);
    const text = tokens.encode(toSimplified(clip.chinese));
    const all = [...prompt, ...text, tokens.endOfText];
    if (all.length > dimensions.textPositions) {
      onLeftOut?.(clip, `longer than the decoder's ${dimensions.textPositions} tokens`);
      return [];
    }
    return [{ clip: encoded, tokens: all, promptLength: prompt.length, source: clip }];
  });
  if (examples.length === 0)
    throw new UserError('no clip to train on: none has a Chinese reference ("zh") that fits the decoder');
  return examples;
}
