// What a language model adds to recognition of English (de Zuazo et al. 2025, "Whisper-LM"): none, a 5-gram of everyday sentences
// and of a game, and a pretrained causal model, on clean and on noisy speech. Resumes where it was stopped; a line for each
// model, text, set and noise is appended to docs/lab/language-models.jsonl.
//
//     npm run build
//     node scripts/evidence/language-models.mjs --causal <folder of smollm2_onnx.py> [--wesnoth <text.tsv>]
//
// Speech: samples/, English. `test` (Tatoeba, one synthetic voice: the 5-gram's kind of text) with weights tuned on `dev`, and
// GCompris read by a person (its half B; a kind of text that no model was trained on), tuned on half A. White noise is added at
// a ratio of powers over the whole clip. One beam search (5, patience 2) for each clip: its five best texts are rescored with each
// model, as --lm-rescore does. α and β are tuned on the development clips, each clean and with one of the noises. GCompris' texts
// changed after they were read: a clip (of either) of which no clean text comes within 30 % of the words is left out.
import { appendFileSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readAudio } from '../../dist/audio/audio-file.js';
import { addNoise } from '../../dist/audio/augment/noise.js';
import { referenceIn } from '../../dist/data/clip.js';
import { readManifest } from '../../dist/data/manifest.js';
import { chosenDecoding } from '../../dist/decoding/decoding-choice.js';
import { decodeWithRetry } from '../../dist/decoding/full-window-retry.js';
import { scoredTexts } from '../../dist/decoding/nbest-rescoring.js';
import { bestText, tuneRescoring } from '../../dist/decoding/tune-fusion.js';
import { embeddedModel } from '../../dist/checkpoint/embedded.js';
import { writeWhole } from '../../dist/files/write-whole.js';
import { readLanguageModel } from '../../dist/language-model/read.js';
import { sentenceScorer } from '../../dist/language-model/scorer.js';
import { languageModelWords } from '../../dist/language-model/words.js';
import { inBatches } from '../../dist/lists.js';
import { score } from '../../dist/metrics/score.js';
import { wordErrorRate } from '../../dist/metrics/word-error-rate.js';
import { machine } from '../../dist/report/machine.js';
import { whiteNoise } from '../../dist/studies/probes/synthetic-sounds.js';
import { WhisperModel } from '../../dist/whisper/model.js';
import { byHash, readTable } from '../samples/sentences.mjs';
import { cli, resultsFile, root } from './runs.mjs';

const { values } = parseArgs({
  options: { causal: { type: 'string' }, wesnoth: { type: 'string' } },
});
const out = join(root, 'out/language-models');
const results = resultsFile('language-models');
const SEED = 1;
const NOISES = /** @type {const} */ (['clean', 10, 5, 0]);
const SETS = { test: 'Tatoeba, synthetic', intro: 'GCompris, a person' };
const HELD_OUT = 200;
mkdirSync(out, { recursive: true });

const samples = (await readManifest(join(root, 'samples/manifest.tsv'))).filter(({ language }) => language === 'en');
const referenceOf = (clip) => referenceIn(clip, 'en');

/** Texts to train and to measure on, a sentence a line; none of the training's is held out. */
async function writeTexts() {
  const tables = { tatoeba: join(root, 'samples/texts/tatoeba-en-zh.tsv'), ...(values.wesnoth && { wesnoth: values.wesnoth }) };
  const known = new Set();
  const train = [];
  for (const [name, file] of Object.entries(tables)) {
    const lines = byHash(readTable(file).map((row) => ({ en: row.text_en }))).map(({ en }) => en.replace(/\s+/g, ' '));
    const own = lines.filter((line) => !known.has(line) && known.add(line));
    await writeWhole(join(out, `${name}.txt`), `${own.slice(0, HELD_OUT).join('\n')}\n`);
    train.push(...own.slice(HELD_OUT));
  }
  await writeWhole(join(out, 'train.txt'), `${train.join('\n')}\n`);
  const gcompris = samples.filter(({ set }) => set === 'intro').map(referenceOf);
  await writeWhole(join(out, 'gcompris.txt'), `${gcompris.join('\n')}\n`);
  return [...Object.keys(tables), 'gcompris'];
}

/** The same model, told that its text was normalised. */
async function normalizedCopy(folder) {
  const copy = join(out, 'causal-normalized');
  if (existsSync(copy)) return copy;
  mkdirSync(copy);
  for (const file of ['model.onnx', 'tokenizer.json']) symlinkSync(join(resolve(folder), file), join(copy, file));
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  await writeWhole(join(copy, 'config.json'), JSON.stringify({ ...config, normalized_text: true }));
  return copy;
}

const texts = await writeTexts();
const arpa = join(out, '5-gram.arpa');
if (!existsSync(arpa)) cli('lm', 'train', join(out, 'train.txt'), '--to', 'en', '--output', arpa);
const MODELS = {
  '5-gram': arpa,
  ...(values.causal && {
    [basename(values.causal)]: values.causal,
    [`${basename(values.causal)}, normalised`]: await normalizedCopy(values.causal),
  }),
};

for (const [model, path] of Object.entries(MODELS)) {
  for (const text of texts) {
    const wanted = { model, text };
    if (results.find(wanted)) continue;
    const args = ['lm', 'perplexity', path, join(out, `${text}.txt`), '--to', 'en', '--json'];
    const { status, stdout } = spawnSync(process.execPath, [join(root, 'dist/cli/main.js'), ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    if (status !== 0) throw new Error(`whisper-transfer ${args.join(' ')}: rc ${status}`);
    const { sentences, characters, unknown, perplexityOfCharacters } = JSON.parse(stdout);
    results.add({ ...wanted, sentences, characters, unknown, perplexityOfCharacters: Number(perplexityOfCharacters.toFixed(3)), machine: await machine() });
  }
}

const keys = samples.filter(({ set }) => set === 'intro').map(({ key }) => key).sort();
const halfA = new Set(keys.filter((_, i) => i % 2 === 0));
/** @type {Record<string, { dev: typeof samples, test: typeof samples }>} */
const CLIPS = {
  test: { dev: samples.filter(({ set }) => set === 'dev'), test: samples.filter(({ set }) => set === 'test') },
  intro: {
    dev: samples.filter(({ set, key }) => set === 'intro' && halfA.has(key)),
    test: samples.filter(({ set, key }) => set === 'intro' && !halfA.has(key)),
  },
};
const noisesOfDev = (i) => [NOISES[0], NOISES[1 + (i % 3)]];

const whisper = await WhisperModel.load(embeddedModel);
const SEARCH = { beams: 5, patience: 2 };
const RESCORED = 5;
const CLIPS_PER_RUN = 16;

async function heard(clip, i, noise) {
  const sound = await readAudio(clip.audio);
  return noise === 'clean' ? sound : addNoise(sound, whiteNoise(sound.length, SEED + i), noise, 0);
}

/** Texts of clips by a search, the best first, from `file` where they are there. */
async function searched(file, clips, languageModel) {
  const done = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line)) : [];
  const { decoding } = await chosenDecoding(whisper, { ...SEARCH, languageModel }, 'en');
  while (done.length < clips.length) {
    const some = clips.slice(done.length, done.length + CLIPS_PER_RUN);
    const sounds = await Promise.all(some.map(({ clip, i, noise }) => heard(clip, i, noise)));
    const prompts = some.map(() => whisper.tokens.prompt('en', 'transcribe'));
    const windows = await decodeWithRetry(whisper, await whisper.encode(sounds, 'fit'), { ...decoding, prompts }, async (members) =>
      whisper.encode(members.map((i) => sounds[i]), 'full'),
    );
    const rows = windows.map(({ result: { text, tokens, score, alternatives } }, k) => ({
      key: some[k].clip.key,
      noise: some[k].noise,
      reference: referenceOf(some[k].clip),
      texts: [{ text, tokens, score }, ...alternatives].slice(0, RESCORED),
    }));
    for (const row of rows) {
      done.push(row);
      appendFileSync(file, `${JSON.stringify(row)}\n`);
    }
    console.log(`${file}: ${done.length} of ${clips.length}`);
  }
  return done;
}

const normalized = (text) => languageModelWords(text, 'en').join(' ');
const round = ({ score: value, interval: { low, high } }) => [value, low, high].map((x) => Number(x.toFixed(1)));

/** Word error rates by noise, and of all four, a clip's four texts being one: they are not independent. */
async function addScores(line, rows, chosen) {
  const groups = new Map(NOISES.map((noise) => [String(noise), rows.flatMap((row, i) => (row.noise === noise ? [[i]] : []))]));
  const byKey = new Map();
  rows.forEach(({ key }, i) => byKey.set(key, [...(byKey.get(key) ?? []), i]));
  groups.set('all', [...byKey.values()]);
  for (const [noise, members] of groups) {
    if (results.find({ ...line, noise })) continue;
    const joined = (list) => members.map((own) => own.map((i) => normalized(list[i])).join(' '));
    const { wer } = await score({
      hypotheses: joined(chosen),
      references: joined(rows.map(({ reference }) => reference)),
      metrics: ['wer'],
      ...(line.model !== 'none' && { baseline: joined(rows.map(({ texts: [first] }) => first.text)), pairedTest: 'randomization' }),
    });
    const p = wer.comparison && { p: Number(wer.comparison.pValue.toFixed(4)) };
    results.add({ ...line, noise, n: members.length, wer: round(wer), ...p, seed: SEED, machine: await machine() });
  }
}

/** Rows of clips that say their reference. */
function asWritten(rows) {
  const errors = ({ text }, reference) => wordErrorRate([normalized(text)], [normalized(reference)]).rate;
  const heardClean = rows.filter(({ noise, texts, reference }) => noise === 'clean' && texts.some((one) => errors(one, reference) <= 0.3));
  const kept = new Set(heardClean.map(({ key }) => key));
  return rows.filter(({ key }) => kept.has(key));
}

const at = (clips, noises) => clips.flatMap((clip, i) => noises(i).map((noise) => ({ clip, i, noise })));
const found = {};
for (const [set, { dev, test }] of Object.entries(CLIPS)) {
  found[set] = {
    dev: asWritten(await searched(join(out, `${set}-dev.jsonl`), at(dev, noisesOfDev))),
    test: asWritten(await searched(join(out, `${set}-test.jsonl`), at(test, () => NOISES))),
  };
  await addScores({ set: SETS[set], model: 'none' }, found[set].test, found[set].test.map(({ texts: [first] }) => first.text));
  // What rescoring does without any model: the largest sum in place of the search's largest mean.
  const silent = found[set].test.map(({ texts }) => texts.map((text) => ({ ...text, languageModel: 0, words: 0 })));
  await addScores({ set: SETS[set], model: 'none, largest sum' }, found[set].test, silent.map((own) => bestText(own, { alpha: 0, beta: 0 })));
}

for (const [model, path] of Object.entries(MODELS)) {
  const scorer = sentenceScorer(await readLanguageModel(path, whisper.runtime), 'en');
  for (const [set, { dev, test }] of Object.entries(found)) {
    const wanted = { set: SETS[set], model, how: 'rescored' };
    if (results.find({ ...wanted, noise: 'all' })) continue;
    const scored = async (rows) => {
      const found = [];
      for (const some of inBatches(rows, CLIPS_PER_RUN)) found.push(...(await scoredTexts(some.map(({ texts }) => texts), scorer)));
      return found;
    };
    const start = performance.now();
    const choices = await scored(dev);
    const { baseline, trialled, oracle } = tuneRescoring(choices, dev.map(({ reference }) => reference), { language: 'en', trials: 400, seed: SEED });
    const [{ alpha, beta, errorRate }] = trialled;
    const percent = (share) => Number((100 * share).toFixed(1));
    const tuned = { none: percent(baseline.errorRate), tuned: percent(errorRate), oracle: percent(oracle) };
    const chosen = (await scored(test)).map((own) => bestText(own, { alpha, beta }));
    const weights = { alpha: Number(alpha.toFixed(3)), beta: Number(beta.toFixed(3)) };
    const seconds = Math.round((performance.now() - start) / 1000);
    await addScores({ ...wanted, ...weights, dev: tuned, seconds }, test, chosen);
  }
}

// In the beam, with the weights that rescoring was tuned to: all noises, so that it is compared with rescoring.
for (const set of Object.keys(CLIPS)) {
  const { alpha, beta } = results.find({ set: SETS[set], model: '5-gram', how: 'rescored', noise: 'all' });
  const wanted = { set: SETS[set], model: '5-gram', how: 'in the beam', alpha, beta };
  if (results.find({ ...wanted, noise: 'all' })) continue;
  const keys = new Set(found[set].test.map(({ key }) => key));
  const spoken = CLIPS[set].test.filter(({ key }) => keys.has(key));
  const rows = await searched(join(out, `${set}-beam-${alpha}-${beta}.jsonl`), at(spoken, () => NOISES), { model: arpa, alpha, beta });
  const texts = new Map(rows.map(({ key, noise, texts: [first] }) => [`${key} ${noise}`, first.text]));
  await addScores(wanted, found[set].test, found[set].test.map(({ key, noise }) => texts.get(`${key} ${noise}`)));
}
await whisper.close();
