// What carries over from English to languages that are never trained: short runs that differ in one thing, each scored on
// the same held-out recordings. Resumes where it was stopped; a run's line is appended to docs/lab/levers.jsonl.
//
//     npm run build
//     node scripts/evidence/levers.mjs --speech <tatoeba_en/manifest.tsv> [--text <text.tsv>]... [--steps 200] [--only <name>]... [--beam 5]
//
// Speech and texts: English with Chinese (scripts/samples/parallel-text.mjs makes the texts). Scored: samples/, set `new` (synthetic voices; the
// same 60 sentences in English, German and French) and half B of GCompris (people; English, French, Catalan).
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readManifest } from '../../dist/data/manifest.js';
import { writeManifest } from '../../dist/data/manifest-write.js';
import { evaluate, resultsFile, root, testClips, train } from './runs.mjs';

const { values } = parseArgs({
  options: {
    speech: { type: 'string' },
    text: { type: 'string', multiple: true, default: [] },
    steps: { type: 'string', default: '200' },
    only: { type: 'string', multiple: true },
    model: { type: 'string' },
    threads: { type: 'string' },
    beam: { type: 'string' },
  },
});
const out = join(root, 'out/levers');
const results = resultsFile('levers');
const steps = Number(values.steps);
const threads = values.threads ? ['--threads', values.threads] : [];
mkdirSync(out, { recursive: true });

const speech = { manifest: resolve(values.speech), set: 'train', language: 'en' };
const texts = values.text.map((manifest) => ({ manifest: resolve(manifest) }));

/** Keys of a recipe, by the name of the run. English first is trained on texts alone: those of the clips, or the tables. */
const RUNS = {
  direct: { prompt: 'target-transcribe', corpora: [speech] },
  'direct, full window': { prompt: 'target-transcribe', corpora: [speech], data: { window: 'full' } },
  'english-first': { prompt: 'english-first', corpora: [speech] },
  'english-first, texts': {
    prompt: 'english-first',
    corpora: texts,
    optimizer: { learningRate: 2e-4, warmup: 40 },
  },
};

const tests = join(out, 'tests.tsv');
await writeManifest(tests, testClips(await readManifest(join(root, 'samples/manifest.tsv'))));
for (const [name, { prompt, corpora, data, optimizer }] of Object.entries(RUNS)) {
  if (values.only && !values.only.includes(name)) continue;
  const wanted = { run: name, steps, ...(values.beam && { beam: Number(values.beam) }) };
  if (corpora.length === 0 || results.find({ beam: undefined, ...wanted })) continue;
  const folder = join(out, `${name.replace(/\W+/g, '-')}-${steps}`);
  const recipe = {
    ...(values.model && { model: resolve(values.model) }),
    ...{ target: 'zh', prompt },
    data: { corpora, cache: join(out, 'cache'), ...data },
    optimizer: { steps, ...optimizer },
    checkpointEvery: 50,
  };
  await train(folder, recipe, threads);
  const scores = {};
  let machine;
  for (const set of ['new', 'intro']) {
    const window = data?.window ? ['--window', data.window] : [];
    const found = evaluate(tests, join(folder, `evaluation-${set}-${values.beam ?? 1}`), {
      ...{ baseline: undefined, model: folder, metrics: ['bleu', 'chrf', 'off-target'] },
      flags: ['--set', set, '--to', 'zh', ...window, '--cache', join(out, 'cache'), ...(values.beam ? ['--beam', values.beam] : [])],
    });
    machine = found.machine;
    for (const [test, languages] of Object.entries(found.scores))
      scores[`${test}, ${set === 'new' ? 'synthetic' : 'people'}`] = languages;
  }
  results.add({ ...wanted, seed: 1, machine, scores });
}
