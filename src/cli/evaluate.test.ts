/** Small real evaluations: the embedded model, and the same after a step of training, on a few sentences. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { readManifest } from '../data/manifest.ts';
import { encodeFiles } from '../features/encoded-clips.ts';
import { defaultTraining } from '../training/choices.ts';
import { translationExamples } from '../training/examples.ts';
import { saveModel } from '../training/save.ts';
import { trainDecoder } from '../training/train.ts';
import { WhisperModel } from '../whisper/model.ts';
import { embeddedSamples } from './embedded.ts';
import { evaluateCommand } from './evaluate.ts';

const folder = mkdtempSync(join(tmpdir(), 'evaluate-'));
const manifest = join(folder, 'manifest.tsv');
const trained = join(folder, 'trained');
const output = join(folder, 'output');
const printed: string[] = [];
const said: string[] = [];
vi.spyOn(console, 'log').mockImplementation((line) => printed.push(String(line)));
vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
afterAll(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** Two sentences in English, French, and French again as a language that Whisper has no token for; a broken file. */
beforeAll(async () => {
  const clips = (await readManifest(join(embeddedSamples, 'manifest.tsv'))).filter(
    ({ set }) => set === 'new',
  );
  const two = (language: string) => clips.filter((clip) => clip.language === language).slice(0, 2);
  const rows = [...two('en'), ...two('fr'), ...two('fr').map((clip) => ({ ...clip, language: 'kea' }))].map(
    ({ audio, language, key, text, translations: { en = '', zh = '' } }) => [
      audio,
      language,
      'new',
      key,
      en,
      text,
      zh,
    ],
  );
  writeFileSync(join(folder, 'broken.ogg'), 'no audio');
  rows.push(['broken.ogg', 'fr', 'new', 'k', 'Good day.', 'Bonjour.', '你好。']);
  rows.push([two('en')[0]!.audio, 'en', 'bare', 'k', '', '', '']);
  writeFileSync(
    manifest,
    `${['audio\tlang\tset\tkey\ten\tsource_text\tzh', ...rows.map((row) => row.join('\t'))].join('\n')}\n`,
  );
  const model = await WhisperModel.load(embeddedModel);
  const chosen = two('en');
  const files = chosen.map(({ audio }) => audio);
  const encoded = await encodeFiles(model, files, { window: 'fit', cache: join(folder, 'cache') });
  const pairs = chosen.map((clip, i) => ({ clip, encoded: encoded[i]! }));
  const examples = translationExamples(model, pairs, {
    target: 'zh',
    promptOf: () => model.tokens.prompt('zh', 'translate'),
  });
  await trainDecoder(model, examples, { ...defaultTraining, steps: 1, batchSize: 1, warmupSteps: 1 });
  await saveModel(model, trained, { prompt: { target: 'zh', kind: 'target-translate' }, dtype: 'float16' });
  await model.close();
});

const evaluate = (...options: string[]) =>
  evaluateCommand(new Command('evaluate'))
    .exitOverride()
    .parseAsync(
      [manifest, '--set', 'new', '--cache', join(folder, 'cache'), '--max-tokens', '24', ...options],
      { from: 'user' },
    );
const read = (name: string, from = output) => readFileSync(join(from, name), 'utf8');
const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('two models: every number with its interval, and against the first model; an unreadable clip is reported', async () => {
  const run = evaluate('--model', embeddedModel, '--model', trained, '--forgetting', '--output-dir', output);
  await expect(run).rejects.toThrow('1 of 5 files could not be used');
  const { rows, models, unreadable, signatures } = JSON.parse(read('scores.json'));

  // The untrained model gets the prompt that the other one was trained with.
  expect(models.map((model: { name: string }) => model.name)).toEqual(['whisper-base-int8', 'trained']);
  expect(new Set(rows.filter((row: Row) => !row.forgetting).map((row: Row) => row.prompt))).toEqual(
    new Set(['target-translate']),
  );
  const row = (model: string, language: string, name = 'translation into zh'): Row =>
    rows.find((one: Row) => one.model === model && one.language === language && one.test === name);
  for (const [language, n] of [
    ['en', 2],
    ['fr', 2],
    ['kea', 2],
    ['average', 6],
  ] as const) {
    const { scores, n: count } = row('trained', language);
    expect(count).toBe(n);
    expect(Object.keys(scores)).toEqual(['bleu', 'chrf', 'chrf++', 'ter', 'off-target', 'hallucination']);
    for (const { score, interval, comparison } of Object.values(scores)) {
      expect(interval.low).toBeLessThanOrEqual(score);
      expect(interval.high).toBeGreaterThanOrEqual(score);
      expect(comparison!.pValue).toBeGreaterThan(0);
    }
    expect(row('whisper-base-int8', language).scores.chrf!.comparison).toBeUndefined();
  }
  const mean = ['en', 'fr', 'kea'].reduce(
    (sum, code) => sum + row('trained', code).scores.chrf!.score / 3,
    0,
  );
  expect(row('trained', 'average').scores.chrf!.score).toBeCloseTo(mean, 8);
  expect(signatures['translation into zh'].bleu[0]).toMatch(/tok:zh.*in Simplified characters/);

  // Forgetting: one encoder, so the very same retrieval; English is recognised; French, not kea, has Whisper's prompt.
  expect(models[0].encoderFingerprint).not.toBe(undefined);
  expect(row('trained', 'en', 'recognition').scores.wer!.score).toBeLessThan(60);
  expect(row('trained', 'fr', 'translation into en').scores.bleu!.score).toBeGreaterThan(0);
  expect(row('trained', 'kea', 'translation into en').notDefined).toContain('no token');
  expect(row('trained', 'average', 'retrieval').n).toBe(12);
  expect(unreadable).toEqual([{ audio: 'broken.ogg', error: expect.stringContaining('broken.ogg') }]);

  const predictions = lines(read('predictions.jsonl'));
  expect(predictions.filter(({ error }) => error)).toHaveLength(4); // in two tests of two models
  expect(predictions.find(({ model, language }) => model === 'trained' && language === 'fr')).toMatchObject({
    test: 'translation into zh',
    promptTokens: '<|startoftranscript|><|zh|><|translate|><|notimestamps|>',
    key: expect.any(String),
    reference: expect.stringMatching(/\p{Script=Han}/u),
    sourceText: expect.any(String),
    hypothesis: expect.any(String),
    chrf: expect.any(Number),
    bleu: expect.any(Number),
    averageLogProbability: expect.any(Number),
  });
  expect(printed.join('')).toContain('Difference from whisper-base-int8 and p-value');
  expect(read('table.md')).toContain('| average (3 languages) | 6 |');
  expect(read('table.csv').split('\n')[0]).toBe(
    'model,prompt,language,n,BLEU,BLEU low,BLEU high,chrF,chrF low,chrF high,chrF++,chrF++ low,chrF++ high,' +
      'TER,TER low,TER high,off-target,off-target low,off-target high,halluc.,halluc. low,halluc. high',
  );
  expect(read('table.tex')).toContain('\\begin{tabular}{lllrrrrrrr}');
  expect(read('forgetting.csv')).toContain('"recognition, WER",en,trained,2,');
  expect(read('comet/trained.target-translate.txt').split('\n')).toHaveLength(7);

  const page = read('report.html');
  expect(page).not.toMatch(/https?:|<script|<link|\son[a-z]+=|\sstyle=/i);
  expect(page.match(/<audio /g)).toHaveLength(6);
  expect(page).toContain('class="interval"');
});

test('resumes where it was stopped: stored predictions are reused, a cut-off one is decoded again', async () => {
  const [first, ...rest] = read('predictions.jsonl').trim().split('\n');
  const kept = rest.slice(0, 4);
  const marked = JSON.stringify({ ...JSON.parse(first!), hypothesis: '一' });
  writeFileSync(join(output, 'predictions.jsonl'), `${[marked, ...kept].join('\n')}\n{"test":"transl`);
  const options = [
    '--model',
    embeddedModel,
    '--to',
    'zh',
    '--prompt-kind',
    'target-translate',
    '--output',
    output,
  ];
  await expect(evaluate(...options, '--resume', '--tokenize', 'char')).rejects.toThrow('1 of 5 files');
  expect(JSON.parse(read('scores.json')).signatures['translation into zh'].bleu[0]).toContain('|tok:char|');
  await expect(evaluate(...options, '--resume')).rejects.toThrow('1 of 5 files');
  expect(JSON.parse(read('scores.json')).signatures['translation into zh'].bleu[0]).toContain('|tok:zh|');
  const predictions = lines(read('predictions.jsonl'));
  expect(predictions).toHaveLength(7);
  expect(predictions[0]).toMatchObject({ hypothesis: '一', chrf: expect.any(Number) });
  // Scores made elsewhere come in beside the others.
  const comet = join(folder, 'comet.txt');
  writeFileSync(comet, '0.5\n0.6\n0.7\n0.8\n0.9\n1.0\n');
  await expect(evaluate(...options, '--resume', '--comet', comet, '--json')).rejects.toThrow('1 of 5 files');
  const english = lines(printed.slice(-4).join('\n'))[0];
  expect(english).toMatchObject({
    language: 'en',
    n: 2,
    comet: { score: 0.55 },
    offTarget: { score: expect.any(Number) },
  });

  appendFileSync(join(output, 'predictions.jsonl'), 'a shopping list\n');
  await expect(evaluate(...options, '--resume')).rejects.toThrow(
    /predictions.jsonl:8: found "a shopping list"/,
  );
});

test('a prompt that needs a token which a language lacks is reported once, and the rest is evaluated', async () => {
  const own = join(folder, 'prompts');
  said.length = 0;
  const kinds = 'source-translate,target-transcribe';
  await expect(evaluate('--target', 'zh', '--prompt-kind', kinds, '--output-dir', own)).rejects.toThrow(
    '1 of 5',
  );
  expect(said.filter((line) => line.includes('"kea"'))).toEqual([
    'note: source-translate is not defined for "kea": whisper-base-int8 has no token for kea\n',
  ]);
  const rows: Row[] = JSON.parse(read('scores.json', own)).rows;
  expect(rows.map(({ prompt, language, n }) => [prompt, language, n])).toEqual([
    ['source-translate', 'en', 2],
    ['target-transcribe', 'en', 2],
    ['source-translate', 'fr', 2],
    ['target-transcribe', 'fr', 2],
    ['source-translate', 'kea', 0],
    ['target-transcribe', 'kea', 2],
    ['source-translate', 'average', 4],
    ['target-transcribe', 'average', 6],
  ]);
  expect(read('table.md', own)).toContain('| source-translate | kea | 0 | not defined |');
});

test('recognition: error rates by the normalizer of each language', async () => {
  const own = join(folder, 'recognition');
  await evaluate('--task', 'transcribe', '--from', 'en', '--output', own);
  const { rows, signatures } = JSON.parse(read('scores.json', own));
  expect(rows).toHaveLength(1);
  expect(Object.keys(rows[0].scores)).toEqual(['wer', 'cer', 'mer', 'off-target', 'hallucination']);
  expect(rows[0].scores.wer.score).toBeLessThan(40);
  expect(signatures.recognition.wer).toEqual([
    "words between blanks, normalised as Whisper's English normalizer",
  ]);
  expect(lines(read('predictions.jsonl', own))[0].wer).toEqual(expect.any(Number));
});

test.each<[string, string[], RegExp]>([
  ['a set that is not there', ['--set', 'nope'], /no clip of language "any" in set "nope"; it has en\/bare/],
  [
    'no reference',
    ['--set', 'bare', '--target', 'en'],
    /found only clips in "en" itself; expected another language to translate from/,
  ],
  [
    'no target',
    [],
    /--to: found nothing; expected the language to translate into; .*manifest\.tsv has the columns text_en, text_zh/,
  ],
  [
    'a target without texts',
    ['--to', 'ja'],
    /found no text in "ja" \(column text_ja\) of these clips; it has the columns text_en, text_zh/,
  ],
  [
    'one model twice',
    ['--to', 'zh', '--model', embeddedModel, '--model', `${embeddedModel}/`],
    /given twice/,
  ],
  ['a folder without model', ['--to', 'zh', '--model', embeddedSamples], /found no config.json/],
  [
    'a prompt for transcripts',
    ['--task', 'transcribe', '--prompt-kind', 'target-transcribe'],
    /--prompt-kind/,
  ],
  [
    'a SentencePiece model that is not there',
    ['--to', 'zh', '--tokenize', 'flores200', '--spm-model', 'nowhere.model'],
    /nowhere\.model: no such file; expected a SentencePiece model/,
  ],
  ['COMET that is not there', ['--to', 'zh', '--comet', 'nowhere.txt'], /nowhere\.txt/],
])('%s is one clear line', async (_, options, message) => {
  await expect(evaluate(...options, '--output-dir', join(folder, 'none'))).rejects.toThrow(message);
});

interface Row {
  test: string;
  forgetting: boolean;
  model: string;
  prompt: string;
  language: string;
  n: number;
  notDefined?: string;
  scores: Record<
    string,
    { score: number; interval: { low: number; high: number }; comparison?: { pValue: number } }
  >;
}
