/** Any target is evaluated with the metrics of its script, on a tiny model whose outputs are chance. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wavBytes } from '../audio/wav-write.ts';
import { type Clip, referenceIn } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import type { PromptKind } from '../whisper/prompts.ts';
import { evaluateModels } from './evaluate.ts';
import { defaultTarget } from './models.ts';
import { evaluationReport } from './page.ts';
import { worstSentences } from './worst.ts';

const scratch = mkdtempSync(join(tmpdir(), 'evaluation-targets-'));
const manifest = join(scratch, 'clips.tsv');
const model = join(scratch, 'model');
let clips: Clip[];

beforeAll(async () => {
  await writeTinyModel(model);
  for (const i of [0, 1]) writeFileSync(join(scratch, `${i}.wav`), wavBytes(pseudo(8000, i, 0.6)));
  writeFileSync(
    manifest,
    'audio\tlang\ttext\ttext_de\ttext_ja\ttext_th\ttext_zh-Hant\n' +
      '0.wav\tfr\tBonjour.\tGuten Tag.\t電車で行く。\tสวัสดี\t電車\n' +
      '1.wav\tfr\tMerci.\tDanke.\tありがとう。\tขอบคุณ\t謝謝\n',
  );
  clips = await readManifest(manifest);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const decoding = { settings: {}, choice: { maxTokens: 4 }, written: 'en' };
const run = (target: string, promptKinds?: readonly PromptKind[], of = clips) =>
  evaluateModels({
    version: '0',
    manifest,
    selection: { set: null, language: null },
    clips: of,
    task: 'translate',
    target,
    promptKinds,
    models: [model],
    forgetting: false,
    window: 'fit',
    cache: join(scratch, 'cache'),
    output: join(scratch, target),
    resume: false,
    decoding,
    plainDecoding: decoding,
    resampling: { test: 'bootstrap', samples: 2, seed: 1 },
    onNote: () => {},
  });

test.each([
  ['de', 'German', 'tok:13a', 'share of outputs not in de, by its script and'],
  ['ja', 'Japanese', 'tok:ja-mecab-0.996-IPA', 'share of outputs not in the script of ja'],
  ['th', 'Thai', 'tok:char', 'share of outputs not in the script of th'],
  ['zh', 'Chinese', 'tok:zh', 'share of outputs not in the script of zh, in Simplified characters'],
  ['zh-Hant', 'Traditional Chinese', 'tok:zh', 'not in the script of zh-Hant, in Traditional characters'],
])('into %s: tokenizer, off-target rate and page are those of %s', async (target, name, tokenizer, offTarget) => {
  const { results, outputs } = await run(target);
  const { scores } = results.rows[0]!;
  expect(scores.bleu!.signature).toContain(tokenizer);
  expect(scores['off-target']!.signature).toContain(offTarget);
  expect(scores.chrf!.score).toBeGreaterThanOrEqual(0);
  const page = evaluationReport(results, await worstSentences(outputs, 1));
  expect(page).toContain(`<h1>Speech translation into ${name}</h1>`);
  expect(page).toContain(`<dd lang="${target}"><bdi>${referenceIn(clips[0]!, target).slice(0, 2)}`);
});

test('English first: the English half is scored for itself, on the clips that have an English text', async () => {
  const [first, second] = clips;
  const english = [{ ...first!, translations: { ...first!.translations, en: 'Good day.' } }, second!];
  const { results, outputs } = await run('de', ['english-first', 'target-transcribe'], english);
  expect(results.rows.map(({ test, prompt, n }) => [test, prompt, n])).toEqual([
    ['translation into de', 'english-first', 2],
    ['translation into de', 'target-transcribe', 2],
    ['English half', 'english-first', 1],
  ]);
  const [both, direct] = outputs.map(({ predictions }) => [...predictions]);
  for (const { english, hypothesis } of both!) expect(english).not.toBe(hypothesis);
  for (const { english } of direct!) expect(english).toBeUndefined();
  const page = evaluationReport(results, await worstSentences(outputs, 1));
  expect(page.includes('The English half')).toBe(true);
});

test('without a target: the only language that there is, or the columns are listed', async () => {
  await expect(defaultTarget(manifest, clips, [model])).rejects.toThrow(
    /clips\.tsv has the columns text_de, text_ja, text_th, text_zh-Hant$/,
  );
  const german = clips.map((clip) => ({ ...clip, translations: { de: clip.translations.de! } }));
  expect(await defaultTarget(manifest, german, [model])).toBe('de');
});

test('a target without references is refused with the columns that there are', async () => {
  await expect(run('ko')).rejects.toThrow(/found no text in "ko" \(column text_ko\) .* it has the columns/);
  await expect(run('fr')).rejects.toThrow(/found only clips in "fr" itself/);
});
