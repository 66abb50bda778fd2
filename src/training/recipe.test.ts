/** Recipes: files over files, flags over them, one line for each mistake, and the settings in which a resumed run must agree. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, expect, test } from 'vitest';
import { addRecipeFlags, flagLayer, flagOf } from '../cli/recipe-flags.ts';
import { UserError } from '../errors.ts';
import { parseRecipe, readLayers } from './recipe-file.ts';
import { recipeKeys } from './recipe-keys.ts';
import { fileSettings, recipeText, weightSettings } from './recipe-settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'recipes-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, content: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const least = { output: 'out', data: { corpora: [{ manifest: 'clips.tsv' }] } };

/** As `train` reads it, with flags. */
async function read(file: string, flags: string[] = []) {
  const command = addRecipeFlags(new Command()).exitOverride();
  const layers = await readLayers(file);
  return parseRecipe([...layers, flagLayer(command.parse(flags, { from: 'user' }).opts(), layers)]);
}

async function complaint(file: string, flags: string[] = []): Promise<string[]> {
  const error = await read(file, flags).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  return (error as Error).message.replaceAll(`${folder}/`, '').split('\n');
}

test('defaults are filled in, paths are relative to the file', async () => {
  const recipe = await read(write('least.json', { ...least, $schema: 'recipe.schema.json' }));
  expect(recipe).toMatchObject({
    output: join(folder, 'out'),
    data: { corpora: [{ manifest: join(folder, 'clips.tsv') }], window: 'fit', cache: 'out/cache' },
    prompt: 'target-transcribe',
    tune: { part: 'decoder', embedding: 'frozen' },
    optimizer: { steps: 200, batchSize: 16, seed: 1 },
  });
  expect(recipe.dev).toBeUndefined();
});

test.each<[string, unknown, string[]]>([
  [
    'a word for a number',
    { ...least, optimizer: { steps: 'x' } },
    ['bad.json: optimizer.steps: found "x"; expected a whole number from 1'],
  ],
  [
    'several mistakes: a line each',
    { ...least, optimizer: { learningRate: 0, batchSize: 2.5 }, objective: { labelSmoothing: 1 } },
    [
      'bad.json: objective.labelSmoothing: found 1; expected a number from 0 below 1',
      'bad.json: optimizer.batchSize: found 2.5; expected a whole number from 1',
      'bad.json: optimizer.learningRate: found 0; expected a number above 0',
    ],
  ],
  [
    'an unknown key, and the one that was meant',
    { ...least, dev: { set: 'dev', clip: 3 } },
    [
      'bad.json: dev.clip: unknown key; expected one of set, languages, every, clips, patience, best, keep; did you mean "clips"?',
    ],
  ],
  [
    'an unknown key in a list',
    { ...least, data: { corpora: [{ manifest: 'a', folder: 'b' }] } },
    [
      'bad.json: data.corpora.0.folder: unknown key; expected one of manifest, dataset, layout, limit, minSeconds, maxSeconds, onePerSentence, clips, sentences, columns, set, language, target, weight',
    ],
  ],
  [
    'a prompt that there is not',
    { ...least, prompt: 'translate' },
    [
      'bad.json: prompt: found "translate"; expected one of target-transcribe, target-translate, source-translate, english-first',
    ],
  ],
  [
    'a section that is none',
    { ...least, tune: 'all' },
    [
      'bad.json: tune: found "all"; expected an object with keys among part, embedding, lora, experts, quantization, decoderLayers',
    ],
  ],
  [
    'no data',
    { output: 'out' },
    [
      'bad.json: data: found nothing; expected an object with keys among corpora, temperature, window, mergeSeconds, timestamps, maxPadding, cache, cacheDtype, cacheLimit',
    ],
  ],
  [
    'no corpus',
    { output: 'out', data: { corpora: [] } },
    [
      'bad.json: data.corpora: found []; expected a list, each an object with keys among manifest, dataset, layout, limit, minSeconds, maxSeconds, onePerSentence, clips, sentences, columns, set, language, target, weight',
    ],
  ],
  [
    'either of two kinds',
    { ...least, targetVocabulary: 3 },
    ['bad.json: targetVocabulary: found 3; expected true or a path'],
  ],
  [
    'values of an object of languages',
    { ...least, objective: { languageWeights: { fr: { from: 1, to: -1 } } } },
    ['bad.json: objective.languageWeights.fr.to: found -1; expected a number above 0'],
  ],
  [
    'a dev set that is trained on',
    { output: 'out', data: { corpora: [{ manifest: 'a', set: 'dev' }] }, dev: { set: 'dev' } },
    [`bad.json: dev.set: found "dev", which is trained on; expected another set than the corpora's`],
  ],
  [
    'adapters with a trained embedding',
    { ...least, tune: { lora: {}, embedding: 'trained' } },
    ['bad.json: tune.embedding: found "trained"; expected "frozen" with adapters (lora)'],
  ],
  [
    'a token of two kinds',
    { ...least, targetToken: { as: 'cy', mean: ['cy'] } },
    ['bad.json: targetToken: found both or neither; expected one of as and mean'],
  ],
  [
    'a token of the target where the prompt has none',
    { ...least, targetToken: { as: 'cy' }, prompt: 'source-translate' },
    ['bad.json: targetToken: found with the prompt source-translate, which does not name the target'],
  ],
  [
    'experts of two languages in a run',
    { ...least, tune: { experts: { languages: ['fr', 'de'] } } },
    [
      'bad.json: tune.experts.languages: found 2; expected one: experts do not touch each other, and the output of a run can be the model of the next',
    ],
  ],
  [
    'a rounding before that of int8',
    { ...least, tune: { quantization: {} } },
    [
      'bad.json: dtype: found "float16"; expected "float32" with quantization: another rounding would come first',
    ],
  ],
  ['a list', '[1]', ['bad.json: found [1]; expected a JSON object, a recipe']],
  ['no JSON', '{\n "output": "out",\n}', [expect.stringMatching(/^bad\.json:3: not JSON /) as never]],
  [
    'a name that is no key of an object',
    '{"output": "out", "data": {"corpora": [{"manifest": "a"}]}, "__proto__": {"output": "out"}}',
    [expect.stringMatching(/^bad\.json: __proto__: unknown key/) as never],
  ],
])('%s is refused', async (_, content, lines) => {
  expect(await complaint(write('bad.json', content))).toEqual(lines);
});

test('a recipe extends another: keys that it lacks are inherited, null removes, lists are replaced', async () => {
  mkdirSync(join(folder, 'sub'), { recursive: true });
  write('base.json', {
    ...least,
    dev: { set: 'dev', every: 7 },
    tune: { lora: { rank: 4, projections: ['q_proj'] } },
  });
  write('sub/middle.json', { extends: '../base.json', tune: { lora: { projections: ['v_proj', 'fc1'] } } });
  const file = write('sub/top.json', { extends: 'middle.json', output: 'own', dev: null });
  const recipe = await read(file);
  expect(recipe.dev).toBeUndefined();
  expect(recipe.tune.lora).toEqual({ rank: 4, projections: ['v_proj', 'fc1'] });
  expect(recipe.output).toBe(join(folder, 'sub/own'));
  expect(recipe.data.corpora[0]!.manifest).toBe(join(folder, 'clips.tsv'));
  // A mistake is named where it stands.
  write('sub/middle.json', { extends: '../base.json', optimizer: { steps: 0 } });
  expect(await complaint(file)).toEqual([
    'sub/middle.json: optimizer.steps: found 0; expected a whole number from 1',
  ]);
  write('base.json', { extends: 'sub/top.json' });
  expect(await complaint(file)).toEqual([
    'sub/top.json: extends sub/middle.json, which extends base.json, which extends sub/top.json: a circle; expected an end',
  ]);
});

test('former keys and values are read, in files and as flags', async () => {
  const former = { data: { ...least.data, mostPadding: 0.2 }, tune: { embedding: 'dense' } };
  const { data, tune } = await read(write('former.json', { ...least, ...former }));
  expect([data.maxPadding, tune.embedding]).toEqual([0.2, 'trained']);
  const flag = await read(write('least.json', least), ['--embedding', 'dense']);
  expect(flag.tune.embedding).toBe('trained');
});

test('flags beat the recipe: by path or by their short name, in any form', async () => {
  const file = write('flags.json', { ...least, optimizer: { steps: 5, batchSize: 4 } });
  const flags =
    '--steps 7 --optimizer.clipNorm 0.5 --learning-rate 1e-5 --lora --lora-projections q_proj,fc1 --set train ' +
    '--language en --target-vocabulary --augment.speed 0.9,1.1 --augment.noise.folder n --augment.noise.snr 0,9 ' +
    '--optimizer.recompute true --prompt-kind source-translate --output elsewhere --tune.experts.languages fr';
  const weights = '{"fr":{"from":1,"to":2}}';
  const recipe = await read(file, [...flags.split(' '), '--objective.languageWeights', weights]);
  expect(recipe).toMatchObject({
    output: 'elsewhere',
    prompt: 'source-translate',
    targetVocabulary: true,
    data: { corpora: [{ manifest: join(folder, 'clips.tsv'), set: 'train', language: 'en' }] },
    optimizer: { steps: 7, batchSize: 4, clipNorm: 0.5, learningRate: 1e-5, recompute: true },
    tune: { lora: { rank: 32, projections: ['q_proj', 'fc1'] }, experts: { languages: ['fr'] } },
    augment: { speed: [0.9, 1.1], noise: { folder: 'n', snr: [0, 9] } },
    objective: { languageWeights: JSON.parse(weights) },
  });
  expect(await complaint(file, ['--steps', 'many', '--dev.every', '9', '--lora', '0'])).toEqual([
    '--lora: found 0; expected a whole number from 1',
    '--steps: found "many"; expected a whole number from 1',
    'flags.json: dev.set: found nothing; expected text',
  ]);
});

test('every value has a flag of its own and one by its path; old names are hidden', () => {
  const command = addRecipeFlags(new Command());
  const long = command.options.map(({ long }) => long);
  expect(new Set(long).size).toBe(long.length);
  const values = recipeKeys().filter(({ path }) => path !== '$schema');
  const names = values.flatMap(({ path }) => [flagOf(path.split('.')), `--${path}`]);
  expect(new Set(long)).toEqual(new Set([...names, '--set', '--from', '--language']));
  const visible = command.options.filter(({ hidden }) => !hidden);
  expect(visible.map(({ long }) => long)).toEqual(['--output', '--to', '--set', '--from']);
});

test('settings of a run: every value that the weights depend on, by path; not where files lie', async () => {
  const file = write('settings.json', { ...least, tune: { lora: { rank: 4 } }, dev: { set: 'dev' } });
  const settings = weightSettings(await read(file, ['--to', 'de']));
  expect(settings).toMatchObject({
    'optimizer.steps': 200,
    'optimizer.clipNorm': 1,
    'tune.lora.rank': 4,
    'tune.lora.projections.1': 'v_proj',
    'dev.set': 'dev',
    'data.window': 'fit',
    target: 'de',
  });
  expect(
    weightSettings(
      await read(
        file,
        '--target de --output b --cache c --dtype float32 --optimizer.recompute true'.split(' '),
      ),
    ),
  ).toEqual(settings);
  expect(weightSettings(await read(file, ['--to', 'de', '--optimizer.weightDecay', '0']))).not.toEqual(
    settings,
  );
});

test('settings of a run: what is in the files that it names, wherever they lie', async () => {
  for (const teacher of ['one', 'two']) {
    mkdirSync(join(folder, teacher));
    write(`${teacher}/config.json`, '{"a":1}');
    write(`${teacher}/extra.txt`, 'of the same size');
  }
  const file = write('teacher.json', { ...least, objective: { distillation: { teacher: 'one' } } });
  const settings = async (...flags: string[]) => fileSettings(await read(file, flags));
  const first = await settings();
  expect(Object.keys(first)).toEqual(['objective.distillation.teacher']);
  const two = ['--objective.distillation.teacher', join(folder, 'two')];
  expect(await settings(...two)).toEqual(first);
  write('two/config.json', '{"a":2}');
  expect(await settings(...two)).not.toEqual(first);
  await expect(settings('--objective.distillation.teacher', 'nowhere')).rejects.toThrow(
    /^nowhere: found no such file; expected what the recipe has as objective\.distillation\.teacher$/,
  );
});

test('the kept recipe, read from its folder, is the one that was run', async () => {
  const file = write('kept.json', { ...least, output: 'runs/a', targetVocabulary: 'words.txt' });
  const recipe = await read(file, ['--steps', '9']);
  mkdirSync(recipe.output, { recursive: true });
  const kept = join(recipe.output, 'recipe.json');
  writeFileSync(kept, recipeText(recipe));
  expect(JSON.parse(readFileSync(kept, 'utf8')).output).toBe('.');
  expect(await read(kept, ['--output', 'b'])).toEqual({
    ...recipe,
    output: 'b',
    data: { ...recipe.data, cache: join(recipe.output, JSON.parse(recipeText(recipe)).data.cache) },
  });
});

test('the kept recipe names models of the hub with their commits, and so names them when it is read again', async () => {
  const commit = 'c'.repeat(40);
  const snapshot = (name: string) => join(folder, `hub/models--acme--${name}/snapshots/${commit}`);
  const file = write('hub.json', {
    ...least,
    model: snapshot('base'),
    objective: { distillation: { teacher: snapshot('teacher'), weight: 0.5 } },
  });
  const kept = JSON.parse(recipeText(await read(file)));
  expect([kept.model, kept.objective.distillation.teacher]).toEqual([
    `acme/base@${commit}`,
    `acme/teacher@${commit}`,
  ]);
  expect((await read(write('again.json', { ...least, model: kept.model }))).model).toBe(kept.model);
});
