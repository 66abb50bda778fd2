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
  const counting = countedSentences(model, sentences);
  for (;;) {
    const next = counting.next();
    if (next.done) return next.value;
  }
}

/** Yields after each sentence. */
function* countedSentences(
  model: LanguageModel,
  sentences: Iterable<readonly string[]>,
): Generator<void, Perplexity> {
  let [count, tokens, unknown, total, ofUnknown] = [0, 0, 0, 0, 0];
  for (const words of sentences) {
    model.sentence(words).forEach((value, i) => {
      total += value;
      if (i < words.length && !model.has(words[i]!)) {
        unknown++;
        ofUnknown += value;
      }
    });
    count++;
    tokens += words.length + 1;
    yield;
  }
  return {
    sentences: count,
    tokens,
    unknown,
    logProbability: total,
    perplexity: 10 ** (-total / tokens),
    perplexityOfKnown: 10 ** (-(total - ofUnknown) / (tokens - unknown)),
  };
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
  const words = wordsOfLines(lines, language, { stage: 'scoring', onProgress });
  const counting = countedSentences(languageModel, words);
  let next = counting.next();
  for (let done = 1; !next.done; done++) {
    if (done % SENTENCES_PER_TURN === 0) await takeTurn(signal);
    next = counting.next();
  }
  const found = next.value;
  if (found.sentences === 0) throw new UserError(`${text}: found no words; expected a sentence a line`);
  return { order: languageModel.order, ...found };
}
