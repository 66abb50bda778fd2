/** What fusion adds along a text must be what the formula gives for the whole. */
import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readArpa } from '../language-model/arpa-read.ts';
import { writeArpa } from '../language-model/arpa-write.ts';
import { CausalLanguageModel } from '../language-model/causal.ts';
import { NgramCounter } from '../language-model/count.ts';
import { smooth } from '../language-model/kneser-ney.ts';
import type { LanguageModel } from '../language-model/model.ts';
import { sentenceScorer } from '../language-model/scorer.ts';
import { languageModelWords } from '../language-model/words.ts';
import { Tokens } from '../whisper/tokens.ts';
import { LanguageModelFusion } from './language-model-fusion.ts';
import { emptyText, type Hypothesis } from './search.ts';

const tokens = new Tokens(
  'tokenizer.json',
  JSON.parse(readFileSync(new URL('../../models/whisper-base-int8/tokenizer.json', import.meta.url), 'utf8')),
);
let folder: string;
let english: LanguageModel;
let chinese: LanguageModel;

async function trained(name: string, sentences: string[], language: string): Promise<LanguageModel> {
  const counter = new NgramCounter(3);
  for (const sentence of sentences) counter.add(languageModelWords(sentence, language));
  const file = join(folder, name);
  await writeArpa(file, counter, smooth(counter), () => {});
  return readArpa(file);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fusion-'));
  const en = ['the balloon lands in the water', 'click on the right color', 'the water is cold'];
  english = await trained('en.arpa', [...en, ...en], 'en');
  chinese = await trained('zh.arpa', ['气球落在水里', '单击正确的颜色', '水很冷'], 'zh');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The sum of what is added when `ids` are chosen one after the other, and then the end. */
async function along(fusion: LanguageModelFusion, ids: readonly number[]): Promise<number> {
  let text: Hypothesis = emptyText;
  let total = 0;
  for (const token of [...ids, tokens.endOfText]) {
    await fusion.prepare([text]);
    const { tokens: order, bonuses } = fusion.apply(text, {
      tokens: [token, 11],
      logProbabilities: [-1, -1],
      allowedLogMass: 0,
    });
    total += bonuses![order.indexOf(token)]!;
    text = { ...text, tokens: [...text.tokens, token] };
  }
  return total;
}

test.each([
  ['en', ' The balloon lands in the water.'],
  ['en', ' Multiplication is unheard of, really'],
  ['zh', '气球落在水里。'],
  ['zh', ''],
])('in %s the bonuses of "%s" add up to α · log P + β · words', async (language, text) => {
  const model = language === 'en' ? english : chinese;
  const [alpha, beta] = [0.7, 0.4];
  const fusion = new LanguageModelFusion(sentenceScorer(model, language), tokens, { alpha, beta, language });
  const words = languageModelWords(text, language);
  const whole = model.sentence(words).reduce((sum, value) => sum + value, 0) * Math.LN10;
  expect(await along(fusion, tokens.encode(text))).toBeCloseTo(alpha * whole + beta * words.length, 5);
});

test.each([
  ['en', ' The water is cold.', false, 'The water is cold.', 4],
  ['en', ' The water is cold.', true, 'the water is cold', 4],
  ['zh', '水很冷。', false, '水很冷。', 3],
  ['zh', '水很冷。', true, '水很冷', 3],
])('in %s the bonuses of "%s", normalised for a causal model: %s', async (language, text, normalized, read, words) => {
  const golden = fileURLToPath(new URL('../language-model/golden/tiny-gpt2', import.meta.url));
  const own = join(folder, 'gpt2');
  await cp(golden, own, { recursive: true });
  const config = JSON.parse(readFileSync(join(golden, 'config.json'), 'utf8'));
  await writeFile(join(own, 'config.json'), JSON.stringify({ ...config, normalized_text: normalized }));
  const gpt2 = await CausalLanguageModel.load(own);
  try {
    const [alpha, beta] = [0.7, 0.4];
    const fusion = new LanguageModelFusion(sentenceScorer(gpt2, language), tokens, { alpha, beta, language });
    const [whole] = await gpt2.score([read]);
    const found = await along(fusion, tokens.encode(text));
    expect(found).toBeCloseTo(alpha * whole!.ended + beta * words, 4);
  } finally {
    await gpt2.close();
  }
});

test('a likelier word moves up, from the fourth token on', async () => {
  const fusion = new LanguageModelFusion(sentenceScorer(english, 'en'), tokens, {
    alpha: 2,
    beta: 0,
    language: 'en',
  });
  const [fire] = tokens.encode(' fire');
  const [water] = tokens.encode(' water');
  const [full] = tokens.encode('.');
  const after = async (text: string, next: number) => {
    const hypothesis = { ...emptyText, tokens: [...tokens.encode(text), next] };
    await fusion.prepare([hypothesis]);
    const candidates = {
      tokens: [full!, tokens.endOfText],
      logProbabilities: [-1, -1.5],
      allowedLogMass: 0,
    };
    return fusion.apply(hypothesis, candidates).bonuses!;
  };
  const lost = async (next: number) => Math.min(...(await after(' the balloon lands in the', next)));
  expect(await lost(water!)).toBeGreaterThan(await lost(fire!));
  expect((await after('', water!))[0]).toBe(0);
});
