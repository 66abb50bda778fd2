// A language's experts (DistilWhisper) against plain tuning and LoRA of as many weights, in as many steps: recognition of
// words of GCompris in French, German and Spanish (real, a reader each), tested on words that were not trained (inside) and on
// synthetic sentences of samples/ (outside). A line for each is appended to docs/lab/experts.jsonl; goes on where it was stopped.
//
//     npm run build
//     node scripts/evidence/experts.mjs <gcompris/manifest.tsv> [--steps 60] [--language fr]... [--only plain]...
//
// Of base, experts in encoder and decoder have 25.3 million weights, the decoder without its embedding 25.2 million, LoRA of
// rank 186 in all projections of both 25.1 million. p-values are against plain tuning of the same language.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readManifest } from '../../dist/data/manifest.js';
import { writeManifest } from '../../dist/data/manifest-write.js';
import { evaluate, openGates, resultsFile, root, train, wordsOf } from './runs.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '60' },
    language: { type: 'string', multiple: true, default: ['fr', 'de', 'es'] },
    only: { type: 'string', multiple: true },
    cache: { type: 'string' },
    threads: { type: 'string' },
  },
});
if (!positionals[0]) throw new Error('expected the manifest of GCompris words');
const steps = Number(values.steps);
const TEST_WORDS = 100;
const out = join(root, 'out/experts');
const cache = values.cache ?? join(root, 'out/cache');
const threads = values.threads ? ['--threads', values.threads] : [];
const ALL = ['q_proj', 'k_proj', 'v_proj', 'out_proj', 'fc1', 'fc2'];
const RUNS = {
  before: undefined,
  plain: { tune: { part: 'decoder' }, learningRate: 7e-5 },
  experts: { tune: { part: 'all', experts: {} }, learningRate: 1e-4 },
  lora: { tune: { part: 'all', lora: { rank: 186, projections: ALL } }, learningRate: 2e-4 },
  'experts, decoder': { tune: { part: 'decoder', experts: {} }, learningRate: 1e-4 },
};

mkdirSync(out, { recursive: true });
const samples = await readManifest(join(root, 'samples/manifest.tsv'));
const all = await readManifest(resolve(positionals[0]));
const results = resultsFile('experts');
for (const language of values.language) {
  const clips = wordsOf(all, language).map((clip, i) => ({ ...clip, set: i < TEST_WORDS ? 'words' : 'train' }));
  const sentences = samples.filter((clip) => clip.set === 'new' && clip.language === language);
  const manifest = join(out, `${language}.tsv`);
  await writeManifest(manifest, [...clips, ...sentences].map(({ translations: _, ...clip }) => clip));
  const folder = (name) => join(out, `${language}-${name.replace(/\W+/g, '-')}-${steps}`);
  const trained = ({ tune, learningRate }, model) =>
    train(
      model,
      {
        target: language,
        data: { corpora: [{ manifest, set: 'train' }], cache },
        tune: tune.experts ? { ...tune, experts: { languages: [language] } } : tune,
        optimizer: { steps, learningRate, warmup: Math.ceil(steps / 10) },
        checkpointEvery: 20,
      },
      threads,
    );
  for (const [name, run] of Object.entries(RUNS)) {
    if (values.only && !values.only.includes(name)) continue;
    if (results.find({ language, run: name, steps })) continue;
    const model = run ? folder(name) : join(root, 'models/whisper-base-int8');
    // A line of the baseline may be here without its model: of another checkout.
    if (run) await trained(RUNS.plain, folder('plain'));
    const told = run && (await trained(run, model));
    const scores = {};
    let machine;
    for (const set of ['words', ...(sentences.length > 0 ? ['new'] : [])]) {
      const found = evaluate(manifest, join(out, `evaluation-${language}-${set}`), {
        ...{ baseline: run ? folder('plain') : undefined, model, metrics: ['wer', 'cer'] },
        flags: ['--task', 'transcribe', '--set', set, '--cache', cache, ...threads],
      });
      machine = found.machine;
      scores[set === 'words' ? 'inside' : 'outside'] = Object.values(found.scores)[0][language];
    }
    const gates = told && openGates(told.steps);
    results.add({ language, run: name, steps, seed: 1, seconds: told?.seconds, ...(gates && { gates }), machine, scores });
  }
}
