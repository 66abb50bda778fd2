/** Perplexity of a text under a language model. */
import { takeTurn } from '../abort.ts';
import { UserError } from '../errors.ts';
import { readSentences } from '../files/read.ts';
import type { WorkOptions } from '../report/progress.ts';
import { readArpa } from './arpa-read.ts';
import type { LanguageModel } from './model.ts';
import { wordsOfLines } from './words.ts';

export interface Perplexity {
  readonly sentences: number;
  /** Number of words and ends of sentences. */
  readonly tokens: number;
  /** Number of unknown words. */
  readonly unknown: number;
  /** log10 probability of the text. */
  readonly logProbability: number;
  /** 10 to the minus mean log10 probability of a token: lower is better. As KenLM's `query` "including OOVs". */
  readonly perplexity: number;
  /** The same without unknown words; models of different vocabularies are compared by both. */
  readonly perplexityOfKnown: number;
}

/** @param sentences words as from `languageModelWords` */
export function perplexity(model: LanguageModel, sentences: Iterable<readonly string[]>): Perplexity {
  const counter = new PerplexityCounter(model);
  for (const words of sentences) counter.add(words);
  return counter.result();
}

class PerplexityCounter {
  sentences = 0;
  #tokens = 0;
  #unknown = 0;
  /** log10 probabilities of all tokens, and of the unknown words. */
  #total = 0;
  #ofUnknown = 0;

  constructor(private readonly model: LanguageModel) {}

  add(words: readonly string[]): void {
    this.model.sentence(words).forEach((value, i) => {
      this.#total += value;
      if (i < words.length && !this.model.has(words[i]!)) {
        this.#unknown++;
        this.#ofUnknown += value;
      }
    });
    this.sentences++;
    this.#tokens += words.length + 1;
  }

  result(): Perplexity {
    return {
      sentences: this.sentences,
      tokens: this.#tokens,
      unknown: this.#unknown,
      logProbability: this.#total,
      perplexity: 10 ** (-this.#total / this.#tokens),
      perplexityOfKnown: 10 ** (-(this.#total - this.#ofUnknown) / (this.#tokens - this.#unknown)),
    };
  }
}

const SENTENCES_PER_TURN = 1000;

/** @throws UserError where the text has no words */
export async function textPerplexity({
  model,
  text,
  to: language,
  onProgress,
  signal,
}: {
  /** ARPA file, plain or gzipped. */
  readonly model: string;
  /** Path of a text, one sentence per line. */
  readonly text: string;
  /** Language of the text, which determines how it is split into words. */
  readonly to: string;
} & Pick<WorkOptions, 'onProgress' | 'signal'>): Promise<Perplexity & { readonly order: number }> {
  const lines = await readSentences(text);
  let read = 0;
  const reading = (done: number, total: number) =>
    onProgress?.({ stage: 'reading the model', done, total, note: 'bytes' });
  const languageModel = await readArpa(model, (bytes) => {
    signal?.throwIfAborted();
    read = bytes;
    reading(bytes, 0);
  });
  reading(read, read);
  const counter = new PerplexityCounter(languageModel);
  for (const words of wordsOfLines(lines, language, { stage: 'scoring', onProgress })) {
    counter.add(words);
    if (counter.sentences % SENTENCES_PER_TURN === 0) await takeTurn(signal);
  }
  if (counter.sentences === 0) throw new UserError(`${text}: found no words; expected a sentence a line`);
  return { order: languageModel.order, ...counter.result() };
}
