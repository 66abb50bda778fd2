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
  {},
  { beams: 3 },
])('the English half is the translation without the other (%j)', async (search) => {
  const direct = await decoded({ ...search, maxTokens: 224 });
  const both = await decoded({ ...search, separator: separator() });
  expect(direct.text).toMatch(/[a-z]{4}/);
  expect(both.englishTokens).toEqual(direct.tokens);
  // The target's half alone is counted.
  expect(both.tokens).not.toEqual(direct.tokens);
  expect(both.tokens.length).toBeLessThanOrEqual(12);
  const { logProbabilities, averageLogProbability } = both;
  expect(logProbabilities.length).toBe(both.tokens.length + Number(both.finished));
  expect(averageLogProbability).toBeLessThan(0);
  // From the English text alone: the decoder gets silence, and the prompt does not say what was spoken.
  const given = [...englishPrompt(model.tokens), ...direct.tokens, separator()];
  const silence = withoutSpeech(model.dimensions.width);
  const [second] = await decodeClips(model, [silence], { ...search, prompts: [given], maxTokens: 12 });
  expect(both.tokens).toEqual(second!.tokens);
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
