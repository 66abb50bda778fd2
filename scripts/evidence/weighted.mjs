// The weighted cross-entropy of a low-resource language (Piñeiro-Martín et al. 2024): recognition of words of GCompris (real, a
// reader each), many in three languages and few in a fourth, whose loss counts more and more, tested on other words of all four.
// A line for each is appended to docs/lab/weighted.jsonl; goes on where it was stopped.
//
//     npm run build
//     node scripts/evidence/weighted.mjs <gcompris/manifest.tsv> [--steps 60] [--low fr] [--words 300] [--low-words 30] [--test-words 300]
//
// p-values are against the run without weights.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readManifest } from '../../dist/data/manifest.js';
import { writeManifest } from '../../dist/data/manifest-write.js';
import { evaluate, resultsFile, root, train, wordsOf } from './runs.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '60' },
    low: { type: 'string', default: 'fr' },
    words: { type: 'string', default: '300' },
    'low-words': { type: 'string', default: '30' },
    'test-words': { type: 'string', default: '300' },
    cache: { type: 'string' },
    threads: { type: 'string' },
  },
});
if (!positionals[0]) throw new Error('expected the manifest of GCompris words');
const { low } = values;
const steps = Number(values.steps);
const testWords = Number(values['test-words']);
const LANGUAGES = ['en', 'de', 'es', 'fr'];
const out = join(root, 'out/weighted');
const cache = values.cache ?? join(root, 'out/cache');
const threads = values.threads ? ['--threads', values.threads] : [];
/** Weight of the low-resource language's loss at the first and at the last step. */
const RUNS = { plain: undefined, 'rising to 2': [1, 2], 'rising to 4': [1, 4], 'always 4': [4, 4] };

mkdirSync(out, { recursive: true });
const all = await readManifest(resolve(positionals[0]));
const clips = LANGUAGES.flatMap((language) => {
  const count = Number(values[language === low ? 'low-words' : 'words']);
  return wordsOf(all, language)
    .slice(0, testWords + count)
    .map((clip, i) => ({ ...clip, set: i < testWords ? 'test' : 'train' }));
});
const manifest = join(out, `${low}-${values['low-words']}-${testWords}.tsv`);
await writeManifest(manifest, clips);
const results = resultsFile('weighted');
const name = (run) => join(out, `${low}-${run.replace(/\W+/g, '-')}-${testWords}-${steps}`);
const trained = (run) =>
  train(
    name(run),
    {
      data: { corpora: LANGUAGES.map((language) => ({ manifest, set: 'train', language, target: language })), cache },
      ...(RUNS[run] && { objective: { languageWeights: { [low]: { from: RUNS[run][0], to: RUNS[run][1] } } } }),
      optimizer: { steps, warmup: Math.ceil(steps / 10) },
      checkpointEvery: 20,
    },
    threads,
  );
for (const run of Object.keys(RUNS)) {
  const wanted = { run, low, lowWords: Number(values['low-words']), words: Number(values.words), testWords, steps };
  if (results.find(wanted)) continue;
  // A line of the baseline may be here without its model: of another checkout.
  await trained('plain');
  const { seconds } = await trained(run);
  const { machine, scores } = evaluate(manifest, join(out, 'evaluation'), {
    ...{ baseline: name('plain'), model: name(run), metrics: ['wer', 'cer'] },
    flags: ['--task', 'transcribe', '--set', 'test', '--cache', cache, ...threads],
  });
  results.add({ ...wanted, seed: 1, seconds, machine, scores: Object.values(scores)[0] });
}
