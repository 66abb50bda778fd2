// Trains recipes/laptop.json and the recipes in recipes/ablations on the samples, with as many steps each, and evaluates
// what comes out on English that was held out (test) and on new sentences in three languages (new). Goes on where it was
// stopped; a line for each is appended to docs/lab/ablations.jsonl.
//
//     npm run build
//     node scripts/evidence/ablations.mjs [--steps 180] [--forgetting] [name ...]     # such as int8; default: all
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { cli, evaluate, resultsFile, root, train } from './runs.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '180' },
    forgetting: { type: 'boolean', default: false },
    cache: { type: 'string' },
  },
});
const steps = Number(values.steps);
const folder = join(root, 'recipes/ablations');
const out = join(root, 'out', `ablations-${steps}`);
const cache = values.cache ?? join(root, 'out/cache');
const laptop = join(out, 'laptop');
const samples = join(root, 'samples/manifest.tsv');
const results = resultsFile('ablations');

/** What some of the recipes are compared with. */
const CONTROLS = {
  laptop: { recipe: join(root, 'recipes/laptop.json') },
  // As small a student as dq-whisper's, without a teacher.
  'three-layers': { recipe: join(root, 'recipes/laptop.json'), flags: ['--tune.decoderLayers', '3'] },
  // The same French beside the English, whose loss counts as the English one's.
  'french-beside': {
    recipe: join(folder, 'language-weights.json'),
    keys: { objective: null },
  },
  // Rounded afterwards.
  'laptop-int8': { quantize: 'laptop' },
  'three-layers-int8': { quantize: 'three-layers' },
  'dq-whisper-int8': { quantize: 'dq-whisper' },
};
const names = positionals.length > 0 ? positionals : readdirSync(folder).map((file) => basename(file, '.json'));
/** Makes the model, unless it is there. @returns seconds of its training, if it is one */
async function made(name) {
  const { recipe = join(folder, `${name}.json`), flags = [], keys = {}, quantize } = CONTROLS[name] ?? {};
  const model = join(out, name);
  if (quantize) {
    await made(quantize);
    if (!existsSync(join(model, 'config.json'))) cli('quantize', join(out, quantize), model);
    return undefined;
  }
  const own = JSON.parse(readFileSync(recipe, 'utf8'));
  // They are taught by the laptop's model, or begin from it.
  if (own.objective?.distillation || own.model) await made('laptop');
  const { seconds } = await train(model, { extends: relative(out, recipe), ...keys }, [
    ...flags,
    ...(own.objective?.distillation ? ['--objective.distillation.teacher', laptop] : []),
    ...(own.model ? ['--model', laptop] : []),
    ...['--optimizer.steps', String(steps), '--data.cache', cache, '--output', model],
  ]);
  return seconds;
}

for (const name of new Set(['laptop', ...names, ...(positionals.length > 0 ? [] : Object.keys(CONTROLS))])) {
  if (results.find({ run: name, steps, forgetting: values.forgetting })) continue;
  const seconds = await made(name);
  await made('laptop');
  const model = join(out, name);
  const scores = {};
  let machine;
  for (const set of ['test', 'new']) {
    const found = evaluate(samples, join(out, `evaluation-${set}`), {
      ...{ baseline: laptop, model, metrics: ['bleu', 'chrf', 'off-target', 'wer', 'r@1'] },
      flags: ['--set', set, '--cache', cache, ...(values.forgetting ? ['--forgetting'] : [])],
    });
    machine = found.machine;
    scores[set] = found.scores;
  }
  results.add({ run: name, steps, seed: 1, forgetting: values.forgetting, seconds, machine, scores });
}
