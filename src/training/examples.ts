/** Builds training examples from a manifest's clips. */

import { type Clip, referenceIn } from '../data/clip.ts';
import { UserError } from '../errors.ts';
import { languageProfile } from '../language/profile.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { Lazy } from '../whisper/lazy.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Tokens } from '../whisper/tokens.ts';
import type { Example } from './batches.ts';
import { borders, type Span, timestampsOf } from './segment-times.ts';

/** An example of the dev set, whose encoder output may be read when it is needed. */
export type DevExample = Example & {
  readonly clip: EncodedClip | Lazy<EncodedClip>;
  readonly target: string;
};

/** An example with encoder outputs, for training the decoder alone. */
export type EncodedExample = Example & { readonly clip: EncodedClip; readonly target: string };

export interface ExampleOptions<C extends Clip> {
  /** Target language; by clip where there are several. */
  readonly target: string | ((clip: C) => string);
  /** @param language spoken */
  readonly promptOf: (language: string, target: string) => readonly number[];
  /** English first: the token between the English text and that in the target language. Default: direct. */
  readonly separatorOf?: ((target: string) => number | undefined) | undefined;
  /** Called for each skipped clip. */
  readonly onSkipped?: (clip: C, reason: string) => void;
  /** Index of a clip's corpus in a mixture. Default: 0. */
  readonly corpusOf?: (clip: C) => number;
}

/** The clips of a window that is trained with timestamps, one after the other, and when each is spoken. */
export interface TimedParts {
  readonly parts: readonly Clip[];
  readonly timesAt: (visit: number) => Promise<readonly Span[]>;
}

interface TextExampleOptions<C extends Clip, Speech> extends ExampleOptions<C> {
  /** Default: no window has timestamps. */
  readonly timedOf?: (clip: C, encoded: Speech) => TimedParts | undefined;
}

/** Skips clips without a reference, and those whose text exceeds the decoder's context. */
export function translationExamples<C extends Clip, Speech extends Example['clip']>(
  model: WhisperModel,
  clips: readonly ClipAndSpeech<C, Speech>[],
  options: ExampleOptions<C>,
): (Example & { readonly clip: Speech; readonly source: C; readonly target: string })[] {
  return textExamples(model, clips, options).map(({ clip, source, target, tokens, promptLength }) => ({
    clip,
    tokens,
    promptLength,
    source,
    target,
  }));
}

/** As translationExamples; the texts are tokenised when a batch needs them, as hundreds of thousands take long. */
export function textExamples<C extends Clip, Speech extends Example['clip']>(
  { tokens, dimensions: { textPositions } }: WhisperModel,
  clips: readonly ClipAndSpeech<C, Speech>[],
  { target, promptOf, separatorOf, onSkipped, corpusOf, timedOf }: TextExampleOptions<C, Speech>,
): TextExample<C, Speech>[] {
  const targetOf = typeof target === 'string' ? () => target : target;
  const prompts = new Map<string, readonly number[]>();
  const promptFor = (language: string, target: string): readonly number[] => {
    const pair = `${language} ${target}`;
    const known = prompts.get(pair) ?? promptOf(language, target);
    prompts.set(pair, known);
    return known;
  };
  const examples: TextExample<C, Speech>[] = [];
  const reasons = new Set<string>();
  const skip = (clip: C, reason: string): void => {
    reasons.add(reason);
    onSkipped?.(clip, reason);
  };
  for (const { clip, encoded } of clips) {
    const written = targetOf(clip);
    const reference = referenceIn(clip, written);
    if (reference === '') {
      skip(clip, `no reference in "${written}"`);
      continue;
    }
    const separator = separatorOf?.(written);
    if (separator !== undefined && referenceIn(clip, 'en') === '') {
      skip(clip, 'no English text');
      continue;
    }
    const prompt = promptFor(clip.language, written);
    const parts = {
      clip: encoded,
      source: clip,
      target: written,
      prompt,
      separator,
      corpus: corpusOf?.(clip),
    };
    const timed = timedOf?.(clip, encoded);
    const example = timed ? new TimedExample(tokens, parts, timed) : new TextExample(tokens, parts);
    if (example.maxLength > textPositions && example.length > textPositions) {
      skip(clip, `longer than the decoder's ${textPositions} tokens`);
      continue;
    }
    examples.push(example);
  }
  if (examples.length === 0) {
    const why = reasons.size === 0 ? 'found none' : [...reasons].join(', or ');
    throw new UserError(
      `no clip to train on: ${why}; expected a text that fits the decoder in each language it needs`,
    );
  }
  return examples;
}

/** A clip with its speech: encoder outputs, or what reads them. */
export interface ClipAndSpeech<C extends Clip, Speech extends Example['clip']> {
  readonly clip: C;
  readonly encoded: Speech;
}

interface TextExampleParts<C extends Clip, Speech extends Example['clip']> {
  readonly clip: Speech;
  readonly source: C;
  readonly target: string;
  readonly prompt: readonly number[];
  readonly separator?: number | undefined;
  readonly corpus?: number | undefined;
  /** Bound of the number of tokens beside those of prompt and text. Default: 0. */
  readonly others?: number;
}

/** An example whose text is tokenised whenever its tokens are read. Only their number is held. */
export class TextExample<C extends Clip, Speech extends Example['clip']> implements Example {
  readonly clip: Speech;
  readonly source: C;
  readonly target: string;
  readonly separator: number | undefined;
  readonly maxLength: number;
  readonly corpus: number;
  readonly #prompt: readonly number[];
  readonly #tokenizer: Tokens;
  #length: number | undefined;

  constructor(
    tokenizer: Tokens,
    { clip, source, target, prompt, separator, corpus = 0, others = 0 }: TextExampleParts<C, Speech>,
  ) {
    this.clip = clip;
    this.source = source;
    this.target = target;
    this.separator = separator;
    this.corpus = corpus;
    this.#prompt = prompt;
    this.#tokenizer = tokenizer;
    const first = separator === undefined ? 0 : tokenizer.maxCount(this.#english) + 1;
    this.maxLength = prompt.length + first + tokenizer.maxCount(this.#text) + 1 + others;
  }

  get #text(): string {
    return languageProfile(this.target).reference(referenceIn(this.source, this.target));
  }

  /** English first, as Whisper writes it: a space before the first word. */
  get #english(): string {
    return ` ${referenceIn(this.source, 'en').trim()}`;
  }

  /** The tokens before the text in the target language. */
  get #before(): readonly number[] {
    if (this.separator === undefined) return this.#prompt;
    return [...this.#prompt, ...this.#tokenizer.encode(this.#english), this.separator];
  }

  get tokens(): readonly number[] {
    return [...this.#before, ...this.#tokenizer.encode(this.#text), this.#tokenizer.endOfText];
  }

  /** The English text is given: the model before the training writes it (whisper/english-half.ts). */
  get promptLength(): number {
    return this.#before.length;
  }

  get length(): number {
    this.#length ??= this.tokens.length;
    return this.#length;
  }
}

/** An example of several clips in one window, each a segment between its timestamps, as Whisper was trained. */
export class TimedExample<C extends Clip, Speech extends Example['clip']> extends TextExample<C, Speech> {
  readonly #prompt: readonly number[];
  readonly #tokenizer: Tokens;
  readonly #timed: TimedParts;

  constructor(tokenizer: Tokens, given: TextExampleParts<C, Speech>, timed: TimedParts) {
    // Two timestamps and a space for each.
    super(tokenizer, { ...given, others: 3 * timed.parts.length });
    this.#prompt = tokenizer.withTimestamps(given.prompt);
    this.#tokenizer = tokenizer;
    this.#timed = timed;
  }

  /** The times are those of the recordings' borders. */
  override get tokens(): readonly number[] {
    return this.#tokensWith(borders(this.#timed.parts));
  }

  override get promptLength(): number {
    return this.#prompt.length;
  }

  async timedTokens(visit: number): Promise<readonly number[]> {
    return this.#tokensWith(await this.#timed.timesAt(visit));
  }

  #tokensWith(times: readonly Span[]): number[] {
    const { endOfText } = this.#tokenizer;
    const { reference, spaces } = languageProfile(this.target);
    const segments = this.#timed.parts.flatMap((part, i) => {
      const [start, end] = timestampsOf(times[i]!, this.#tokenizer);
      const text = reference(referenceIn(part, this.target));
      return [start, ...this.#tokenizer.encode(spaces ? ` ${text}` : text), end];
    });
    return [...this.#prompt, ...segments, endOfText];
  }
}
