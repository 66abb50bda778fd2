/** Weights of a causal language model, tuned on the texts of a search: what rescoring with them then gives. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readLanguageModel } from '../language-model/read.ts';
import { languageModelWords } from '../language-model/words.ts';
import { wordErrorRate } from '../metrics/word-error-rate.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { decode } from './decode.ts';
import { chosenDecoding } from './decoding-choice.ts';
import { tuneFusion } from './tune-fusion.ts';

const gpt2 = fileURLToPath(new URL('../language-model/golden/tiny-gpt2', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tune-'));
let model: WhisperModel;
let encoded: EncodedClip[];
beforeAll(async () => {
  await writeTinyModel(join(scratch, 'tiny'));
  model = await WhisperModel.load(join(scratch, 'tiny'));
  encoded = await model.encode(
    [3, 4, 5].map((seed) => pseudo(24_000, seed, 0.5)),
    'fit',
  );
});
afterAll(async () => {
  await model?.close();
  rmSync(scratch, { recursive: true });
});

const prompt = () => model.tokens.prompt('en', 'transcribe');

/** Texts of the search that tuning makes, and of rescoring after it. */
async function decoded(weights?: { alpha: number; beta: number }) {
  const languageModel = weights && { model: gpt2, ...weights, rescore: true };
  const { decoding } = await chosenDecoding(model, { beams: 3, patience: 2, languageModel }, 'en');
  return decode(model, encoded, { ...decoding, prompts: encoded.map(prompt) });
}

test.each([true, false])('weights for rescoring (%s) give the error rate that is told', async (rescore) => {
  const plain = await decoded();
  const references = plain.map(({ alternatives }) => alternatives[1]!.text);
  const words = (text: string) => languageModelWords(text, 'en').join(' ');
  const rate = (texts: readonly { text: string }[]) =>
    wordErrorRate(
      texts.map(({ text }) => words(text)),
      references.map(words),
    ).rate;
  const clips = encoded.map((clip, i) => ({ encoded: clip, prompt: prompt(), reference: references[i]! }));
  const lm = await readLanguageModel(gpt2, model.runtime);
  const stages = new Set<string>();
  const { baseline, tuned, oracle } = await tuneFusion(model, lm, clips, {
    ...{ language: 'en', beams: 3, trials: 40, seed: 1, rescore },
    onProgress: (stage) => stages.add(stage),
  });
  expect(oracle).toBe(0);
  expect(baseline).toEqual({ alpha: 0, beta: 0, errorRate: rate(plain) });
  expect(baseline.errorRate).toBeGreaterThan(0);
  expect(tuned).toHaveLength(3);
  expect(tuned.map(({ errorRate }) => errorRate)).toEqual(
    tuned.map(({ errorRate }) => errorRate).sort((a, b) => a - b),
  );
  // Fusion decodes again with the best weights.
  expect(stages.size).toBe(rescore ? 1 : 4);
  if (rescore) expect(tuned[0]!.errorRate).toBeCloseTo(rate(await decoded(tuned[0]!)), 12);
});
