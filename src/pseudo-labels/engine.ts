/** What a service of translation offers: sentences in one language to texts in another, several a request. */
import type { Sentence } from './sentence.ts';

/** What is paid for, in the engine's unit. */
export interface Usage {
  readonly input: number;
  readonly output: number;
}

export interface Reply {
  /**
   * One text a sentence, in their order; undefined: the reply does not match its sentences by number, so that none of it is
   * used and fewer are to be asked at once.
   */
  readonly texts: readonly string[] | undefined;
  /** undefined: the service does not say. */
  readonly usage: Usage | undefined;
}

export interface TranslationEngine {
  /** Who translates, for the manifest: the model's name. */
  readonly name: string;
  /** What the service counts: a chat model tokens, in and out; the others the characters that they get. */
  readonly unit: 'tokens' | 'characters';
  /** All that a translation depends on but the sentence: service, model, prompt. Answers are kept by it. */
  readonly identity: string;
  /** Finds out before the first request whether the service translates these languages. @throws UserError where not */
  readonly prepare?: (languages: readonly string[], signal: AbortSignal | undefined) => Promise<void>;
  /** All text of a request, to estimate its tokens, where these are counted. */
  readonly textOf?: (sentences: readonly Sentence[], fault?: string) => string;
  /**
   * Asks once, with what the endpoint repeats (endpoint.ts).
   * @param sentences in one language
   * @param fault why an earlier translation of them was refused, in words for the service
   * @param tokens estimate of the tokens of request and reply, for the limits of a minute
   * @param retried see `Endpoint.ask`
   * @throws UserError where every request would fail; RequestFailed where this one did
   */
  readonly translate: (
    sentences: readonly Sentence[],
    options: {
      fault?: string | undefined;
      tokens: number;
      retried?: (() => Promise<boolean>) | undefined;
      signal: AbortSignal | undefined;
    },
  ) => Promise<Reply>;
}

export const ENGINE_NAMES = ['chat', 'libretranslate', 'deepl'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];
