/** Perplexity of a text under a language model. */
import { takeTurn } from '../abort.ts';
import { UserError } from '../errors.ts';
import { readSentences } from '../files/read.ts';
import { inBatches } from '../lists.ts';
import type { WorkOptions } from '../report/progress.ts';
import { readArpa } from './arpa-read.ts';
import { CausalLanguageModel } from './causal.ts';
import type { LanguageModel } from './model.ts';
import { isModelFolder } from './read.ts';
import { sentenceScorer } from './scorer.ts';
import { linesWithWords, textOfWords } from './words.ts';

export interface Perplexity {
  readonly sentences: number;
  /** Number of words and ends of sentences. */
  readonly tokens: number;
  /** Number of unknown words; 0 for a model of tokens, which spells every word. */
  readonly unknown: number;
  /** Number of characters of the normalised words, of spaces between them and of ends of sentences. */
  readonly characters: number;
  /** log10 probability of the text. */
  readonly logProbability: number;
  /** 10 to the minus mean log10 probability of a token: lower is better. As KenLM's `query` "including OOVs". */
  readonly perplexity: number;
  /** The same without unknown words; models of different vocabularies are compared by both. */
  readonly perplexityOfKnown: number;
  /**
   * The same for each character: models of words and of parts of words are compared by it. A model that reads texts as they
   * are written pays for case and punctuation, too.
   */
  readonly perplexityOfCharacters: number;
}

/** @param sentences words as from `languageModelWords` */
export function perplexity(
  model: LanguageModel,
  sentences: Iterable<readonly string[]>,
  language = 'en',
): Perplexity {
  const counter = new PerplexityCounter(language);
  for (const words of sentences) counter.addNgrams(model, words);
  return counter.result();
}

class PerplexityCounter {
  sentences = 0;
  #tokens = 0;
  #unknown = 0;
  #characters = 0;
  /** log10 probabilities of all tokens, and of the unknown words. */
  #total = 0;
  #ofUnknown = 0;

  constructor(private readonly language: string) {}

  addNgrams(model: LanguageModel, words: readonly string[]): void {
    let total = 0;
    model.sentence(words).forEach((value, i) => {
      total += value;
      if (i < words.length && !model.has(words[i]!)) {
        this.#unknown++;
        this.#ofUnknown += value;
      }
    });
    this.add(words, total);
  }

  /** @param log10 probability of the sentence */
  add(words: readonly string[], log10: number): void {
    this.#total += log10;
    this.sentences++;
    this.#tokens += words.length + 1;
    this.#characters += [...textOfWords(words, this.language)].length + 1;
  }

  result(): Perplexity {
    return {
      sentences: this.sentences,
      tokens: this.#tokens,
      unknown: this.#unknown,
      characters: this.#characters,
      logProbability: this.#total,
      perplexity: 10 ** (-this.#total / this.#tokens),
      perplexityOfKnown: 10 ** (-(this.#total - this.#ofUnknown) / (this.#tokens - this.#unknown)),
      perplexityOfCharacters: 10 ** (-this.#total / this.#characters),
    };
  }
}

const SENTENCES_PER_TURN = 1000;
/** Sentences that a causal model scores at once. */
const SENTENCES_PER_RUN = 256;

export interface TextPerplexity extends Perplexity {
  readonly kind: 'n-grams' | 'causal';
  /** Longest n-grams; undefined for a causal model. */
  readonly order?: number;
}

/** @throws UserError where the text has no words */
export async function textPerplexity({
  model,
  text,
  to: language,
  onProgress,
  signal,
}: {
  /** ARPA file, plain or gzipped, or the folder of a causal language model. */
  readonly model: string;
  /** Path of a text, one sentence per line. */
  readonly text: string;
  /** Language of the text, which determines how it is split into words. */
  readonly to: string;
} & Pick<WorkOptions, 'onProgress' | 'signal'>): Promise<TextPerplexity> {
  const lines = await readSentences(text);
  const counter = new PerplexityCounter(language);
  const sentences = linesWithWords(lines, language, { stage: 'scoring', onProgress });
  const result = (): Perplexity => {
    if (counter.sentences === 0) throw new UserError(`${text}: found no words; expected a sentence a line`);
    return counter.result();
  };
  if (await isModelFolder(model)) {
    const causal = await CausalLanguageModel.load(model);
    try {
      const scorer = sentenceScorer(causal, language);
      for (const batch of inBatches(sentences, SENTENCES_PER_RUN)) {
        signal?.throwIfAborted();
        const scores = await scorer.score(batch.map(({ line }) => scorer.words(line)));
        batch.forEach(({ words }, i) => {
          counter.add(words, scores[i]!.ended / Math.LN10);
        });
      }
      return { kind: 'causal', ...result() };
    } finally {
      await causal.close();
    }
  }
  let read = 0;
  const reading = (done: number, total: number) =>
    onProgress?.({ stage: 'reading the model', done, total, note: 'bytes' });
  const languageModel = await readArpa(model, (bytes) => {
    signal?.throwIfAborted();
    read = bytes;
    reading(bytes, 0);
  });
  reading(read, read);
  for (const { words } of sentences) {
    counter.addNgrams(languageModel, words);
    if (counter.sentences % SENTENCES_PER_TURN === 0) await takeTurn(signal);
  }
  return { kind: 'n-grams', order: languageModel.order, ...result() };
}
