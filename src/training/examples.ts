/** Builds training examples from a manifest's clips. */

import { type Clip, referenceIn } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { languageProfile } from '../language/profile.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { Lazy } from '../whisper/lazy.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Example } from './batches.ts';

/** An example of the dev set, whose encoder output may be read when it is needed. */
export type DevExample = Example & {
  readonly clip: EncodedClip | Lazy<EncodedClip>;
  readonly target: string;
  /** English first: the token before the text in the target language. */
  readonly separator?: number | undefined;
};

/** An example with encoder outputs, for training the decoder alone. */
export type EncodedExample = DevExample & { readonly clip: EncodedClip };

export interface ExampleOptions<C extends Clip> {
  /** Target language; by clip where there are several. */
  readonly target: string | ((clip: C) => string);
  /** @param language spoken */
  readonly promptOf: (language: string, target: string) => readonly number[];
  /** English first: the token between the English text and that in the target language. Default: direct. */
  readonly separatorOf?: ((target: string) => number | undefined) | undefined;
  /** Called for each skipped clip. */
  readonly onSkipped?: (clip: C, reason: string) => void;
}

/** Skips clips without a reference, and those whose text exceeds the decoder's context. */
export function translationExamples<C extends Clip, Speech extends Example['clip']>(
  model: WhisperModel,
  clips: readonly { readonly clip: C; readonly encoded: Speech }[],
  { target, promptOf, separatorOf, onSkipped }: ExampleOptions<C>,
): (Example & {
  readonly clip: Speech;
  readonly source: C;
  readonly target: string;
  readonly separator?: number;
})[] {
  const { tokens, dimensions } = model;
  const targetOf = typeof target === 'string' ? () => target : target;
  const examples = clips.flatMap(({ clip, encoded }) => {
    const written = targetOf(clip);
    const reference = referenceIn(clip, written);
    if (reference === '') {
      onSkipped?.(clip, `no reference in "${written}"`);
      return [];
    }
    const prompt = promptOf(clip.language, written);
    const separator = separatorOf?.(written);
    const english = separator === undefined ? '' : referenceIn(clip, 'en');
    if (separator !== undefined && english === '') {
      onSkipped?.(clip, 'no English text');
      return [];
    }
    // As Whisper writes it: a space before the first word.
    const first = separator === undefined ? [] : [...tokens.encode(` ${english.trim()}`), separator];
    const text = tokens.encode(languageProfile(written).reference(reference));
    const all = [...prompt, ...first, ...text, tokens.endOfText];
    if (all.length > dimensions.textPositions) {
      onSkipped?.(clip, `longer than the decoder's ${dimensions.textPositions} tokens`);
      return [];
    }
    return [
      {
        clip: encoded,
        tokens: all,
        // Without speech the English text is given, and only the text after it is learnt.
        promptLength: prompt.length + (clip.audio === '' ? first.length : 0),
        source: clip,
        target: written,
        ...(separator !== undefined && { separator }),
      },
    ];
  });
  if (examples.length === 0) {
    const targets = [...new Set(clips.map(({ clip }) => `"${targetOf(clip)}"`))].join(' or ');
    throw new UserError(`no clip to train on: none has a reference in ${targets} that fits the decoder`);
  }
  return examples;
}
