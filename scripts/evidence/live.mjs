// Live decoding of real speech: the French and Catalan sentences of samples/ (GCompris), joined with half a second of silence
// between them, as one stream for each language. Measured are how far the committed text is behind the speech, and what it
// loses against the same sentences decoded alone. A line for each model, language and way is appended to
// docs/lab/live.jsonl; --table prints them as docs/live.md has them.
//
//     npm run build
//     node scripts/evidence/live.mjs --to en [--model models/whisper-base-int8] [--languages fr,ca] [--ways WAY,…] \
//       [--threads 1] [--clock simulated|wall] [--seconds 120]
//     node scripts/evidence/live.mjs --table
//
// A way is `offline`, `local-agreement:INTERVAL`, `alignatt:FRAMES:INTERVAL` or `fixed:SECONDS`: windows of that length, each
// decoded alone when it is over, whatever is said in it.
//
// The clock is simulated unless --clock wall: what computing takes is measured and passes, and only the waiting for speech
// is left out (src/live/feed.ts). An instance is a sentence, or several where the pause between them is too short to end an
// utterance; all ways have the same. Text counts in the instance that it overlaps most.
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readAudio } from '../../dist/audio/audio-file.js';
import { joinSamples } from '../../dist/audio/join-samples.js';
import { SAMPLE_RATE } from '../../dist/audio/sample-rate.js';
import { referenceIn } from '../../dist/data/clip.js';
import { readManifest } from '../../dist/data/manifest.js';
import { transcribeFiles } from '../../dist/decoding/transcribe-files.js';
import { languageProfile } from '../../dist/language/profile.js';
import { heardBy, skippingClock, wallClock } from '../../dist/live/feed.js';
import { LiveSession } from '../../dist/live/session.js';
import { Utterances } from '../../dist/live/utterances.js';
import { latency, latencyUnits } from '../../dist/metrics/latency.js';
import { translationScores } from '../../dist/metrics/translation-scores.js';
import { machine } from '../../dist/report/machine.js';
import { WhisperModel } from '../../dist/whisper/model.js';
import { resultsFile, root } from './runs.mjs';

const WAYS =
  'offline,fixed:3,fixed:6,local-agreement:0.5,local-agreement:1,local-agreement:2,alignatt:10:0.5,alignatt:25:0.5,alignatt:50:0.5';
const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/whisper-base-int8' },
    name: { type: 'string' },
    to: { type: 'string', default: 'en' },
    languages: { type: 'string', default: 'fr,ca' },
    ways: { type: 'string', default: WAYS },
    threads: { type: 'string', default: '1' },
    compute: { type: 'string', default: 'int8' },
    clock: { type: 'string', default: 'simulated' },
    seconds: { type: 'string' },
    table: { type: 'boolean' },
  },
});
/** Silence between the sentences, seconds. */
const PAUSE = 0.5;
/** What ends an utterance, and what is translated at a time: lines of an earlier program are another's. */
const pauses = '0.5 s, 0.35 s after 4 s of speech; sentence by sentence';
const results = resultsFile('live');

if (values.table) {
  table();
} else {
  const name = values.name ?? basename(values.model);
  const model = await WhisperModel.load(resolve(root, values.model), {
    threads: Number(values.threads),
    compute: /** @type {import('../../dist/whisper/compute.js').Compute} */ (values.compute),
  });
  for (const language of values.languages.split(',')) {
    const stream = await streamOf(language);
    for (const way of values.ways.split(',')) {
      const wanted = {
        ...{ model: name, to: values.to, language, way, threads: Number(values.threads) },
        ...{ compute: values.compute, clock: values.clock, seconds: Number(values.seconds ?? 0), pauses },
      };
      if (results.find(wanted)) continue;
      results.add({ ...wanted, ...(await measured(model, stream, language, way)), cpu: (await machine()).cpu });
    }
  }
  await model.close();
}

async function streamOf(language) {
  const clips = (await readManifest(join(root, 'samples/manifest.tsv'))).filter(
    (clip) => clip.language === language && clip.set === 'intro' && referenceIn(clip, values.to),
  );
  clips.sort((a, b) => (a.key < b.key ? -1 : 1));
  const parts = [];
  const sentences = [];
  let at = 0;
  for (const clip of clips) {
    const samples = await readAudio(clip.audio);
    if (values.seconds && at > Number(values.seconds) * SAMPLE_RATE) break;
    const pause = new Float32Array(PAUSE * SAMPLE_RATE);
    parts.push(samples, pause);
    sentences.push({ start: at, end: at + samples.length, audio: clip.audio, reference: referenceIn(clip, values.to) });
    at += samples.length + pause.length;
  }
  const samples = joinSamples(parts);
  return { samples, sentences, groups: await groupsOf(samples, sentences) };
}

/** Sentences, those together that an utterance has in common. */
async function groupsOf(samples, sentences) {
  const utterances = new Utterances();
  const found = [];
  for (let from = 0; from < samples.length; from += SAMPLE_RATE)
    found.push(...(await utterances.add(samples.subarray(from, from + SAMPLE_RATE))));
  utterances.commit();
  const groups = sentences.map((sentence) => ({ start: sentence.start, end: sentence.end, sentences: [sentence] }));
  // A sentence is in an utterance with half a second of it.
  const overlap = (a, b) => Math.min(a.end, b.end) - Math.max(a.start, b.start);
  for (const utterance of found) {
    const own = groups.filter((group) => overlap(group, utterance) > 0.5 * SAMPLE_RATE);
    for (const other of own.slice(1)) {
      groups.splice(groups.indexOf(other), 1);
      own[0].end = other.end;
      own[0].sentences.push(...other.sentences);
    }
  }
  return groups;
}

async function measured(model, stream, language, way) {
  const [kind, ...settings] = way.split(':');
  const { groups, samples } = stream;
  const begin = performance.now();
  /** Committed texts: of which part of the stream, and when. */
  const { written, modes = 0 } =
    kind === 'offline'
      ? { written: await offline(model, stream, language) }
      : kind === 'fixed'
        ? { written: await fixedWindows(model, samples, language, Number(settings[0])) }
        : await live(model, samples, language, kind, settings.map(Number));
  const seconds = (performance.now() - begin) / 1000;
  const texts = groups.map(() => ({ text: '', commits: [] }));
  for (const { start, end, pieces } of written) {
    const overlaps = groups.map((group) => Math.min(group.end, end) - Math.max(group.start, start));
    const own = texts[overlaps.indexOf(Math.max(...overlaps))];
    if (own.text !== '' && languageProfile(values.to).spaces) own.text += ' ';
    for (const { text, time, elapsed } of pieces) {
      own.text += own.text === '' || /\s$/.test(own.text) ? text.trimStart() : text;
      own.commits.push({ length: own.text.trimEnd().length, time, elapsed });
    }
  }
  const joined = (group) =>
    group.sentences.map(({ reference }) => reference).join(languageProfile(values.to).spaces ? ' ' : '');
  const references = groups.map(joined);
  const predictions = texts.map(({ text }) => text.trim());
  const { chrf, bleu } = await translationScores(predictions, references, values.to);
  const facts = { instances: groups.length, audio: round(samples.length / SAMPLE_RATE), chrf: round(chrf), bleu: round(bleu) };
  if (kind === 'offline') return { ...facts, computed: round(seconds) };
  const lines = groups.map((group, index) => logLine(group, texts[index], references[index], index));
  const whole = latency(lines, { language: values.to, longForm: true });
  const early = lines.flatMap(({ delays, source_length: end }) => delays.map((delay) => delay < end));
  return {
    ...facts,
    computed: round(seconds),
    unaware: rounded(whole.unaware),
    aware: rounded(whole.aware),
    // Units that were committed before their sentence had ended.
    early: round(early.filter(Boolean).length / early.length, 3),
    modes,
  };
}

function logLine(group, { text, commits }, reference, index) {
  const prediction = text.trim();
  const units = latencyUnits(prediction, values.to);
  const start = group.start / SAMPLE_RATE;
  let at = 0;
  const times = units.map((unit) => {
    at = prediction.indexOf(unit, at) + unit.length;
    return commits.find(({ length }) => length >= at) ?? commits.at(-1);
  });
  return {
    ...{ index, prediction, reference, prediction_length: units.length, source: [] },
    source_length: ((group.end - group.start) / SAMPLE_RATE) * 1000,
    delays: times.map(({ time }) => (time - start) * 1000),
    elapsed: times.map(({ elapsed }) => (elapsed - start) * 1000),
  };
}

async function offline(model, { sentences }, language) {
  const files = sentences.map(({ audio }) => ({ audio, language }));
  const written = [];
  for await (const result of transcribeFiles(model, files, { task: 'translate', to: values.to, from: language })) {
    if ('error' in result) throw new Error(result.error);
    const { start, end } = sentences[written.length];
    written.push({ start, end, pieces: [{ text: result.text, time: 0, elapsed: 0 }] });
  }
  return written;
}

/** Each window when it is over; computing delays those after it. */
async function fixedWindows(model, samples, language, seconds) {
  const length = seconds * SAMPLE_RATE;
  const written = [];
  let free = 0;
  for (let start = 0; start < samples.length; start += length) {
    const end = Math.min(samples.length, start + length);
    const begin = performance.now();
    const files = [{ audio: samples.slice(start, end), language }];
    let text = '';
    for await (const result of transcribeFiles(model, files, { task: 'translate', to: values.to, from: language })) {
      if ('error' in result) throw new Error(result.error);
      text = result.text;
    }
    free = Math.max(free, end / SAMPLE_RATE) + (performance.now() - begin) / 1000;
    const space = languageProfile(values.to).spaces ? ' ' : '';
    if (text) written.push({ start, end, pieces: [{ text: text + space, time: end / SAMPLE_RATE, elapsed: free }] });
  }
  return written;
}

async function live(model, samples, language, policy, settings) {
  const clock = values.clock === 'wall' ? wallClock : skippingClock();
  const [frames, interval] = policy === 'alignatt' ? settings : [undefined, settings[0]];
  const session = await LiveSession.start(model, {
    ...{ task: 'translate', to: values.to, from: language, policy, interval, clock: () => clock.now() },
    ...(frames !== undefined && { frames }),
  });
  const pieces = new Map();
  const written = [];
  let modes = 0;
  for await (const event of heardBy(session, [samples], clock)) {
    if (event.type === 'mode') modes++;
    if (event.type === 'text' && event.text.committed !== '') {
      const own = pieces.get(event.utterance) ?? [];
      pieces.set(event.utterance, own);
      own.push({ text: event.text.committed, time: event.time, elapsed: event.time + event.lag });
    }
    if (event.type === 'utterance') {
      const own = pieces.get(event.utterance);
      const [start, end] = [event.start, event.end].map((time) => time * SAMPLE_RATE);
      if (own) written.push({ start, end, pieces: own });
    }
  }
  return { written, modes };
}

function round(value, digits = 2) {
  return Number(value.toFixed(digits));
}

function rounded(values) {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, round(value)]));
}

function table() {
  const lines = results.all().filter(({ seconds, clock }) => seconds === 0 && clock === 'simulated');
  const groups = new Map();
  for (const line of lines) {
    const key = `${line.model}, ${line.language} → ${line.to}`;
    groups.set(key, [...(groups.get(key) ?? []), line]);
  }
  const ms = (value) => (value === undefined ? '' : (value / 1000).toFixed(2));
  for (const [key, own] of groups) {
    const offlineChrf = own.find(({ way }) => way === 'offline')?.chrf;
    console.log(`\n${key}\n`);
    console.log('| way | LAAL | LAAL, computed | YAAL | YAAL, computed | AP | before the end | chrF | of offline | computing |');
    console.log('|---|---|---|---|---|---|---|---|---|---|');
    const settings = (way) => way.split(':').slice(1).map(Number).reduce((a, b) => 1000 * a + b, 0);
    const order = ({ way }) => 1e9 * ['offline', 'fixed', 'local-agreement', 'alignatt'].indexOf(way.split(':')[0]) + settings(way);
    for (const { way, unaware, aware, chrf, early, computed, audio } of own.sort((a, b) => order(a) - order(b))) {
      const share = offlineChrf ? `${((100 * chrf) / offlineChrf).toFixed(0)} %` : '';
      console.log(
        `| ${way} | ${ms(unaware?.LAAL)} | ${ms(aware?.LAAL)} | ${ms(unaware?.YAAL)} | ${ms(aware?.YAAL)} | ` +
          `${unaware?.AP.toFixed(2) ?? ''} | ${early === undefined ? '' : `${(100 * early).toFixed(0)} %`} | ` +
          `${chrf.toFixed(1)} | ${share} | ${((100 * computed) / audio).toFixed(0)} % |`,
      );
    }
  }
}
