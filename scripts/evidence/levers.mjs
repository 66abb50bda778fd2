// What carries over from English to languages that are never trained: short runs that differ in one thing, each scored on
// the same held-out recordings. Resumes where it was stopped; a run's line is appended to docs/lab/levers.jsonl.
//
//     npm run build
//     node scripts/evidence/levers.mjs --speech <tatoeba_en/manifest.tsv> [--text <text.tsv>]... [--steps 200] [--only <name>]...
//
// Speech and texts: English with Chinese (scripts/samples/parallel-text.mjs makes the texts). Scored: samples/, set `new` (synthetic voices; the
// same 60 sentences in English, German and French) and half B of GCompris (people; English, French, Catalan).
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readManifest } from '../../dist/data/manifest.js';
import { writeManifest } from '../../dist/data/manifest-write.js';
import { writeWhole } from '../../dist/files/write-whole.js';

const { values } = parseArgs({
  options: {
    speech: { type: 'string' },
    text: { type: 'string', multiple: true, default: [] },
    steps: { type: 'string', default: '200' },
    only: { type: 'string', multiple: true },
    model: { type: 'string' },
    threads: { type: 'string' },
  },
});
const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const out = join(root, 'out/levers');
const results = join(root, 'docs/lab/levers.jsonl');
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

function cli(...args) {
  const { status } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Half B of GCompris and the new sentences, a set each. */
async function writeTests() {
  const samples = await readManifest(join(root, 'samples/manifest.tsv'));
  const keys = [...new Set(samples.filter(({ set }) => set === 'intro').map(({ key }) => key))].sort();
  const halfB = new Set(keys.filter((_, i) => i % 2 === 1));
  const tests = samples.filter(({ set, key }) => set === 'new' || (set === 'intro' && halfB.has(key)));
  const file = join(out, 'tests.tsv');
  await writeManifest(file, tests);
  return file;
}

const done = existsSync(results)
  ? readFileSync(results, 'utf8').trim().split('\n').filter(Boolean).map((line) => JSON.parse(line))
  : [];
const tests = await writeTests();
for (const [name, { prompt, corpora, data, optimizer }] of Object.entries(RUNS)) {
  if (values.only && !values.only.includes(name)) continue;
  if (corpora.length === 0) continue;
  if (done.some((line) => line.run === name && line.steps === steps)) continue;
  const folder = join(out, `${name.replace(/\W+/g, '-')}-${steps}`);
  const recipe = {
    ...(values.model && { model: resolve(values.model) }),
    output: folder,
    target: 'zh',
    prompt,
    data: { corpora, cache: join(out, 'cache'), ...data },
    optimizer: { steps, ...optimizer },
    checkpointEvery: 50,
  };
  await writeWhole(`${folder}.json`, `${JSON.stringify(recipe, null, 2)}\n`);
  if (!existsSync(join(folder, 'config.json'))) {
    cli('train', `${folder}.json`, ...(existsSync(join(folder, 'checkpoints')) ? ['--resume'] : []), ...threads);
  }
  const scores = {};
  let machine;
  for (const set of ['new', 'intro']) {
    const evaluation = join(folder, `evaluation-${set}`);
    const window = data?.window ? ['--window', data.window] : [];
    cli('evaluate', tests, '--set', set, '--to', 'zh', '--model', folder, ...window, '--output', evaluation, '--resume', '--cache', join(out, 'cache'));
    const found = JSON.parse(readFileSync(join(evaluation, 'scores.json'), 'utf8'));
    machine = found.machine;
    for (const row of found.rows.filter(({ languages }) => languages === undefined)) {
      const kept = {};
      for (const metric of ['bleu', 'chrf', 'off-target']) {
        const { score, interval } = row.scores[metric] ?? {};
        if (interval) kept[metric] = [score, interval.low, interval.high].map((x) => Number(x.toFixed(1)));
      }
      (scores[`${row.test}, ${set === 'new' ? 'synthetic' : 'people'}`] ??= {})[row.language] = { n: row.n, ...kept };
    }
  }
  const line = { run: name, steps, seed: 1, date: new Date().toISOString().slice(0, 10), machine, scores };
  appendFileSync(results, `${JSON.stringify(line)}\n`);
  console.log(JSON.stringify(line, null, 1));
}
