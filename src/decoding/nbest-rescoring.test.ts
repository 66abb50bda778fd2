/** A language model that rescores chooses by log P_speech + α · log P_lm + β · words among the texts of the search. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readLanguageModel } from '../language-model/read.ts';
import { sentenceScorer } from '../language-model/scorer.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { decode } from './decode.ts';
import { chosenDecoding } from './decoding-choice.ts';

const gpt2 = fileURLToPath(new URL('../language-model/golden/tiny-gpt2', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'rescoring-'));
let model: WhisperModel;
let clips: EncodedClip[];
beforeAll(async () => {
  await writeTinyModel(join(scratch, 'tiny'));
  model = await WhisperModel.load(join(scratch, 'tiny'));
  clips = await model.encode([pseudo(32_000, 3, 0.5), pseudo(20_000, 4, 0.5)], 'fit');
});
afterAll(async () => {
  await model?.close();
  rmSync(scratch, { recursive: true });
});

const decoded = async (languageModel?: { model: string; alpha: number; beta: number; rescore?: boolean }) => {
  const search = { beams: 4, patience: 2, maxTokens: 8, earlyStopping: true };
  const { decoding } = await chosenDecoding(model, { ...search, languageModel }, 'en');
  return decode(model, clips, {
    ...decoding,
    prompts: clips.map(() => model.tokens.prompt('en', 'transcribe')),
  });
};

test('the best of the texts is the one with the highest score of both models', async () => {
  const [alpha, beta] = [2, 1.5];
  const plain = await decoded();
  const rescored = await decoded({ model: gpt2, alpha, beta, rescore: true });
  const scorer = sentenceScorer(await readLanguageModel(gpt2, model.runtime), 'en');
  for (const [i, { text, tokens, score: own, alternatives }] of plain.entries()) {
    const texts = [{ text, tokens, score: own }, ...alternatives];
    expect(texts.length).toBeGreaterThan(2);
    const words = texts.map(({ text }) => scorer.words(text));
    const scores = await scorer.score(words);
    const totals = texts.map(
      ({ score, tokens }, k) =>
        score * (tokens.length + 1) + alpha * scores[k]!.ended + beta * words[k]!.length,
    );
    const best = totals.indexOf(Math.max(...totals));
    expect(rescored[i]!.tokens).toEqual(texts[best]!.tokens);
    expect(rescored[i]!.score).toBeCloseTo(totals[best]!, 5);
    // What is told of the text is told of this one.
    const { logProbabilities, finished } = rescored[i]!;
    expect(logProbabilities).toHaveLength(texts[best]!.tokens.length + Number(finished));
    expect([rescored[i]!, ...rescored[i]!.alternatives].map(({ text }) => text).sort()).toEqual(
      texts.map(({ text }) => text).sort(),
    );
  }
});

test('with no weight it changes nothing in the search, and after it the likeliest text is chosen', async () => {
  const plain = await decoded();
  const found = await decoded({ model: gpt2, alpha: 0, beta: 0, rescore: false });
  expect(found.map(({ text }) => text)).toEqual(plain.map(({ text }) => text));
  const rescored = await decoded({ model: gpt2, alpha: 0, beta: 0, rescore: true });
  for (const [i, { tokens, score, alternatives }] of plain.entries()) {
    const sums = [{ tokens, score }, ...alternatives].map((text) => text.score * (text.tokens.length + 1));
    expect(rescored[i]!.score).toBeCloseTo(Math.max(...sums), 5);
  }
});

test('a causal model in the search is read once for each Whisper model', async () => {
  expect(await readLanguageModel(gpt2, model.runtime)).toBe(await readLanguageModel(gpt2, model.runtime));
  const found = await decoded({ model: gpt2, alpha: 1, beta: 0.5 });
  for (const { score } of found) expect(Number.isFinite(score)).toBe(true);
});

test('a path that is no language model: one line', async () => {
  const missing = decoded({ model: join(scratch, 'none.arpa'), alpha: 1, beta: 1 });
  await expect(missing).rejects.toThrow(/none\.arpa: found no such file/);
  const whisper = decoded({ model: join(scratch, 'tiny'), alpha: 1, beta: 1 });
  await expect(whisper).rejects.toThrow(/tiny: found no \.onnx file/);
});
