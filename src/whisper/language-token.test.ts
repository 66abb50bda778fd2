/** A token for a language that Whisper has none for: what the files say, and that transformers reads them as we do. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import { type Decoded, decode } from '../decoding/decode.ts';
import { detectLanguages } from '../decoding/detect-language.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import { saveModel } from '../training/save.ts';
import { LANGUAGE_ROW, TOKEN_EMBEDDING } from './decoder.ts';
import { type LanguageToken, mergeLanguageRow } from './language-token.ts';
import { WhisperModel } from './model.ts';
import { promptOf } from './prompts.ts';
import { quantize } from './quantize.ts';
import { vocabularyOf } from './target-vocabulary.ts';
import { withModel } from './with-model.ts';

interface Golden {
  readonly seeds: readonly number[];
  readonly newTokens: number;
  readonly rowSeed: number;
  readonly rowWidth: number;
  readonly forms: Readonly<
    Record<
      'mean' | 'as',
      {
        readonly token: number;
        readonly vocabulary: number;
        readonly texts: readonly { readonly text: string; readonly tokens: readonly number[] }[];
        readonly timestamps: readonly { readonly tokens: readonly number[] }[];
      }
    >
  >;
}

const golden = JSON.parse(
  readFileSync(new URL('./golden/unseen-language.json', import.meta.url), 'utf8'),
) as Golden;
const FORMS = { mean: { mean: ['cy', 'en'] }, as: { as: 'cy' } } as const;

const scratch = mkdtempSync(join(tmpdir(), 'language-token-'));
const base = join(scratch, 'base');
const folder = (form: string) => join(scratch, form);
const json = (form: string, name: string) => JSON.parse(readFileSync(join(folder(form), name), 'utf8'));
const load = (directory: string, token?: Omit<LanguageToken, 'language'>) =>
  WhisperModel.load(directory, {
    threads: 1,
    ...(token && { languageToken: { language: 'ga', ...token } }),
  });

beforeAll(async () => {
  await writeTinyModel(base);
  for (const [form, token] of Object.entries(FORMS)) {
    await withModel(load(base, token), async (model) => {
      if (form === 'mean') {
        const data = pseudo(16, golden.rowSeed, golden.rowWidth);
        await model.runtime.store(new Map([[LANGUAGE_ROW, { shape: [1, 16], data }]]));
        await mergeLanguageRow(model);
      }
      const prompt = { target: 'ga', kind: 'target-transcribe' } as const;
      await saveModel(model, folder(form), { prompt, dtype: 'float32' });
    });
  }
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** What the model makes of the golden file's sounds under the prompt that names Irish. */
function texts(
  directory: string,
  changed: { withTimestamps?: boolean; vocabulary?: string } = {},
): Promise<Decoded[]> {
  return withModel(load(directory), async (model) => {
    const sounds = golden.seeds.map((seed) => pseudo(32_000, seed, 0.8));
    const prompt = model.tokens.prompt('ga', 'transcribe');
    const { withTimestamps, vocabulary } = changed;
    return decode(model, await model.encode(sounds, 'full'), {
      prompts: sounds.map(() => (withTimestamps ? model.tokens.withTimestamps(prompt) : prompt)),
      maxTokens: golden.newTokens,
      ...(withTimestamps && { withTimestamps }),
      ...(vocabulary && { vocabulary: vocabularyOf('test', [vocabulary], model.tokens) }),
    });
  });
}

test('transformers loads both forms and writes the same, with timestamps and without', async () => {
  for (const form of ['mean', 'as'] as const) {
    const expected = golden.forms[form];
    const found = await texts(folder(form));
    expect(found.map(({ tokens }) => tokens)).toEqual(expected.texts.map(({ tokens }) => tokens));
    expect(found.map(({ text }) => text)).toEqual(expected.texts.map(({ text }) => text.trim()));
    const stamped = await texts(folder(form), { withTimestamps: true });
    expect(stamped.map(({ tokens }) => tokens)).toEqual(expected.timestamps.map(({ tokens }) => tokens));
  }
});

test('a new token comes after all others, begins as the mean of those named, and is never written', async () => {
  const { lang_to_id, suppress_tokens, language } = json('mean', 'generation_config.json');
  expect([lang_to_id['<|ga|>'], suppress_tokens.at(-1), language]).toEqual([51_865, 51_865, '<|ga|>']);
  expect(json('mean', 'config.json').vocab_size).toBe(51_866);
  expect(json('mean', 'tokenizer.json').added_tokens.at(-1)).toMatchObject({
    id: 51_865,
    content: '<|ga|>',
    special: true,
  });
  const [before, after] = await Promise.all([base, folder('mean')].map(readCheckpoint));
  const [old, grown] = [before, after].map((one) => one!.weights.get(TOKEN_EMBEDDING)!.data);
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array) =>
    Buffer.from(buffer, byteOffset, byteLength);
  expect(bytes(grown!.subarray(0, old!.length)).equals(bytes(old!))).toBe(true);
  const row = (code: string) => {
    const id = before!.generationConfig.lang_to_id as Record<string, number>;
    return old!.subarray(16 * id[`<|${code}|>`]!, 16 * (id[`<|${code}|>`]! + 1));
  };
  const moved = pseudo(16, golden.rowSeed, golden.rowWidth);
  const mean = row('cy').map((value, i) => Math.fround((value + row('en')[i]!) / 2) + moved[i]!);
  expect(grown!.subarray(old!.length)).toEqual(mean);
});

test("another language's token stands for both: no weight and no token is new", async () => {
  const { lang_to_id } = json('as', 'generation_config.json');
  expect(lang_to_id['<|ga|>']).toBe(lang_to_id['<|cy|>']);
  expect(json('as', 'config.json').vocab_size).toBe(51_865);
  for (const name of ['tokenizer.json', 'model.safetensors']) {
    expect(readFileSync(join(folder('as'), name)).equals(readFileSync(join(base, name))), name).toBe(true);
  }
});

test('the new language is no candidate where the spoken one is detected', async () => {
  const probabilities = (directory: string) =>
    withModel(load(directory), async (model) => {
      const [detected] = await detectLanguages(model, await model.encode([pseudo(32_000, 41, 0.8)], 'full'));
      return [...detected!.probabilities];
    });
  const before = await probabilities(base);
  for (const form of Object.keys(FORMS)) expect(await probabilities(folder(form))).toEqual(before);
});

test('a free prompt may name it, and int8 weights and a target vocabulary bear it', async () => {
  await withModel(load(folder('mean')), async ({ tokens }) => {
    expect(tokens.hasLanguage('ga')).toBe(true);
    expect(tokens.parsePrompt('<|ga|><|transcribe|>').transcript).toEqual(tokens.prompt('ga', 'transcribe'));
    expect(tokens.languageOf(tokens.prompt('ga', 'transcribe'))).toBe('ga');
  });
  await quantize({ model: folder('mean'), output: folder('int8') });
  expect(json('int8', 'tokenizer.json')).toEqual(json('mean', 'tokenizer.json'));
  const [{ tokens }] = (await texts(folder('int8'), { vocabulary: 'abc' })) as [Decoded];
  const words = await withModel(
    load(base),
    async (model) => vocabularyOf('test', ['abc'], model.tokens).words,
  );
  expect(tokens.filter((id) => !words.includes(id) && (id < 50_257 || id === 51_865))).toEqual([]);
});

test('without a token the error says how to get one, and names what is close', async () => {
  await withModel(load(base), async ({ tokens }) => {
    const prompt = (target: string) => promptOf(tokens, 'target-transcribe', target, 'en');
    expect(() => prompt('ga')).toThrow(
      'no token for "ga"; expected it trained with that of another language (train --to ga --token-of cy) ' +
        'or with a new one (--new-token-from cy,br)',
    );
    expect(() => prompt('tlh')).toThrow('--token-of en');
    expect(promptOf(tokens, 'source-translate', 'ga', 'en')).toEqual(tokens.prompt('en', 'translate'));
  });
});

test('what cannot be done is said in one line', async () => {
  const failing = (directory: string, token: LanguageToken) =>
    expect(WhisperModel.load(directory, { languageToken: token })).rejects;
  await failing(folder('mean'), { language: 'ga', as: 'cy' }).toThrow(/has a token for "ga"/);
  await failing(base, { language: 'cy', mean: ['en'] }).toThrow(/has a token for "cy"/);
  await failing(base, { language: 'ga', mean: ['cy', 'gd'] }).toThrow(/no token for "gd"/);
  await failing(base, { language: 'Irish', as: 'cy' }).toThrow(/"Irish": expected a code/);
  const old = folder('old');
  await writeTinyModel(old);
  const { added_tokens, ...tokenizer } = json('old', 'tokenizer.json');
  writeFileSync(
    join(old, 'tokenizer.json'),
    JSON.stringify({
      ...tokenizer,
      added_tokens: added_tokens.filter(({ id }: { id: number }) => id < 50_364),
    }),
  );
  await failing(old, { language: 'ga', mean: ['cy'] }).toThrow(/has 50364 tokens, and the model 51865/);
});
