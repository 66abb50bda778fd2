/** Trains an n-gram language model on a text file, and writes it in ARPA format. */
import { abortable, takeTurn } from '../abort.ts';
import { UserError } from '../errors.ts';
import { readSentences } from '../files/read.ts';
import { checkWritable } from '../files/write-whole.ts';
import type { WorkOptions } from '../report/progress.ts';
import { writeArpa } from './arpa-write.ts';
import { NgramCounter } from './count.ts';
import { smooth } from './kneser-ney.ts';
import { wordsOfLines } from './words.ts';

export interface TrainLanguageModelOptions extends Pick<WorkOptions, 'onProgress' | 'onNote' | 'signal'> {
  /** Path of the training text, one sentence per line. */
  readonly text: string;
  /** Language of the text, which determines how it is split into words. */
  readonly to: string;
  /** Longest n-grams, 1 to 6. Default 5. */
  readonly order?: number | undefined;
  /** Path of the ARPA file. */
  readonly output: string;
}

export interface TrainedLanguageModel {
  readonly model: string;
  readonly order: number;
  readonly language: string;
  readonly sentences: number;
  readonly tokens: number;
  /** N-grams, discounts (see kneser-ney.ts) by order, from 1. */
  readonly ngrams: readonly number[];
  readonly discounts: readonly (readonly number[])[];
  /** Orders whose discounts could not be estimated. */
  readonly fallback: readonly number[];
}

const SENTENCES_PER_TURN = 1000;

/** Interpolated modified Kneser-Ney smoothing, as in KenLM's lmplz. */
export function trainLanguageModel(options: TrainLanguageModelOptions): Promise<TrainedLanguageModel> {
  return abortable(options.signal, () => train(options));
}

async function train({
  text,
  to: language,
  order = 5,
  output,
  onProgress,
  onNote,
  signal,
}: TrainLanguageModelOptions): Promise<TrainedLanguageModel> {
  await checkWritable(output);
  const counter = new NgramCounter(order);
  const lines = await readSentences(text);
  const sentences = wordsOfLines(lines, language, { stage: 'counting', onProgress });
  for (const words of sentences) {
    counter.add(words);
    if (counter.sentences % SENTENCES_PER_TURN > 0) continue;
    await takeTurn(signal);
  }
  if (counter.sentences === 0) throw new UserError(`${text}: found no words; expected a sentence a line`);
  const smoothed = smooth(counter);
  const ngrams = counter.orders.map(({ count }) => count.length);
  const total = ngrams.reduce((sum, count) => sum + count);
  const progress = (done: number) => {
    signal?.throwIfAborted();
    onProgress?.({ stage: 'writing', done, total, note: 'n-grams' });
  };
  await writeArpa(output, counter, smoothed, progress);
  progress(total);
  const fallback = smoothed.flatMap((found, i) => (found.fallback ? [i + 1] : []));
  if (fallback.length > 0) {
    onNote?.(
      `${text} has too few sentences, or too many alike, to estimate the discounts of order ` +
        `${fallback.join(', ')}; the fixed ones 0.5, 1, 1.5 were taken`,
    );
  }
  return {
    ...{ model: output, order, language, sentences: counter.sentences, tokens: counter.tokens, ngrams },
    discounts: smoothed.map((found) => found.discounts),
    fallback,
  };
}
