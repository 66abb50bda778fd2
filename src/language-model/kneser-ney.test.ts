import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { readArpa } from './arpa-read.ts';
import { writeArpa } from './arpa-write.ts';
import { NgramCounter } from './count.ts';
import { smooth } from './kneser-ney.ts';
import type { LanguageModel } from './model.ts';
import { perplexity } from './perplexity.ts';

interface LmplzModel {
  language: string;
  order: number;
  train: string[][];
  heldOut: string[][];
  /** log10 of each held-out word with lmplz's model. */
  scores: number[][];
  /** N-grams of each order. */
  sizes: Record<string, number>;
  /** Some of each order: log10 probability and, below the highest order, back-off; in ten thousandths. */
  ngrams: Record<string, Record<string, number[]>>;
}

/** Made by scripts/golden/kenlm_values.py with KenLM's lmplz. */
const golden = JSON.parse(
  gunzipSync(readFileSync(new URL('./golden/lmplz-models.json.gz', import.meta.url))).toString('utf8'),
) as { models: LmplzModel[] };

const folder = mkdtempSync(join(tmpdir(), 'kneser-ney-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'model.arpa');

function count(sentences: Iterable<readonly string[]>, order: number): NgramCounter {
  const counter = new NgramCounter(order);
  for (const words of sentences) counter.add(words);
  return counter;
}

async function train(sentences: Iterable<readonly string[]>, order: number): Promise<LanguageModel> {
  const counter = count(sentences, order);
  await writeArpa(file, counter, smooth(counter));
  return readArpa(file);
}

test.each(golden.models)('$language, order $order: n-grams, probabilities and back-offs as by lmplz', async ({
  train: sentences,
  order,
  sizes,
  ngrams,
}) => {
  await train(sentences, order);
  const ours = new Map<string, number[]>();
  const oursBySize: Record<string, number> = {};
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [probability, ngram, backoff] = line.split('\t');
    if (ngram === undefined) continue;
    ours.set(ngram, [probability!, ...(backoff === undefined ? [] : [backoff])].map(Number));
    const n = ngram.split(' ').length;
    oursBySize[n] = (oursBySize[n] ?? 0) + 1;
  }
  expect(oursBySize).toEqual(sizes);
  let largest = 0;
  for (const [ngram, values] of Object.values(ngrams).flatMap((found) => Object.entries(found))) {
    const found = ours.get(ngram);
    expect(found?.length, ngram).toBe(values.length);
    for (const [i, value] of values.entries())
      largest = Math.max(largest, Math.abs(found![i]! - value / 1e4));
  }
  expect(largest).toBeLessThan(1e-4);
});

test.each(golden.models)('$language, order $order: perplexity of held-out sentences as by lmplz', async ({
  train: sentences,
  heldOut,
  order,
  scores,
}) => {
  const found = perplexity(await train(sentences, order), heldOut);
  const log10 = scores.flat();
  const theirs = 10 ** (-log10.reduce((sum, value) => sum + value, 0) / log10.length);
  expect(found.perplexity / theirs).toBeCloseTo(1, 4);
});

/** Of all words after a context, `<s>` aside. */
function totalProbability(model: LanguageModel, context: readonly string[]): number {
  let state = model.start();
  for (const word of context) state = model.score(state, word).state;
  let total = 0;
  for (const word of model.words) {
    if (word !== '<s>') total += Math.exp(model.score(state, word).logProbability);
  }
  return total;
}

test('after any context, seen or not, the probabilities of all words sum to 1', async () => {
  const { train: sentences, heldOut } = golden.models[0]!;
  const model = await train(sentences, 5);
  for (const words of [...sentences.slice(0, 10), ...heldOut.slice(0, 10)]) {
    for (let length = 0; length <= words.length; length++)
      expect(totalProbability(model, words.slice(0, length))).toBeCloseTo(1, 4);
  }
});

test('so they do for texts of a few words, whose discounts cannot be estimated, and of every order', async () => {
  const sentence = fc.array(fc.constantFrom('a', 'b', 'c', '字', "it's"), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(sentence, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 6 }),
      async (sentences, order) => {
        const model = await train(sentences, order);
        expect(model.order).toBe(order);
        for (const words of sentences.slice(0, 4)) expect(totalProbability(model, words)).toBeCloseTo(1, 4);
        expect(totalProbability(model, ['c', 'x', 'a', 'a'])).toBeCloseTo(1, 4);
      },
    ),
    { numRuns: 60 },
  );
});

test('what is written is what was trained', async () => {
  const counter = count(golden.models[1]!.train, 2);
  const smoothed = smooth(counter);
  await writeArpa(file, counter, smoothed);
  const model = await readArpa(file);
  const { context, word } = counter.orders[1]!;
  smoothed[1]!.probability.forEach((probability, i) => {
    const before = counter.words[context.values[i]!]!;
    if (before === '<s>') {
      const scored = model.score(model.start(), counter.words[word.values[i]!]!);
      expect(scored.logProbability).toBeCloseTo(Math.log(probability), 5);
    }
  });
  expect([...model.words].sort()).toEqual([...counter.words].sort());
  expect(readdirSync(folder)).toEqual(['model.arpa']);
});

test('too small a text takes fixed discounts and says so; a larger one does not', () => {
  const small = smooth(count([['a', 'b'], ['a']], 2));
  expect(small.map(({ fallback }) => fallback)).toEqual([true, true]);
  expect(small[0]!.discounts).toEqual([0.5, 1, 1.5]);
  expect(smooth(count(golden.models[0]!.train, 3)).some(({ fallback }) => fallback)).toBe(false);
});

test('mistakes', async () => {
  expect(() => new NgramCounter(7)).toThrow('found the order 7; expected 1 to 6');
  expect(() => new NgramCounter(0)).toThrow(UserError);
  expect(() => count([['a b']], 2)).toThrow('white space');
  expect(() => count([['<s>']], 2)).toThrow('found the word "<s>"');
  expect(() => smooth(new NgramCounter(2))).toThrow('found no sentence');
  const counter = count([['a']], 2);
  await expect(writeArpa(join(folder, 'none', 'model'), counter, smooth(counter))).rejects.toThrow(
    /none.model: cannot be written/,
  );
});
