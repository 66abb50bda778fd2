// Who speaks, on joined voices: readers of GCompris by turns, two to four in a recording, at random; diarization error rate
// with what --speakers does, with other embeddings, and with the number of speakers known. None of the voices is in the
// training of an embedding. Result lines are appended to docs/lab/speakers.jsonl; those that are there are not made again.
//
//     npm run build && node scripts/evidence/speakers.mjs gcompris/manifest.tsv --tune klettres --python <python>
//
// --tune: folder of other voices, one a folder (Debian's klettres-data), on whose pairs of windows the thresholds of the other
// embeddings are chosen, as that of --speakers was. --python: one with Resemblyzer, as resemblyzer_voices.py says.
import { parseArgs } from 'node:util';
import { readAudio } from '../../dist/audio/audio-file.js';
import { joinSamples } from '../../dist/audio/join-samples.js';
import { VoiceActivity } from '../../dist/audio/voice-activity.js';
import { embeddedModel } from '../../dist/checkpoint/embedded.js';
import { readManifest } from '../../dist/data/manifest.js';
import { diarizationErrorRate, diarizationErrors } from '../../dist/metrics/diarization-error.js';
import { bootstrap } from '../../dist/metrics/significance.js';
import { below, sfc32, shuffle, uniform } from '../../dist/random.js';
import { machine } from '../../dist/report/machine.js';
import { speakerTurns } from '../../dist/speakers/turns.js';
import { MeanOfLayer, openVoiceEmbedder } from '../../dist/speakers/voice-embedder.js';
import { equalErrorRate, operatingPoints } from '../../dist/studies/speaker/verification.js';
import { dot, unit } from '../../dist/vectors.js';
import { WhisperModel } from '../../dist/whisper/model.js';
import { level, voicesIn, voiceWindows } from '../speakers/sound.mjs';
import { resemblyzer } from './resemblyzer-voices.mjs';
import { resultsFile } from './runs.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tune: { type: 'string' }, python: { type: 'string', default: 'python3' }, recordings: { type: 'string', default: '24' } },
});
const SEED = 1;
const RATE = 16_000;
const results = resultsFile('speakers');

/** Voices by kind, each with its recordings. Sentences and words of a language may be one reader's: of English and French only the sentences. */
const kinds = { 'sentences of 3 readers': new Map(), 'sentences of 3 readers, words of 2': new Map() };
const add = (voices, voice, file) => voices.set(voice, [...(voices.get(voice) ?? []), file]);
for (const { audio, language, set } of await readManifest(positionals[0])) {
  const [sentences, all] = Object.values(kinds);
  if (set === 'intro') add(sentences, language, audio);
  if (set === 'intro' || language === 'de' || language === 'es') add(all, language, audio);
}

/** A recording of 8 to 12 turns of 2 s or more, with pauses of 0.2 to 1 s, and who speaks when in it; no speaker twice in a row. */
async function joined(voices, number) {
  const random = sfc32(SEED * 1000 + number);
  const names = shuffle([...voices.keys()], random).slice(0, 2 + (number % 3));
  const pools = new Map(names.map((name) => [name, shuffle([...voices.get(name)], random)]));
  const parts = [];
  const reference = [];
  let at = 0;
  const push = (part) => {
    parts.push(part);
    at += part.length;
  };
  const turns = 8 + below(5, random);
  let before;
  for (let turn = 0; turn < turns; turn++) {
    const name = names[turn] ?? shuffle(names.filter((one) => one !== before), random)[0];
    before = name;
    const pool = pools.get(name);
    const length = (2 + 4 * uniform(random)) * RATE;
    for (let own = 0; own < length && pool.length > 0; ) {
      if (own > 0) push(new Float32Array(0.2 * RATE));
      const part = level(await readAudio(pool.pop()));
      reference.push({ start: at / RATE, end: (at + part.length) / RATE, speaker: name });
      push(part);
      own += part.length;
    }
    push(new Float32Array(Math.round((0.2 + 0.8 * uniform(random)) * RATE)));
  }
  const samples = joinSamples(parts);
  const activity = new VoiceActivity();
  await activity.add(samples);
  return { samples, runs: (await activity.finish()).runs, reference };
}

const model = await WhisperModel.load(embeddedModel, { threads: 1 });
const own = await openVoiceEmbedder(model);
const layers = [await MeanOfLayer.open(model, 1), await MeanOfLayer.open(model, 5)];
const embeddings = {
  '--speakers': own.embed,
  'layer 1, mean frame': async (windows) => (await layers[0].of(windows)).map(unit),
  'layer 5, mean frame': async (windows) => (await layers[1].of(windows)).map(unit),
  Resemblyzer: async (windows) => resemblyzer(values.python, windows),
};
/** Embeddings of windows, so many at a time that memory suffices. */
async function embedded(embed, windows) {
  const vectors = [];
  for (let i = 0; i < windows.length; i += 1024) vectors.push(...(await embed(windows.slice(i, i + 1024))));
  return vectors;
}

/** The cosine at which pairs of windows of other voices are mistaken for one as often as for two. */
async function thresholdOf(embed) {
  const windows = [];
  for (const [voice, files] of voicesIn(values.tune)) {
    for (const window of await voiceWindows(files, { seconds: 1.5, count: 12 })) windows.push({ voice, window });
  }
  const vectors = await embedded(embed, windows.map(({ window }) => window));
  const [scores, same] = [[], []];
  for (let i = 0; i < vectors.length; i++)
    for (let j = 0; j < i; j++) {
      scores.push(dot(vectors[i], vectors[j]));
      same.push(windows[i].voice === windows[j].voice);
    }
  const points = operatingPoints(scores, same);
  const threshold = Number(points.find(({ falseAlarm, miss }) => falseAlarm >= miss).threshold.toFixed(4));
  return { threshold, tuneEer: percent(equalErrorRate(points)), tuneVoices: new Set(windows.map(({ voice }) => voice)).size };
}

const percent = (share) => Number((100 * share).toFixed(2));
const count = Number(values.recordings);
for (const [kind, voices] of Object.entries(kinds)) {
  const open = Object.keys(embeddings).filter((embedding) => [true, false].some((numberKnown) => !results.find({ kind, embedding, numberKnown, recordings: count })));
  if (open.length === 0) continue;
  const recordings = [];
  for (let number = 0; number < count; number++) recordings.push(await joined(voices, number));
  const turnsOf = ({ samples, runs }, embedder, speakers) =>
    speakerTurns({ read: async (from, to) => samples.subarray(from, to) }, runs, embedder, { count: speakers });
  // Windows do not depend on the embedding: all are embedded at once.
  const windows = [];
  for (const recording of recordings) await turnsOf(recording, { threshold: 1, embed: async (some) => some.map((window) => (windows.push(window), unit([1]))) });
  for (const embedding of open) {
    const embed = embeddings[embedding];
    const vectors = await embedded(embed, windows);
    for (const numberKnown of [true, false]) {
      const of = { kind, embedding, numberKnown, recordings: count };
      if (results.find(of)) continue;
      const tuned = numberKnown ? { threshold: 0 } : embedding === '--speakers' ? { threshold: own.threshold } : await thresholdOf(embed);
      let next = 0;
      const errors = [];
      let numberRight = 0;
      for (const recording of recordings) {
        const { reference } = recording;
        const speakers = new Set(reference.map(({ speaker }) => speaker)).size;
        const embedder = { threshold: tuned.threshold, embed: async (some) => some.map(() => vectors[next++]) };
        const turns = await turnsOf(recording, embedder, numberKnown ? speakers : undefined);
        if (new Set(turns.map(({ speaker }) => speaker)).size === speakers) numberRight++;
        errors.push(diarizationErrors(reference, turns.map((turn) => ({ ...turn, speaker: String(turn.speaker) })), { collar: 0.5 }));
      }
      const { score, low, high } = bootstrap(errors.map((one) => [diarizationErrorRate(one) * one.total, one.total]), ([wrong, all]) => wrong / all);
      const total = errors.reduce((sum, one) => sum + one.total, 0);
      const share = (part) => percent(errors.reduce((sum, one) => sum + one[part], 0) / total);
      results.add({
        ...{ ...of, ...(!numberKnown && tuned), der: [score, low, high].map(percent), missed: share('missed'), falseAlarm: share('falseAlarm') },
        ...{ confusion: share('confusion'), numberRight, seconds: Math.round(total), windows: windows.length, seed: SEED, machine: await machine() },
      });
    }
  }
}
await model.close();
