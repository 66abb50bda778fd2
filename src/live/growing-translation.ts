/**
 * English first, live: the text in the target language grows behind the English one, sentence by sentence. A sentence whose
 * English is committed, and followed by another, is translated for good; the last one is translated anew as it grows.
 */
import { afterEnglish, spaceBetween, withSpace } from '../decoding/decode.ts';
import type { Decoded, DecodingOptions } from '../decoding/decoding.ts';
import { splitIntoSentences } from '../decoding/english-sentences.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { GrowingText } from './growing-text.ts';
import { agreedTokens } from './local-agreement.ts';

/** Decodes from prompts alone. */
export type DecodeTexts = (
  options: Pick<DecodingOptions, 'prompts' | 'languages' | 'continued'>,
) => Promise<Decoded[]>;

export class GrowingTranslation {
  /** The English text that it is translated from; who hears the speech lets it grow. */
  readonly english: GrowingText;
  /** English tokens whose sentences are translated for good, and committed tokens of their translations. */
  #english = 0;
  #kept = 0;
  /** English tokens that the last hypothesis is of, and what it is for each sentence that is not translated for good. */
  #from: readonly number[] = [];
  #parts: readonly (readonly number[])[] = [];

  /** @param separator token before the text in the target language */
  constructor(
    private readonly text: GrowingText,
    private readonly model: WhisperModel,
    private readonly separator: number,
    private readonly decode: DecodeTexts,
  ) {
    this.english = new GrowingText(model.tokens);
  }

  /**
   * Translates the English text as far as it has come.
   * @param language the one spoken
   * @param last whether the text grows no more
   */
  async update(language: string | undefined, last: boolean): Promise<void> {
    const { english, text, model } = this;
    const all = english.all;
    const same = all.join() === this.#from.join();
    const sentences = splitIntoSentences(all.slice(this.#english), model.tokens);
    const decoded = same ? undefined : await this.#decoded(sentences, language);
    // A text that does not end is no hypothesis.
    if (!last && decoded?.some(({ finished }) => !finished)) return;
    const parts = decoded?.map(({ tokens }) => tokens) ?? this.#parts;
    const next = parts.flat();
    let ended = 0;
    let begun = this.#english;
    while (ended < sentences.length - 1 && begun + sentences[ended]!.length <= english.committed.length)
      begun += sentences[ended++]!.length;
    const lengthOf = (count: number): number =>
      parts.slice(0, count).reduce((sum, part) => sum + part.length, 0);
    const agreed = agreedTokens(text.rest, next, model.tokens);
    const stable = Math.max(lengthOf(ended), Math.min(lengthOf(ended + 1), agreed));
    const before = text.committed.length;
    text.update(next, last ? Number.POSITIVE_INFINITY : stable);
    if (ended > 0) this.#kept = before + lengthOf(ended);
    this.#english = begun;
    this.#from = all;
    const [open = [], ...others] = parts.slice(ended);
    this.#parts = [open.slice(stable - lengthOf(ended)), ...others];
  }

  /** Each sentence for itself, the first after its committed tokens. */
  async #decoded(
    sentences: readonly (readonly number[])[],
    language: string | undefined,
  ): Promise<Decoded[]> {
    const space = spaceBetween(this.model, this.separator);
    const own = this.text.committed.slice(this.#kept);
    // The space before a sentence is not in what the model was trained on.
    const given = space.length > 0 && space.every((id, i) => own[i] === id) ? own.slice(space.length) : own;
    const prompts = sentences.map((sentence, i) => [
      ...afterEnglish(this.model, sentence, this.separator),
      ...(i === 0 ? given : []),
    ]);
    const decode = (some: typeof prompts, continued: boolean) =>
      this.decode({ prompts: some, continued, languages: some.map(() => language) });
    const first = await decode(prompts.slice(0, 1), own.length > 0);
    const others = prompts.length > 1 ? await decode(prompts.slice(1), false) : [];
    return [...first, ...others].map((decoded, i) =>
      i > 0 || (this.#kept > 0 && own.length === 0) ? withSpace(space, decoded) : decoded,
    );
  }
}
