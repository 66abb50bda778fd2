/** Tokenizers as fine-tuning leaves them: without tokenizer.json, with added tokens, of another model. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Tokens } from '../whisper/tokens.ts';
import type { Json } from './directory.ts';
import { checkTokenizer, readTokenizer } from './tokenizer-files.ts';

const read = (path: string): Json => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'));
const whisper = read('../../models/whisper-base-int8/tokenizer.json') as Json & {
  model: { vocab: Record<string, number>; merges: [string, string][] };
  added_tokens: { id: number; content: string; special: boolean }[];
};
const golden = read('golden/vocab-merges.json') as {
  added: Record<string, number>;
  special_tokens_map: Json;
  texts: [string, number[]][];
};

const root = mkdtempSync(join(tmpdir(), 'tokenizer-'));
afterAll(() => rmSync(root, { recursive: true }));

const addedTokens = {
  ...Object.fromEntries(whisper.added_tokens.map(({ content, id }) => [content, id])),
  ...golden.added,
};

function folder(name: string, files: Readonly<Record<string, Json | string>>): string {
  const path = join(root, name);
  mkdirSync(path);
  for (const [file, content] of Object.entries(files)) {
    writeFileSync(join(path, file), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return path;
}

const merges = ['#version: 0.2', ...whisper.model.merges.map((pair) => pair.join(' '))].join('\n');
const plain = { 'vocab.json': whisper.model.vocab, 'merges.txt': `${merges}\n` };

test.each([
  [
    'added_tokens.json',
    { 'added_tokens.json': addedTokens, 'special_tokens_map.json': golden.special_tokens_map },
  ],
  [
    'added_tokens_decoder of tokenizer_config.json',
    {
      'tokenizer_config.json': {
        added_tokens_decoder: Object.fromEntries(
          [
            ...whisper.added_tokens,
            ...Object.entries(golden.added).map(([content, id]) => ({ content, id, special: false })),
          ].map(({ id, ...token }) => [id, token]),
        ),
      },
    },
  ],
  ['added_tokens.json alone', { 'added_tokens.json': addedTokens }],
])('vocab.json and merges.txt with %s give the ids of transformers’ WhisperTokenizer', async (name, files) => {
  const { file, tokenizer } = await readTokenizer(folder(name, { ...plain, ...files }));
  expect(file).toMatch(/vocab\.json$/);
  const tokens = new Tokens(file, tokenizer);
  for (const [text, ids] of golden.texts) {
    expect(tokens.encode(text), text).toEqual(ids);
    expect(tokens.decode(ids), text).toBe(text);
  }
  expect(tokens.decode([tokens.startOfTranscript, ...tokens.encode('Tux!'), tokens.endOfText])).toBe('Tux!');
  expect(tokens.isText(golden.added.Tux!)).toBe(true);
  expect(tokens.isText(tokens.lastTimestamp)).toBe(false);
  checkTokenizer('m', { file, tokenizer }, 51_868, {});
});

test('a model without a tokenizer, or with half of one, says what it lacks', async () => {
  const lacks = /lacks tokenizer\.json \(or vocab\.json and merges\.txt\)/;
  await expect(readTokenizer(folder('none', {}))).rejects.toThrow(lacks);
  await expect(readTokenizer(folder('half', { 'vocab.json': { a: 1 } }))).rejects.toThrow(lacks);
  await expect(readTokenizer(folder('bad', { ...plain, 'vocab.json': { a: 'b' } }))).rejects.toThrow(
    /vocab\.json: token "a": expected an id from 0/,
  );
  await expect(readTokenizer(folder('merge', { ...plain, 'merges.txt': 'a b c\n' }))).rejects.toThrow(
    /merges\.txt: found "a b c"; expected two tokens a line/,
  );
});

/** As Hugging Face's files of a model, with these tokens. */
const withTokens = (
  change: (token: { id: number; content: string }) => boolean,
  ...more: [string, number][]
) => ({
  file: 'm/tokenizer.json',
  tokenizer: {
    ...whisper,
    added_tokens: [
      ...whisper.added_tokens.filter(change),
      ...more.map(([content, id]) => ({ content, id, special: false })),
    ],
  },
});
const whole = withTokens(() => true);
const withoutTimestamps = withTokens(({ id }) => id < 50_364);

test('padded embeddings, added tokens, and old tokenizers without timestamps fit', () => {
  for (const vocabulary of [51_865, 51_872, 51_904, 51_968]) {
    checkTokenizer('m', whole, vocabulary, {
      no_timestamps_token_id: 50_363,
      lang_to_id: { '<|en|>': 50_259 },
    });
    checkTokenizer('m', withoutTimestamps, vocabulary, {});
  }
  checkTokenizer(
    'm',
    withTokens(() => true, ['Tux', 51_865]),
    51_866,
    {},
  );
});

test('a tokenizer of another model is refused in one line', () => {
  const sizes =
    /m\/tokenizer\.json: a tokenizer of \d+ tokens, but the model's embedding has \d+: it belongs to another/;
  expect(() => checkTokenizer('m', whole, 51_866, {})).toThrow(sizes); // large-v3
  expect(() => checkTokenizer('m', withoutTimestamps, 51_866, {})).toThrow(sizes);
  expect(() =>
    checkTokenizer(
      'm',
      withTokens(() => true, ['Tux', 51_865]),
      51_865,
      {},
    ),
  ).toThrow(sizes);
  expect(() => checkTokenizer('m', whole, 60_000, {})).toThrow(sizes);
  // Padded, so that the sizes do not tell.
  expect(() => checkTokenizer('m', whole, 51_872, { no_timestamps_token_id: 50_364 })).toThrow(
    'm/tokenizer.json: <|notimestamps|> has the id 50363, but 50364 in generation_config.json',
  );
  expect(() =>
    checkTokenizer(
      'm',
      withTokens(({ id }) => id < 50_364, ['Tux', 50_364]),
      51_865,
      {},
    ),
  ).toThrow('token "Tux" has the id 50364 of the timestamp <|0.00|>');
});
