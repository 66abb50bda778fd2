import { expect, test } from 'vitest';
import { readJsonIfPresent } from '../checkpoint/directory.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { Tokens } from '../whisper/tokens.ts';
import { GrowingText } from './growing-text.ts';
import { agreedTokens } from './local-agreement.ts';

const file = `${embeddedModel}/tokenizer.json`;
const tokens = new Tokens(file, (await readJsonIfPresent(file))!);

const agreed = (previous: string, next: string): string => {
  const ids = tokens.encode(next);
  return tokens.decode(ids.slice(0, agreedTokens(tokens.encode(previous), ids, tokens)));
};

test('what two hypotheses begin with is agreed, in whole words', () => {
  expect(agreed(' Click on the red', ' Click on the required colour.')).toBe(' Click on the');
  expect(agreed(' Click on the transl', ' Click on the translation')).toBe(' Click on the');
  expect(agreed('', ' Click')).toBe('');
});

test('in scripts without spaces, in whole characters', () => {
  expect(agreed('点击所需的颜色', '点击隐藏的')).toBe('点击');
  expect(agreed('点击隐藏', '点击隐')).toBe('点击隐');
});

test('marks at the end are not agreed: Whisper ends with them whatever it hears', () => {
  expect(agreed(' Two numbers.', ' Two numbers.')).toBe(' Two numbers');
  expect(agreed(' Two numbers...', ' Two numbers...')).toBe(' Two numbers');
  expect(agreed('点击。', '点击。')).toBe('点击');
  expect(agreed(' Two, three', ' Two, three')).toBe(' Two, three');
});

test('a text tells what is committed once, with the space before it, and never a character in part', () => {
  const text = new GrowingText(tokens);
  const ids = tokens.encode('点击𠮷');
  for (let count = 0; count < ids.length; count++) {
    text.update(ids.slice(0, count), 0);
    expect('点击𠮷'.startsWith(text.tell('').tentative)).toBe(true);
  }
  const spaced = new GrowingText(tokens);
  const words = tokens.encode(' Click on the colour');
  spaced.update(words, 2);
  expect(spaced.tell(' ')).toEqual({ committed: ' Click on', tentative: ' the colour' });
  expect(spaced.tell(' ')).toEqual({ committed: '', tentative: ' the colour' });
  spaced.update(spaced.rest, Number.POSITIVE_INFINITY);
  expect(spaced.tell(' ')).toEqual({ committed: ' the colour', tentative: '' });
});
