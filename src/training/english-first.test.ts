/** English first: trained from texts alone, those of clips included, and decoded in two halves. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAudio } from '../audio/audio-file.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { toSrt } from '../decoding/formats/subtitles.ts';
import { Whisper } from '../decoding/whisper.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { WhisperModel } from '../whisper/model.ts';
import { quantize } from '../whisper/quantize.ts';
import type { Example } from './batches.ts';
import type { Recipe } from './recipe.ts';
import { recipeClips, trainingData } from './recipe-data.ts';
import { parseRecipe } from './recipe-file.ts';
import { train } from './train-recipe.ts';

const scratch = mkdtempSync(join(tmpdir(), 'english-first-'));
const manifest = join(scratch, 'clips.tsv');
const texts = join(scratch, 'texts.tsv');
const samples = fileURLToPath(new URL('../../samples/tatoeba_en/train', import.meta.url));
const SPOKEN = ['00978.opus', '01528.opus'];
const PAIRS = [
  ['Open the door.', 'Öffne die Tür.'],
  ['Where is the dog?', 'Wo ist der Hund?'],
] as const;

beforeAll(async () => {
  await writeTinyModel(join(scratch, 'model'), { width: 64 });
  // Speech: of noise a text is dropped where the model takes it for silence, which hangs on how a tiny one happens to be trained.
  const speech = await Promise.all(SPOKEN.map((name) => readAudio(join(samples, name))));
  const rows = PAIRS.map(([en, de], i) => {
    writeFileSync(join(scratch, `${i}.wav`), wavBytes(speech[i]!.subarray(0, 16_000)));
    return `${i}.wav\tfr\ttrain\t${en}\t${de}\n`;
  });
  writeFileSync(manifest, `audio\tlang\tset\ttext_en\ttext_de\n${rows.join('')}`);
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

test('the English text and the token of the target language are given, never the speech', async () => {
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
    { window: 0, given: `${prompt} Open the door.<|de|>`, learnt: 'Öffne die Tür.<|endoftext|>' },
    { window: 0, given: `${prompt} Where is the dog?<|de|>`, learnt: 'Wo ist der Hund?<|endoftext|>' },
    { window: 0, given: `${prompt} Good night.<|de|>`, learnt: 'Gute Nacht.<|endoftext|>' },
  ]);
  expect([...skipped]).toEqual([['no reference in "de" ("No German.")', 1]]);
  await model.close();
});

test('a transcript is the English text only where English is spoken; the dev set needs no recordings', async () => {
  const mixed = join(scratch, 'mixed.tsv');
  writeFileSync(
    mixed,
    'audio\tlang\tset\ttext\ttext_en\ttext_de\n' +
      'a.wav\ten\ttrain\tCome in.\t\tKomm herein.\n' +
      'b.wav\tfr\ttrain\tEntrez.\t\tKomm herein.\n' +
      'c.wav\tde\tdev\tWer ist da?\tWho is there?\t\n' +
      '\t\tdev\t\tWho is it?\tWer ist es?\n',
  );
  const recipe = recipeOf({ dev: { set: 'dev', every: 1 } }, [{ manifest: mixed }]);
  const model = await WhisperModel.load(join(scratch, 'model'), { threads: 1 });
  const { examples, skipped, devSet } = await trainingData(model, recipe, await recipeClips(recipe), {});
  const given = (some: readonly Example[]) =>
    some.map(({ tokens, promptLength }) => model.tokens.decode(tokens.slice(4, promptLength - 1)).trim());
  expect(given(examples)).toEqual(['Come in.']);
  expect([...skipped].map(([reason]) => reason)).toEqual(['no English text ("")']);
  expect(given(devSet!.examples)).toEqual(['Who is there?', 'Who is it?']);
  await model.close();
});

test('what is missing for training is said', async () => {
  const french = join(scratch, 'french.tsv');
  writeFileSync(french, 'audio\tlang\ttext\ttext_de\nb.wav\tfr\tEntrez.\tKomm herein.\n');
  const model = await WhisperModel.load(join(scratch, 'model'), { threads: 1 });
  const recipe = recipeOf({}, [{ manifest: french }]);
  await expect(trainingData(model, recipe, await recipeClips(recipe), {})).rejects.toThrow(
    'no clip to train on: no English text; expected a text that fits the decoder in each language it needs',
  );
  await model.close();
});

test.each([
  [{ augment: { speed: [1.1] } }, 'augment'],
  [{ data: { corpora: [{ manifest }], mergeSeconds: 9 } }, 'data.mergeSeconds'],
  [{ tune: { part: 'encoder' } }, 'tune.part'],
  [{ tune: { part: 'all', experts: { languages: ['fr'] } } }, 'tune.part'],
  [{ dev: { set: 'dev', languages: ['fr'] } }, 'dev.languages'],
])('what is about recordings is refused: %j', (values, path) => {
  expect(() => recipeOf(values)).toThrow(
    `${path}: found with english-first, which trains on texts alone, whatever was spoken`,
  );
});

test('the model before the training writes the English half, the trained one the other, quantised too', async () => {
  const optimizer = { steps: 160, batchSize: 3, learningRate: 0.01, warmup: 5 };
  const common = { optimizer, tune: { embedding: 'trained' }, dtype: 'float32' };
  const before = join(scratch, 'into-english');
  const first = { ...common, output: before, target: 'en', prompt: 'source-translate' };
  await train(recipeOf(first, [{ manifest }]));
  await train(recipeOf({ ...common, model: before }));
  const small = join(scratch, 'int8');
  await quantize({ model: join(scratch, 'out'), output: small });
  for (const directory of [join(scratch, 'out'), small]) {
    await using whisper = await Whisper.load(directory, { threads: 1 });
    expect(whisper.target).toBe('de');
    for (const [i, [en, de]] of PAIRS.entries()) {
      const transcript = await whisper.translate(join(scratch, `${i}.wav`), { from: 'fr' });
      const { text, english, segments } = transcript;
      expect({ text, english }).toEqual({ text: de, english: en });
      expect(segments.map((segment) => segment.text)).toEqual([de]);
      expect(toSrt(transcript)).not.toContain(en);
      // As before the training.
      expect((await whisper.translate(join(scratch, `${i}.wav`), { from: 'fr', to: 'en' })).text).toBe(en);
    }
  }
  const [english, original] = [join(scratch, 'out/english'), before].map((folder) =>
    readFileSync(join(folder, 'model.safetensors')),
  );
  expect(english!.equals(original!)).toBe(true);
});
