/**
 * Decodes encoded clips to text: directly, or English first. Then the English text is decoded from the speech, and from each
 * sentence of it one in the target language: the decoder gets silence then, as in its training (docs/training.md has the reasons).
 */
import { languageProfile } from '../language/profile.ts';
import { type EncodedClip, withoutSpeech } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { englishPrompt } from '../whisper/prompts.ts';
import type { Tokens } from '../whisper/tokens.ts';
import { decodeClips } from './decode-clips.ts';
import type { Decoded, DecodingOptions } from './decoding.ts';
import { splitIntoSentences } from './english-sentences.ts';
import { averageLogProbability } from './search.ts';
import { textOfTokens } from './text-of-tokens.ts';

export type { Alternative, Decoded, DecodingOptions, SearchOptions } from './decoding.ts';

/** Results come in the order of the clips. */
export async function decode(
  model: WhisperModel,
  clips: readonly EncodedClip[],
  options: DecodingOptions,
): Promise<Decoded[]> {
  const { separator, languages, positions } = options;
  if (separator === undefined) return decodeClips(model, clips, options);
  const { tokens, dimensions } = model;
  const english = await decodeEnglish(model, clips, options);
  const stretches = english.map(({ tokens: ids }) => stretchesOf(ids, tokens));
  const texts = stretches.flatMap((own, clip) =>
    own.flatMap((stretch) => (stretch.isText ? [{ clip, stretch }] : [])),
  );
  const silence = withoutSpeech(dimensions.width);
  const decoded = await decodeClips(
    model,
    texts.map(() => silence),
    {
      ...options,
      separator: undefined,
      withTimestamps: false,
      prompts: texts.map(({ stretch }) => afterEnglish(model, stretch.ids, separator)),
      ...(languages && { languages: texts.map(({ clip }) => languages[clip]) }),
      positions: texts.map(({ clip }) => positions?.[clip] ?? clip),
    },
  );
  const space = spaceBetween(model, separator);
  const targets = new Map(
    texts.map(({ stretch }, i) => {
      const target = withAnyToken(decoded[i]!, tokens.encode(' '));
      return [stretch, stretch.follows ? withSpace(space, target) : target];
    }),
  );
  return english.map((first, clip) => joined(model, first, stretches[clip]!, targets));
}

/** English first: the English texts, which the model before the training writes. Options are those of the whole. */
export async function decodeEnglish(
  model: WhisperModel,
  clips: readonly EncodedClip[],
  options: DecodingOptions,
): Promise<Decoded[]> {
  const before = await model.englishHalf();
  return decodeClips(before, clips, {
    ...options,
    // The model before the training ends its English text as any other.
    ...(before !== model && { separator: undefined, experts: false }),
    // These are of the target language.
    filters: [],
    rescoring: undefined,
    vocabulary: undefined,
    // The other half of the context is the target's.
    maxTokens: model.dimensions.textPositions >> 1,
    onProgress: undefined,
  });
}

/** English first: the prompt of the text in the target language, which is decoded from silence. */
export function afterEnglish(
  { tokens }: WhisperModel,
  english: readonly number[],
  separator: number,
): number[] {
  return [...englishPrompt(tokens), ...english, separator];
}

/** English first: tokens of the space between two sentences in the target language. Each was trained to begin without one. */
export function spaceBetween({ tokens }: WhisperModel, separator: number): number[] {
  return languageProfile(tokens.languageOf([separator]) ?? 'en').spaces ? tokens.encode(' ') : [];
}

/** Timestamps, or a sentence said between them. */
interface Stretch {
  readonly isText: boolean;
  readonly ids: readonly number[];
  /** Index of the first among the English tokens. */
  readonly first: number;
  /** Whether it stands right behind another sentence. */
  readonly follows?: boolean;
}

/** What is said after the last pair of timestamps without one at its end is left to the next window (segments.ts). */
function stretchesOf(ids: readonly number[], tokens: Tokens): Stretch[] {
  const stretches: Stretch[] = [];
  for (let first = 0; first < ids.length; ) {
    const isText = tokens.isText(ids[first]!);
    let end = first;
    while (end < ids.length && tokens.isText(ids[end]!) === isText) end++;
    stretches.push({ isText, ids: ids.slice(first, end), first });
    first = end;
  }
  const hasPair = stretches.some(({ isText, ids }) => !isText && ids.length > 1);
  if (hasPair && stretches.at(-1)!.isText) stretches.pop();
  return stretches.flatMap((stretch) => (stretch.isText ? sentencesOf(stretch, tokens) : [stretch]));
}

/** More than one sentence at a time was in no training: the decoder leaves some out. */
function sentencesOf({ ids, first }: Stretch, tokens: Tokens): Stretch[] {
  let begin = first;
  return splitIntoSentences(ids, tokens).map((sentence, i) => {
    const stretch = { isText: true, ids: sentence, first: begin, follows: i > 0 };
    begin += sentence.length;
    return stretch;
  });
}

/** Without a token between its timestamps a stretch would make the pair that ends a segment. */
function withAnyToken(decoded: Decoded, space: readonly number[]): Decoded {
  return decoded.tokens.length > 0 ? decoded : { ...decoded, tokens: space };
}

/** A text behind another sentence. @param space from `spaceBetween` */
export const withSpace = (space: readonly number[], decoded: Decoded): Decoded => ({
  ...decoded,
  tokens: [...space, ...decoded.tokens],
  logProbabilities: [...space.map(() => 0), ...decoded.logProbabilities],
});

/** The English text's timestamps with the texts in the target language between them. */
function joined(
  { tokens: vocabulary }: WhisperModel,
  english: Decoded,
  stretches: readonly Stretch[],
  targets: ReadonlyMap<Stretch, Decoded>,
): Decoded {
  const texts = stretches.flatMap((stretch) => targets.get(stretch) ?? []);
  const tokens: number[] = [];
  const logProbabilities: number[] = [];
  for (const stretch of stretches) {
    const target = targets.get(stretch);
    const { first, ids } = stretch;
    const from = target ? target.tokens : ids;
    const scores = target ? target.logProbabilities : english.logProbabilities.slice(first);
    for (const [i, id] of from.entries()) {
      tokens.push(id);
      logProbabilities.push(scores[i]!);
    }
  }
  const only = texts.length === 1 ? texts[0] : undefined;
  const finished = english.finished && texts.every((text) => text.finished);
  const ending = targets.get(stretches.at(-1)!) ?? english;
  if (finished) logProbabilities.push(ending.logProbabilities.at(-1)!);
  const average =
    texts.length === 0
      ? english.averageLogProbability
      : averageLogProbability({ logProbabilities: texts.flatMap((text) => text.logProbabilities) });
  return {
    tokens,
    text: textOfTokens(vocabulary, tokens).trim(),
    english: english.text,
    englishTokens: english.tokens,
    logProbabilities,
    averageLogProbability: average,
    score: only?.score ?? average,
    finished,
    noSpeechProbability: english.noSpeechProbability,
    alternatives: only?.alternatives ?? [],
  };
}
