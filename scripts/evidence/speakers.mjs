// Who speaks, on joined voices: people of GCompris (and, apart, synthetic voices) by turns, two to four in a recording, at
// random; diarization error rate with what --speakers does, with other embeddings and with the number of speakers known.
// The voices are in no training of the embeddings (scripts/speakers/fit.mjs). One line a run is appended to
// docs/lab/speakers.jsonl; lines that are there are not made again.
//
//     npm run build && node scripts/evidence/speakers.mjs gcompris/manifest.tsv [--tune FOLDER] [--vectors FILE]
//
// --tune: folders of other voices, one voice a folder, on which the thresholds were chosen. --vectors: embeddings of the same
// windows by another program (--write-windows writes them as float32 with a list), such as Resemblyzer's.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { readAudio } from '../../dist/audio/audio-file.js';
import { recordingsIn } from '../../dist/audio/recordings-in.js';
import { VoiceActivity } from '../../dist/audio/voice-activity.js';
import { embeddedModel } from '../../dist/checkpoint/embedded.js';
import { readManifest } from '../../dist/data/manifest.js';
import { diarizationErrorRate, diarizationErrors } from '../../dist/metrics/diarization-error.js';
import { bootstrap } from '../../dist/metrics/significance.js';
import { below, sfc32, shuffle, uniform } from '../../dist/random.js';
import { machine } from '../../dist/report/machine.js';
import { speakerTurns } from '../../dist/speakers/turns.js';
import { unit } from '../../dist/vectors.js';
import { MeanOfLayer, openVoiceEmbedder } from '../../dist/speakers/voice-embedder.js';
import { WhisperModel } from '../../dist/whisper/model.js';
import { trimmed } from '../speakers/sound.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tune: { type: 'string' },
    vectors: { type: 'string' },
    'write-windows': { type: 'string' },
    recordings: { type: 'string', default: '12' },
    threshold: { type: 'string', multiple: true },
    only: { type: 'string' },
  },
});
const OUTPUT = 'docs/lab/speakers.jsonl';
const SEED = 1;

/** @typedef {{ samples: Float32Array, runs: readonly { start: number, end: number }[], reference: { start: number, end: number, speaker: string }[] }} Joined */

/** Voices of a kind, each with its recordings. @type {Map<string, Map<string, string[]>>} */
const kinds = new Map();
/** @param {string} kind @param {string} voice @param {string} file */
function add(kind, voice, file) {
  const voices = kinds.get(kind) ?? new Map();
  kinds.set(kind, voices);
  voices.set(voice, [...(voices.get(voice) ?? []), file]);
}
for (const { audio, language, set } of await readManifest(positionals[0] ?? '')) {
  // Sentences and words of a language may be one reader's: of English and French only the sentences.
  if (set === 'intro') add('people, sentences', language, audio);
  if (set === 'intro' || language === 'de' || language === 'es') add('people, sentences and words', `${language} ${set}`, audio);
}
if (values.tune) {
  for (const folder of values.tune.split(','))
    for (const audio of (await recordingsIn(folder)).recordings) add('tune', basename(folder), audio);
}

/** @type {Map<string, Float32Array>} */
const sounds = new Map();
/** @param {string} file */
async function sound(file) {
  const known = sounds.get(file);
  if (known) return known;
  const samples = trimmed(await readAudio(file));
  // Equal loudness, so that it tells nothing.
  const power = Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
  const level = samples.map((value) => (0.05 * value) / (power || 1));
  sounds.set(file, level);
  return level;
}

/**
 * Eight to twelve turns of 2 to 8 s, pauses of 0.2 to 1 s, no speaker twice in a row.
 * @param {Map<string, string[]>} voices @param {number} number
 * @returns {Promise<Joined>}
 */
async function joined(voices, number) {
  const random = sfc32(SEED * 1000 + number);
  const names = shuffle([...voices.keys()], random).slice(0, 2 + (number % 3));
  const pools = new Map(names.map((name) => [name, shuffle([...(voices.get(name) ?? [])], random)]));
  /** @type {Float32Array[]} */
  const parts = [];
  const reference = [];
  let at = 0;
  const push = (/** @type {Float32Array} */ part) => {
    parts.push(part);
    at += part.length;
  };
  const turns = 8 + below(5, random);
  let before = '';
  for (let turn = 0; turn < turns; turn++) {
    const name = turn < names.length ? names[turn] : shuffle(names.filter((one) => one !== before), random)[0];
    before = name;
    const pool = pools.get(name) ?? [];
    const length = (2 + 4 * uniform(random)) * 16_000;
    for (let own = 0; own < length && pool.length > 0; ) {
      const part = await sound(pool.pop() ?? '');
      reference.push({ start: at / 16_000, end: (at + part.length) / 16_000, speaker: name });
      push(part);
      own += part.length;
      if (own < length) push(new Float32Array(3200));
    }
    push(new Float32Array(Math.round((0.2 + 0.8 * uniform(random)) * 16_000)));
  }
  const samples = new Float32Array(at);
  at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length;
  }
  const activity = new VoiceActivity();
  await activity.add(samples);
  return { samples, runs: (await activity.finish()).runs, reference };
}

const model = await WhisperModel.load(embeddedModel);
const own = await openVoiceEmbedder(model);
const layers = new Map([[1, await MeanOfLayer.open(model, 1)], [5, await MeanOfLayer.open(model, 5)]]);
/** @param {number} layer */
const plain = (layer) => async (/** @type {readonly Float32Array[]} */ windows) =>
  ((await layers.get(layer)?.of(windows)) ?? []).map(unit);
/** Another program's embeddings, by the window's fingerprint. @type {Map<string, Float32Array>} */
const others = new Map();
if (values.vectors) {
  const { keys, width } = JSON.parse(readFileSync(`${values.vectors}.json`, 'utf8'));
  const bytes = readFileSync(`${values.vectors}.f32`);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  for (const [i, key] of keys.entries()) others.set(key, all.slice(i * width, (i + 1) * width));
}
const keyOf = (/** @type {Float32Array} */ window) =>
  `${window.length} ${window.reduce((sum, value, i) => sum + value * ((i % 97) + 1), 0).toFixed(6)}`;
/** @type {Map<string, Float32Array>} */
const written = new Map();

/** @type {Record<string, { embed: (windows: readonly Float32Array[]) => Promise<Float32Array[]>, threshold: number }>} */
const embedders = {
  '--speakers': own,
  'layer 1, mean frame': { embed: plain(1), threshold: 0.988 },
  'layer 5, mean frame': { embed: plain(5), threshold: 0.9 },
};
if (values.vectors)
  embedders.Resemblyzer = {
    embed: async (windows) => windows.map((window) => others.get(keyOf(window)) ?? new Float32Array(256)),
    threshold: 0.75,
  };
if (values['write-windows']) {
  for (const name of Object.keys(embedders)) delete embedders[name];
  embedders.none = {
    embed: async (windows) => windows.map((window) => (written.set(keyOf(window), window), unit([1]))),
    threshold: 0.5,
  };
}

const done = new Set(
  existsSync(OUTPUT) ? readFileSync(OUTPUT, 'utf8').trim().split('\n').map((line) => JSON.parse(line).run) : [],
);
for (const [kind, voices] of kinds) {
  if (values.only && kind !== values.only) continue;
  /** @type {Joined[]} */
  const recordings = [];
  for (let number = 0; number < Number(values.recordings); number++) recordings.push(await joined(voices, number));
  for (const [name, embedder] of Object.entries(embedders)) {
    /** Embeddings are the same for every threshold. @type {Map<string, Float32Array>} */
    const known = new Map();
    const embed = async (/** @type {readonly Float32Array[]} */ windows) => {
      const keys = windows.map(keyOf);
      const missing = windows.filter((_, i) => !known.has(keys[i]));
      const found = missing.length > 0 ? await embedder.embed(missing) : [];
      for (const [i, window] of missing.entries()) known.set(keyOf(window), found[i]);
      return keys.map((key) => known.get(key) ?? new Float32Array(1));
    };
    const thresholds = kind === 'tune' && values.threshold ? values.threshold.map(Number) : [embedder.threshold];
    for (const [threshold, counted] of [...thresholds.map((one) => /** @type {const} */ ([one, false])), /** @type {const} */ ([0, true])]) {
      const how = counted ? 'number known' : `threshold ${threshold}`;
      const run = `${kind}; ${name}; ${how}; ${recordings.length} recordings`;
      if (done.has(run)) continue;
      const rows = [];
      let [right, missed, falseAlarm, confusion, total] = [0, 0, 0, 0, 0];
      for (const { samples, runs, reference } of recordings) {
        const count = new Set(reference.map(({ speaker }) => speaker)).size;
        const read = async (/** @type {number} */ from, /** @type {number} */ to) => samples.subarray(from, to);
        const turns = await speakerTurns({ read }, runs, { embed, threshold }, { count: counted ? count : undefined });
        right += Number(new Set(turns.map(({ speaker }) => speaker)).size === count);
        const guess = turns.map(({ speaker, ...turn }) => ({ ...turn, speaker: String(speaker) }));
        const errors = diarizationErrors(reference, guess, { collar: 0.5 });
        rows.push([diarizationErrorRate(errors) * errors.total, errors.total]);
        missed += errors.missed;
        falseAlarm += errors.falseAlarm;
        confusion += errors.confusion;
        total += errors.total;
      }
      if (values['write-windows']) continue;
      const { score, low, high } = bootstrap(rows, ([wrong, all]) => wrong / all);
      const percent = (/** @type {number} */ share) => Number((100 * share).toFixed(2));
      const line = {
        ...{ run, seed: SEED, date: new Date().toISOString().slice(0, 10), machine: (await machine()).cpu },
        ...{ der: percent(score), low: percent(low), high: percent(high) },
        ...{ missed: percent(missed / total), falseAlarm: percent(falseAlarm / total), confusion: percent(confusion / total) },
        ...{ numberRight: right, recordings: recordings.length, seconds: Math.round(total) },
      };
      console.log(`${run}: DER ${line.der} [${line.low}-${line.high}], confusion ${line.confusion}, number right ${right}`);
      // What was tuned on is no result.
      if (kind !== 'tune') appendFileSync(OUTPUT, `${JSON.stringify(line)}\n`);
    }
  }
}
if (values['write-windows']) {
  mkdirSync(values['write-windows'], { recursive: true });
  const keys = [...written.keys()];
  const all = new Float32Array(keys.reduce((sum, key) => sum + (written.get(key)?.length ?? 0), 0));
  let at = 0;
  for (const key of keys) {
    const window = written.get(key) ?? new Float32Array(0);
    all.set(window, at);
    at += window.length;
  }
  writeFileSync(join(values['write-windows'], 'windows.json'), JSON.stringify({ keys, lengths: keys.map((key) => written.get(key)?.length) }));
  writeFileSync(join(values['write-windows'], 'windows.f32'), new Uint8Array(all.buffer));
}
await model.close();
