// Learns the directions in which windows of one voice differ, for the default embeddings of --speakers
// (src/speakers/voice-embedder.ts), from folders of recordings, one voice a folder, and the synthetic voices of samples/.
// models/voices was made from seven folders of voice prompts for Asterisk (Debian: asterisk-core-sounds-{en,es,fr,it,ru}-g722,
// asterisk-prompt-{fr-armelle,it-menardi-wav}; CC-BY-SA 3.0, CC-BY 3.0, BSD-like), converted to WAV, 130 prompts each, the longest ones:
//
//     npm run build && node scripts/speakers/fit.mjs models/voices/within-voice.safetensors prompts/*
import { basename } from 'node:path';
import { recordingsIn } from '../../dist/audio/recordings-in.js';
import { embeddedModel } from '../../dist/checkpoint/embedded.js';
import { writeFloat32Weights } from '../../dist/checkpoint/float32-weights.js';
import { readManifest } from '../../dist/data/manifest.js';
import { gaussian, sfc32 } from '../../dist/random.js';
import { MeanOfLayer } from '../../dist/speakers/voice-embedder.js';
import { WhisperModel } from '../../dist/whisper/model.js';
import { soundOf } from './sound.mjs';

const WINDOW = 24_000;
const SECONDS = 60;
const DIRECTIONS = 64;
/** Share of a flat spectrum in the covariance: few voices say little of the smallest variances. */
const SHRINK = 0.3;

const [output = '', ...folders] = process.argv.slice(2);
/** @type {Map<string, string[]>} */
const voices = new Map();
for (const folder of folders) voices.set(basename(folder), (await recordingsIn(folder)).recordings);
for (const { audio, other } of await readManifest('samples/manifest.tsv')) {
  const voice = other.voice ?? '';
  if (voice.startsWith('synthetic')) voices.set(voice, [...(voices.get(voice) ?? []), audio]);
}
const model = await WhisperModel.load(embeddedModel);
const means = await MeanOfLayer.open(model);
/** @type {number[][][]} */
const windows = [];
for (const [voice, files] of voices) {
  const sound = await soundOf(spread(files, 50), SECONDS);
  const parts = Array.from({ length: Math.floor(sound.length / WINDOW) }, (_, i) => sound.slice(i * WINDOW, (i + 1) * WINDOW));
  windows.push((await means.of(parts)).map((vector) => Array.from(vector)));
  console.log(`${voice}: ${parts.length} windows`);
}
await model.close();

const width = windows[0][0].length;
const meanOf = (/** @type {number[][]} */ rows) => rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
const centres = windows.map(meanOf);
const mean = meanOf(centres);
const residuals = windows.flatMap((rows, voice) => rows.map((row) => row.map((value, i) => value - centres[voice][i])));
const covariance = Array.from({ length: width }, () => new Float64Array(width));
for (const row of residuals)
  for (let i = 0; i < width; i++) for (let j = 0; j < width; j++) covariance[i][j] += (row[i] * row[j]) / residuals.length;

// Orthogonal iteration.
const random = sfc32(1);
let basis = Array.from({ length: DIRECTIONS }, () => Float64Array.from({ length: width }, () => gaussian(random)));
/** @param {Float64Array} v */
const times = (v) => Float64Array.from({ length: width }, (_, i) => dot(covariance[i], v));
for (let round = 0; round < 100; round++) {
  basis = basis.map(times);
  for (let k = 0; k < DIRECTIONS; k++) {
    for (let j = 0; j < k; j++) {
      const along = dot(basis[k], basis[j]);
      for (let i = 0; i < width; i++) basis[k][i] -= along * basis[j][i];
    }
    const length = Math.sqrt(dot(basis[k], basis[k]));
    for (let i = 0; i < width; i++) basis[k][i] /= length;
  }
}
const floor = (SHRINK * covariance.reduce((trace, row, i) => trace + row[i], 0)) / width;
const shares = basis.map((direction) => {
  const variance = (1 - SHRINK) * dot(direction, times(direction)) + floor;
  return 1 - Math.sqrt(floor / variance);
});
console.log(`${residuals.length} windows of ${voices.size} voices; shares ${shares[0].toFixed(3)} to ${shares.at(-1)?.toFixed(3)}`);
await writeFloat32Weights(
  output,
  new Map([
    ['mean', { shape: [width], data: Float32Array.from(mean) }],
    ['directions', { shape: [DIRECTIONS, width], data: Float32Array.from(basis.flatMap((row) => Array.from(row))) }],
    ['shares', { shape: [DIRECTIONS], data: Float32Array.from(shares) }],
  ]),
);

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
function dot(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** @param {string[]} files @param {number} count */
function spread(files, count) {
  const step = Math.max(1, Math.floor(files.length / count));
  return files.filter((_, i) => i % step === 0);
}
