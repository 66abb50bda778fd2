/** Tokens are learned from a text, spell every text, and never join two words. */
import { expect, test } from 'vitest';
import { learnBytePairs } from './byte-pairs.ts';
import { newTokenizer } from './causal.ts';

const english = ['the cat sat on the mat', 'the dog sat', 'the cat ran'];
const tokenizerOf = (texts: readonly string[], language: string) =>
  newTokenizer('tokenizer.json', learnBytePairs(texts, language, 300).json);
const options = { add_special_tokens: false };

test('frequent words become one token, a word the same wherever it stands', () => {
  const tokenizer = tokenizerOf(english, 'en');
  const { ids } = tokenizer.encode('the cat the', options);
  expect(ids).toHaveLength(3);
  expect(ids[0]).toBe(ids[2]);
  expect(tokenizer.decode(ids).trim()).toBe('the cat the');
});

test('the tokens of a text are the first ones of every text that goes on with another word', () => {
  for (const [language, texts, text, more] of [
    ['en', english, 'the dog', 'the dog xylophone'],
    ['zh', ['水很冷', '水很热', '今天很冷'], '水很', '水很龘'],
  ] as const) {
    const tokenizer = tokenizerOf(texts, language);
    const short = tokenizer.encode(text, options).ids;
    const long = tokenizer.encode(more, options).ids;
    expect(long.slice(0, short.length)).toEqual(short);
    expect(tokenizer.decode(long).trim()).toBe(more);
    expect(long.length).toBeGreaterThan(short.length);
  }
});

test('Chinese characters are one token each, and none holds two', () => {
  const tokenizer = tokenizerOf(['水很冷', '水很冷', '水很冷'], 'zh');
  expect(tokenizer.encode('水很冷', options).ids).toHaveLength(3);
});

test('the same text gives the same tokens, of at most the size asked for', () => {
  const { json, size } = learnBytePairs(english, 'en', 265);
  expect(size).toBeLessThanOrEqual(265);
  expect(learnBytePairs(english, 'en', 265).json).toEqual(json);
});
