/** Tokens that a fine-tuning added after the timestamps are text, in decoding with timestamps and without. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Json, readJsonIfPresent } from '../checkpoint/directory.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import { TOKEN_EMBEDDING } from '../whisper/decoder.ts';
import { WhisperModel } from '../whisper/model.ts';
import { decode } from './decode.ts';
import { segmentsOf } from './segments.ts';
import { splitIntoWords } from './word-tokens.ts';

const TUX = 51_865;
const PADDED = 51_872;
let folder: string;
let model: WhisperModel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'added-'));
  await writeTinyModel(folder, { vocabulary: PADDED });
  const file = join(folder, 'tokenizer.json');
  const tokenizer = (await readJsonIfPresent(file))!;
  const added = [...(tokenizer.added_tokens as Json[]), { id: TUX, content: 'Tux', special: false }];
  await writeFile(file, JSON.stringify({ ...tokenizer, added_tokens: added }));
  model = await WhisperModel.load(folder);
});
afterAll(async () => {
  await model?.close();
  await rm(folder, { recursive: true });
});

async function texts(withTimestamps: boolean) {
  const { tokens } = model;
  const [clip] = await model.encode([pseudo(32_000, 3, 0.5)], 'fit');
  const prompt = tokens.prompt('en', 'transcribe');
  const [decoded] = await decode(model, [clip!], {
    prompts: [withTimestamps ? tokens.withTimestamps(prompt) : prompt],
    maxTokens: 12,
    withTimestamps,
  });
  return decoded!;
}

test.each([false, true])('an added token is decoded as text; timestamps: %s', async (withTimestamps) => {
  const { tokens, runtime, dimensions } = model;
  const { width } = dimensions;
  const before = await texts(withTimestamps);
  expect(before.tokens.every((id) => id <= TUX)).toBe(true); // rows of the padding have no token
  // The added token is made likelier than the word that the model prefers to it.
  const word = before.tokens.find((id) => id < tokens.endOfText)!;
  const [embedding] = await runtime.read([TOKEN_EMBEDDING]);
  const original = embedding!.data as Float32Array;
  const data = original.slice();
  for (const id of [TUX, TUX + 1]) {
    for (let i = 0; i < width; i++) data[id * width + i] = 30 * data[word * width + i]!;
  }
  await runtime.store(new Map([[TOKEN_EMBEDDING, { shape: [PADDED, width], data }]]));
  await model.decoderChanged();
  const after = await texts(withTimestamps);
  await runtime.store(new Map([[TOKEN_EMBEDDING, { shape: [PADDED, width], data: original }]]));
  await model.decoderChanged();
  expect(after.tokens).toContain(TUX);
  expect(after.tokens).not.toContain(TUX + 1);
  expect(after.text).toContain('Tux');
  const isStamp = (id: number) => id >= tokens.firstTimestamp && id <= tokens.lastTimestamp;
  if (withTimestamps) expect(isStamp(after.tokens[0]!)).toBe(true);
  const { segments, advance } = segmentsOf(after.tokens, tokens.firstTimestamp, 2);
  for (const { end } of segments) expect(end).toBeLessThanOrEqual(30);
  expect(advance).toBeLessThanOrEqual(30);
});

test('it is a word of its own text, and part of a training label', () => {
  const { tokens } = model;
  const ids = tokens.encode(' Guide Tux home');
  expect(ids).toContain(TUX);
  expect(tokens.decode(ids)).toBe(' Guide Tux home');
  const words = splitIntoWords([...ids, tokens.endOfText], tokens);
  expect(words.map(({ text }) => text)).toEqual([' Guide', ' Tux', ' home', '']);
});
