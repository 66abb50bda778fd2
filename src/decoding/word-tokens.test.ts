/** Words and texts of tokens, in the script that is written, whatever bytes they end with. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Tokens } from '../whisper/tokens.ts';
import { textOfTokens } from './text-of-tokens.ts';
import { splitIntoWords } from './word-tokens.ts';

const file = fileURLToPath(new URL('../../models/whisper-base-int8/tokenizer.json', import.meta.url));
const tokens = new Tokens(file, JSON.parse(readFileSync(file, 'utf8')));
const wordsOf = (text: string) =>
  splitIntoWords([...tokens.encode(text), tokens.endOfText], tokens)
    .slice(0, -1)
    .map((word) => word.text);

const TEXTS = [
  '请把这些齿轮放在正确的位置上。',
  'かわいい猫が公園で遊んでいます。',
  'กรุงเทพมหานครเป็นเมืองหลวง',
  'Привет, как дела?',
  'नमस्ते दुनिया',
  'ok 👩‍🔬👍🏽 done 🇫🇷',
];

test.each(TEXTS)('%s: every number of tokens gives a text without half a character', (text) => {
  const ids = tokens.encode(text);
  for (let count = 0; count <= ids.length; count++) {
    const cut = textOfTokens(tokens, ids.slice(0, count));
    expect(cut).not.toContain('\ufffd');
    expect(text.startsWith(cut)).toBe(true);
    const words = splitIntoWords([...ids.slice(0, count), tokens.endOfText], tokens);
    expect(words.map((word) => word.text).join('')).toBe(cut);
    expect(words.flatMap((word) => word.tokens)).toEqual([...ids.slice(0, count), tokens.endOfText]);
  }
  expect(textOfTokens(tokens, ids)).toBe(text);
});

test('a character cut off before a timestamp is left out, too', () => {
  const ids = tokens.encode('龘');
  expect(ids.length).toBeGreaterThan(1);
  const cut = ids.slice(0, -1);
  const all = [tokens.firstTimestamp, ...tokens.encode(' a'), ...cut, tokens.firstTimestamp + 9];
  expect(textOfTokens(tokens, [...all, ...tokens.encode(' b')])).toBe(' a b');
});

test('bytes in the middle that are no UTF-8 are one piece, and what follows is split as ever', () => {
  const broken = tokens.encode('龘').slice(0, -1);
  const ids = [...tokens.encode(' one'), ...broken, ...tokens.encode(' two three')];
  expect(textOfTokens(tokens, ids)).toBe(' one\ufffd two three');
  const words = splitIntoWords([...ids, tokens.endOfText], tokens).map((word) => word.text);
  expect(words.slice(-3)).toEqual([' two', ' three', '']);
});

test('words are those of the script that is written', () => {
  expect(wordsOf('请把这些齿轮放在正确的位置上。').every((word) => [...word].length <= 4)).toBe(true);
  expect(wordsOf(' Click on the unbelievable thing')).toEqual([
    ...[' Click', ' on', ' the', ' unbelievable', ' thing'],
  ]);
  expect(wordsOf('我用 GitHub 写')).toContain(' GitHub');
});
