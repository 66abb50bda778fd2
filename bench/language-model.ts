/**
 * An ARPA file of about 100 MB, order 5: trained on a text drawn by chance, whose words are as unevenly frequent as
 * in speech, then read, then scored on the words of another such text, one by one as a beam search does.
 */
import { mkdirSync, statSync } from 'node:fs';
import { readArpa } from '../src/language-model/arpa-read.ts';
import { writeArpa } from '../src/language-model/arpa-write.ts';
import { NgramCounter } from '../src/language-model/count.ts';
import { smooth } from '../src/language-model/kneser-ney.ts';
import { sfc32, uniform } from '../src/random.ts';
import { type BenchResult, inRepository } from './result.ts';
import { median, seconds } from './statistics.ts';

const ORDER = 5;
const SENTENCES = 91_000;
const SCORED_SENTENCES = 100_000;
const VOCABULARY = 60_000;
const ROUNDS = 3;
const MAX_LOAD_SECONDS = 10;
const LOWEST_RATE = 1_000_000;

/** Sentences of 4 to 19 words; the frequency of words falls as their rank rises, and half the pairs are set phrases. */
function* sentences(count: number, seed: number): Generator<string[]> {
  const random = sfc32(seed);
  const rank = () => Math.floor(VOCABULARY ** uniform(random)) - 1;
  for (let i = 0; i < count; i++) {
    const ids = [rank()];
    const length = 4 + Math.floor(16 * uniform(random));
    while (ids.length < length) {
      const phrase = uniform(random) < 0.5;
      ids.push(phrase ? (ids.at(-1)! * 7 + 13 * Math.floor(4 * uniform(random))) % VOCABULARY : rank());
    }
    yield ids.map(wordOf);
  }
}

/** Letters, the shorter the more frequent the word. */
function wordOf(id: number): string {
  let word = '';
  for (let rest = id + 20; rest > 0; rest = Math.floor(rest / 20)) word += 'etaoinshrdlcumwfgypb'[rest % 20];
  return word;
}

export async function languageModel(): Promise<BenchResult> {
  const path = inRepository('out/bench/language-model.arpa');
  mkdirSync(inRepository('out/bench'), { recursive: true });
  const started = performance.now();
  const counter = new NgramCounter(ORDER);
  for (const words of sentences(SENTENCES, 1)) counter.add(words);
  await writeArpa(path, counter, smooth(counter));
  const training = (performance.now() - started) / 1000;
  const loads: number[] = [];
  let model = await readArpa(path);
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    model = await readArpa(path);
    loads.push((performance.now() - started) / 1000);
  }
  const text = [...sentences(SCORED_SENTENCES, 2)];
  const ngrams = text.reduce((sum, words) => sum + words.length + 1, 0);
  const rates: number[] = [];
  let total = 0;
  for (let round = 0; round < ROUNDS; round++) {
    total = 0;
    const started = performance.now();
    for (const words of text) {
      let state = model.start();
      for (const word of words) {
        const scored = model.score(state, word);
        total += scored.logProbability;
        state = scored.state;
      }
      total += model.end(state);
    }
    rates.push((ngrams / (performance.now() - started)) * 1000);
  }
  const megabytes = statSync(path).size / 1e6;
  const [load, rate] = [median(loads), median(rates)];
  const rateText = `${(rate / 1e6).toFixed(2)} million/s`;
  return {
    title: `N-gram language model of order ${ORDER}, ARPA file of ${megabytes.toFixed(0)} MB`,
    rows: [
      { measure: 'train and write', ours: seconds(training) },
      { measure: 'read', ours: seconds(load) },
      { measure: `n-grams scored, of ${ngrams}`, ours: rateText },
    ],
    goals: [
      {
        goal: `100 MB read in less than ${MAX_LOAD_SECONDS} s`,
        found: seconds((load * 100) / megabytes),
        reached: (load * 100) / megabytes < MAX_LOAD_SECONDS,
      },
      {
        goal: `more than ${LOWEST_RATE / 1e6} million n-grams scored a second`,
        found: rateText,
        reached: rate > LOWEST_RATE,
      },
    ],
    notes: [`perplexity of the scored text ${Math.exp(-total / ngrams).toFixed(1)}`],
    raw: { training, loads, rates, megabytes },
  };
}
