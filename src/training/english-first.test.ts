/** English first: labels, training with text alone beside speech, and texts decoded in two halves. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wavBytes } from '../audio/wav-write.ts';
import { toSrt } from '../decoding/formats/subtitles.ts';
import { Whisper } from '../decoding/whisper.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { Recipe } from './recipe.ts';
import { recipeClips, trainingData } from './recipe-data.ts';
import { parseRecipe } from './recipe-file.ts';
import { train } from './train-recipe.ts';

const scratch = mkdtempSync(join(tmpdir(), 'english-first-'));
const manifest = join(scratch, 'clips.tsv');
const texts = join(scratch, 'texts.tsv');
const PAIRS = [
  ['Open the door.', 'Öffne die Tür.'],
  ['Where is the dog?', 'Wo ist der Hund?'],
] as const;

beforeAll(async () => {
  await writeTinyModel(join(scratch, 'model'), { width: 64 });
  const rows = PAIRS.map(([en, de], i) => {
    writeFileSync(join(scratch, `${i}.wav`), wavBytes(pseudo(16_000, i, 0.6)));
    return `${i}.wav\ten\ttrain\t${en}\t${de}\n`;
  });
  writeFileSync(manifest, `audio\tlang\tset\ttext\ttext_de\n${rows.join('')}`);
  writeFileSync(texts, 'text_en\ttext_de\nGood night.\tGute Nacht.\nNo German.\t\n');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const recipeOf = (values: object = {}, corpora: object[] = [{ manifest }, { manifest: texts }]): Recipe =>
  parseRecipe([
    {
      values: {
        model: join(scratch, 'model'),
        output: join(scratch, 'out'),
        target: 'de',
        prompt: 'english-first',
        data: { corpora, cache: join(scratch, 'cache') },
        ...values,
      },
      label: (path) => path.join('.'),
    },
  ]);

test('labels: the English text, the token of the target language, the text in it; of text alone only the last', async () => {
  const model = await WhisperModel.load(join(scratch, 'model'), { threads: 1 });
  const { tokens } = model;
  const recipe = recipeOf();
  const { examples, skipped } = await trainingData(model, recipe, await recipeClips(recipe), {});
  const written = examples.map(({ tokens: ids, promptLength, clip }) => ({
    window: clip.window,
    given: tokens.decodeEach(ids.slice(0, promptLength)).join(''),
    learnt: tokens.decodeEach(ids.slice(promptLength)).join(''),
  }));
  const prompt = '<|startoftranscript|><|en|><|translate|><|notimestamps|>';
  expect(written).toEqual([
    { window: 160, given: prompt, learnt: ' Open the door.<|de|>Öffne die Tür.<|endoftext|>' },
    { window: 160, given: prompt, learnt: ' Where is the dog?<|de|>Wo ist der Hund?<|endoftext|>' },
    { window: 0, given: `${prompt} Good night.<|de|>`, learnt: 'Gute Nacht.<|endoftext|>' },
  ]);
  expect([...skipped]).toEqual([['no reference in "de" ("No German.")', 1]]);
  await model.close();
});

test('a model trained so gives both texts, and only that in the target language as the text', async () => {
  const recipe = recipeOf({
    optimizer: { steps: 100, batchSize: 3, learningRate: 0.01, warmup: 5 },
    tune: { embedding: 'trained' },
    dtype: 'float32',
  });
  await train(recipe);
  await using whisper = await Whisper.load(join(scratch, 'out'), { threads: 1 });
  expect(whisper.target).toBe('de');
  for (const [i, [en, de]] of PAIRS.entries()) {
    const transcript = await whisper.translate(join(scratch, `${i}.wav`), { from: 'en' });
    const { text, english, segments } = transcript;
    expect({ text, english }).toEqual({ text: de, english: en });
    expect(segments.map((segment) => [segment.text, segment.english])).toEqual([[de, ` ${en}`]]);
    expect(toSrt(transcript)).not.toContain(en);
  }
});
