/** Training with timestamps (data.timestamps): windows of several clips, a segment for each with the time of its speech. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { referenceIn } from '../data/clip.ts';
import { segmentsOf } from '../decoding/segments.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { type Example, readyExample } from './batches.ts';
import { recipeSchema } from './recipe.ts';
import { recipeClips, trainingData } from './recipe-data.ts';
import { borders, timestampsOf } from './segment-times.ts';

const samples = fileURLToPath(new URL('../../samples/manifest.tsv', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'timestamps-'));
let model: WhisperModel;
beforeAll(async () => {
  await writeTinyModel(join(scratch, 'model'));
  model = await WhisperModel.load(join(scratch, 'model'));
});
afterAll(async () => {
  await model.close();
  rmSync(scratch, { recursive: true });
});

const dataOf = async (data: object, others: object = {}) => {
  const recipe = recipeSchema.parse({
    output: scratch,
    target: 'zh',
    data: { corpora: [{ manifest: samples, set: 'dev', language: 'en' }], cache: 'off', ...data },
    ...others,
  });
  return trainingData(model, recipe, await recipeClips(recipe), {});
};
const written = ({ tokens }: Pick<Example, 'tokens'>) => model.tokens.decodeEach(tokens);
const isTimed = (example: Example): boolean => example.timedTokens !== undefined;
const sourceOf = ({ source }: Example) =>
  source as NonNullable<Example['source']> & { parts: readonly object[] };

test('a window has the texts of its clips between the times of their speech, which decoding reads as it reads Whisper’s', async () => {
  const { examples, notes } = await dataOf({ timestamps: 1 });
  expect(notes.join()).toMatch(/timestamps: 50 clips in 4 windows of at most 29 s/);
  expect(examples).toHaveLength(4);
  const example = examples[0]!;
  const { tokens } = await readyExample(example, 0);
  expect(tokens.length).toBe(example.length);
  expect(written(example).slice(0, example.promptLength)).toEqual([
    '<|startoftranscript|>',
    '<|zh|>',
    '<|transcribe|>',
  ]);
  expect(tokens.at(-1)).toBe(model.tokens.endOfText);
  const { segments } = segmentsOf(tokens.slice(example.promptLength, -1), model.tokens.firstTimestamp, 30);
  const { parts } = sourceOf(example) as unknown as { parts: Parameters<typeof referenceIn>[0][] };
  expect(segments.map(({ tokens }) => model.tokens.decode(tokens))).toEqual(
    parts.map((part) => referenceIn(part, 'zh')),
  );
  // Voice activity moves a border inwards only, and little: these recordings have short silences at their ends.
  for (const [i, { start, end }] of borders(parts).entries()) {
    expect(segments[i]!.start).toBeGreaterThanOrEqual(start - 0.011);
    expect(segments[i]!.start).toBeLessThan(start + 0.6);
    expect(segments[i]!.end).toBeLessThanOrEqual(end + 0.011);
    expect(segments[i]!.end).toBeGreaterThan(end - 0.6);
  }
});

test('a version of another speed has its own times', async () => {
  const lastTime = async (augment?: object) => {
    const { examples } = await dataOf({ timestamps: 1 }, augment && { augment });
    const { tokens } = await readyExample(examples[0]!, 0);
    return tokens.at(-2)! - model.tokens.firstTimestamp;
  };
  expect((await lastTime()) / (await lastTime({ speed: [1.25], copies: 1 }))).toBeCloseTo(1.25, 2);
});

test('a share of the clips, spread over the corpus, is in windows, and each clip once; the others are as they were', async () => {
  const { examples } = await dataOf({ timestamps: 0.5 });
  const timed = examples.filter(isTimed);
  expect(timed).toHaveLength(2);
  const single = examples.filter((example) => !isTimed(example));
  expect(timed.flatMap((example) => sourceOf(example).parts)).toHaveLength(50 - single.length);
  const { examples: usual } = await dataOf({});
  const known = new Map(usual.map((example) => [example.source!.audio, written(example).join('')]));
  for (const example of single) expect(written(example).join('')).toBe(known.get(example.source!.audio));
});

test('without a share, all is as before', async () => {
  const usual = await dataOf({});
  const none = await dataOf({ timestamps: 0 });
  expect(none.examples.some(isTimed)).toBe(false);
  expect(none.examples.map(({ tokens }) => tokens)).toEqual(usual.examples.map(({ tokens }) => tokens));
  expect(none.fingerprints).toEqual(usual.fingerprints);
  // As version 0.2.0 had it.
  expect(usual.fingerprints.clips).toBe('50 (fbd454942da0)');
});

test('times are in steps of 0.02 s up to 30 s, and a segment is not empty', () => {
  const times = (start: number, end: number) =>
    model.tokens.decodeEach(timestampsOf({ start, end }, model.tokens));
  expect(times(0, 1.749)).toEqual(['<|0.00|>', '<|1.74|>']);
  expect(times(1.955, 1.956)).toEqual(['<|1.96|>', '<|1.98|>']);
  expect(times(29.999, 30.4)).toEqual(['<|29.98|>', '<|30.00|>']);
});

test('English first, which has no speech, is refused', () => {
  const data = { corpora: [{ manifest: samples }], timestamps: 0.5 };
  const { error } = recipeSchema.safeParse({ output: scratch, target: 'zh', prompt: 'english-first', data });
  expect(error!.issues[0]!.path).toEqual(['data', 'timestamps']);
});
