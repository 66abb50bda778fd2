/** English first on a real model that is not trained for it: the English half is Whisper's own, times are kept. */
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { joinSamples } from '../audio/join-samples.ts';
import { baseModel } from '../testing/base-model.ts';
import { type EncodedClip, withoutSpeech } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { englishPrompt, separatorOf } from '../whisper/prompts.ts';
import { type DecodingOptions, decode } from './decode.ts';
import { decodeClips } from './decode-clips.ts';
import { splitIntoSentences } from './english-sentences.ts';
import { segmentsOf } from './segments.ts';
import { textOfTokens } from './text-of-tokens.ts';
import { transcribeFiles } from './transcribe-files.ts';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
let model: WhisperModel;
let clip: EncodedClip;
beforeAll(async () => {
  model = await baseModel();
  const sounds = await Promise.all(
    ['algebra_by', 'maze'].map((name) => readAudio(path(`samples/gcompris/fr/${name}.opus`))),
  );
  [clip] = (await model.encode([joinSamples(sounds)], 'full')) as [EncodedClip];
});

const decoded = async (options: Partial<DecodingOptions>) => {
  const prompt = model.tokens.prompt('fr', 'translate');
  const prompts = [options.withTimestamps ? model.tokens.withTimestamps(prompt) : prompt];
  const [result] = await decode(model, [clip], { maxTokens: 12, ...options, prompts });
  return result!;
};
const separator = () => separatorOf(model.tokens, 'english-first', 'zh-Hant')!;

test.each([
  { to: 'zh-Hant', search: {}, space: '' },
  { to: 'zh-Hant', search: { beams: 3 }, space: '' },
  // Written with spaces between words: between sentences, too.
  { to: 'de', search: {}, space: ' ' },
])('the English half is the translation without the other (%j)', async ({ to, search, space }) => {
  const separator = separatorOf(model.tokens, 'english-first', to)!;
  const direct = await decoded({ ...search, maxTokens: 224 });
  const both = await decoded({ ...search, separator });
  expect(direct.text).toMatch(/[a-z]{4}/);
  expect(both.englishTokens).toEqual(direct.tokens);
  // From each sentence of the English text alone: the decoder gets silence, and the prompt does not say what was spoken.
  const sentences = splitIntoSentences(direct.tokens, model.tokens);
  expect(sentences.length).toBeGreaterThan(1);
  const prompts = sentences.map((ids) => [...englishPrompt(model.tokens), ...ids, separator]);
  const silence = withoutSpeech(model.dimensions.width);
  const alone = await decodeClips(
    model,
    prompts.map(() => silence),
    { ...search, prompts, maxTokens: 12 },
  );
  // The target's half alone is counted.
  for (const { tokens } of alone) expect(tokens.length).toBeLessThanOrEqual(12);
  expect(both.tokens).toEqual(
    alone.flatMap(({ tokens }, i) => (i === 0 ? tokens : [...model.tokens.encode(space), ...tokens])),
  );
  const { logProbabilities, averageLogProbability } = both;
  expect(logProbabilities.length).toBe(both.tokens.length + Number(both.finished));
  expect(averageLogProbability).toBeLessThan(0);
});

test('with timestamps, each stretch between two of them is translated for itself', async () => {
  const direct = await decoded({ withTimestamps: true, maxTokens: 224 });
  const both = await decoded({ withTimestamps: true, separator: separator() });
  expect(both.englishTokens).toEqual(direct.tokens);
  const times = (tokens: readonly number[]) =>
    segmentsOf(tokens, model.tokens.firstTimestamp, clip.length / 50).segments.map(({ start, end }) => ({
      start,
      end,
    }));
  expect(times(direct.tokens).length).toBeGreaterThan(0);
  expect(times(both.tokens)).toEqual(times(direct.tokens));
  expect(textOfTokens(model.tokens, both.tokens).trim()).toBe(both.text);
});

test('word times are those of the English half, which hears the speech; the target’s words have none', async () => {
  const translated = async (options: { readonly to: string; readonly promptKind?: 'english-first' }) => {
    const files = [{ audio: path('samples/gcompris/fr/maze.opus'), language: 'fr' }];
    const decoding = {
      task: 'translate',
      words: true,
      maxTokens: 24,
      clip: { from: 0.25 },
      ...options,
    } as const;
    for await (const result of transcribeFiles(model, files, decoding))
      if ('segments' in result) return result.segments;
    return [];
  };
  const direct = await translated({ to: 'en' });
  const both = await translated({ to: 'zh', promptKind: 'english-first' });
  expect(direct.flatMap(({ words = [] }) => words).length).toBeGreaterThan(1);
  expect(both.map(({ start, end, englishWords }) => ({ start, end, words: englishWords }))).toEqual(
    direct.map(({ start, end, words }) => ({ start, end, words })),
  );
  for (const segment of both) expect(segment).not.toHaveProperty('words');
});
