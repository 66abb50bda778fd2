import { expect, test } from 'vitest';
import { baseModel } from '../testing/base-model.ts';
import { splitIntoSentences } from './english-sentences.ts';

const { tokens } = await baseModel();
const split = (text: string) =>
  splitIntoSentences(tokens.encode(text), tokens).map((ids) => tokens.decode(ids));

test.each([
  [' Click on the cat. Then drag it to its house!', [' Click on the cat.', ' Then drag it to its house!']],
  // Titles, initials, numbers and dots within words end no sentence.
  [
    ' Mr. Smith met J. R. Jones at St. Paul Street. He paid 3.50 pounds, i.e. too much.',
    [' Mr. Smith met J. R. Jones at St. Paul Street.', ' He paid 3.50 pounds, i.e. too much.'],
  ],
  [' It is 5 p.m. now and e.g. the U.S. team is late.'],
  // Too short to be translated alone.
  [' Oh, no! The glass is broken.'],
  [' The glass is broken. Oh, no!', [' The glass is broken.', ' Oh, no!']],
  [' "Where is he?" she asked me. "I do not know."', [' "Where is he?" she asked me.', ' "I do not know."']],
  [
    ' He said: wait... then he left us. Nobody saw it',
    [' He said: wait... then he left us.', ' Nobody saw it'],
  ],
  [' no marks at all in what somebody says'],
])('%j', (text, sentences = [text]) => {
  expect(split(text)).toEqual(sentences);
});

test('all tokens stay, in their order, and what follows moves no border', () => {
  const text = ' Naïve café — “so what?” she said. 你好。 Then 🎈 flew off. We saw it go. And so on.';
  const ids = tokens.encode(text);
  expect(splitIntoSentences(ids, tokens).flat()).toEqual(ids);
  expect(splitIntoSentences([], tokens)).toEqual([]);
  const whole = split(text);
  expect(whole.length).toBeGreaterThan(3);
  for (let count = 1; count <= ids.length; count++) {
    const some = splitIntoSentences(ids.slice(0, count), tokens).map((part) => tokens.decode(part));
    expect(whole.slice(0, some.length - 1)).toEqual(some.slice(0, -1));
  }
});
