// A tuned model on long recordings: the sentences of real people in samples/ (GCompris), joined with half a second of silence
// between them, are translated into SRT as one file, and alone as single clips. Told is what the long file costs: chrF over the same
// sentences, and how far the cues' times are from the sentences' borders. A line for each model, language and way is appended to
// docs/lab/long-recordings.jsonl.
//
//     npm run build
//     node scripts/evidence/long-recordings.mjs [--model models/whisper-base-int8] [--model out/two-hours]... [--share 0 --share 0.3]... [--steps 400] \
//       [--languages fr,ca,en] [--way=--batched]... [--threads 1]
//
// --share trains a direct model (English speech of samples/: set train, and half A of GCompris) with that `data.timestamps`. The
// embedded Whisper, which is not tuned, is the reference: it translates into English.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readAudio } from '../../dist/audio/audio-file.js';
import { joinSamples } from '../../dist/audio/join-samples.js';
import { SAMPLE_RATE } from '../../dist/audio/sample-rate.js';
import { wavBytes } from '../../dist/audio/wav-write.js';
import { referenceIn } from '../../dist/data/clip.js';
import { readManifest } from '../../dist/data/manifest.js';
import { writeManifest } from '../../dist/data/manifest-write.js';
import { languageProfile } from '../../dist/language/profile.js';
import { translationScores } from '../../dist/metrics/translation-scores.js';
import { machine } from '../../dist/report/machine.js';
import { cli, resultsFile, root, testClips, train } from './runs.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string', multiple: true, default: [] },
    share: { type: 'string', multiple: true, default: [] },
    steps: { type: 'string', default: '400' },
    languages: { type: 'string', default: 'fr,ca,en' },
    way: { type: 'string', multiple: true, default: [''] },
    threads: { type: 'string' },
  },
});
/** Silence between the sentences, seconds. */
const PAUSE = 0.5;
/** A frame is silent that much below the loudest of its sentence, dB. */
const SILENT = -35;
/** Sounds so many frames apart are two; a shorter one is a click. */
const APART = 20;
const CLICK = 15;
const FRAME = 0.01 * SAMPLE_RATE;
/** Goals: chrF of the long file beside the single clips', and the distance of a cue's time from the sentence's, seconds. */
const GOAL_CHRF = 0.9;
const GOAL_TIME = 0.5;
const GOAL_SHARE = 0.9;

const out = join(root, 'out/long-recordings');
mkdirSync(out, { recursive: true });
const threads = values.threads ? ['--threads', values.threads] : [];
const samples = await readManifest(join(root, 'samples/manifest.tsv'));
const results = resultsFile('long-recordings');

/** From the first to the last sound, seconds: frames that are not silent, without clicks of the recorder beside the sentence. */
function spokenSpan(sound) {
  const levels = [];
  for (let i = 0; i + FRAME <= sound.length; i += FRAME) {
    let energy = 0;
    for (let k = i; k < i + FRAME; k++) energy += sound[k] ** 2;
    levels.push(10 * Math.log10(energy + 1e-12));
  }
  const loudest = levels.reduce((a, b) => Math.max(a, b));
  const sounds = [];
  for (const [i, level] of levels.entries()) {
    if (level <= loudest + SILENT) continue;
    const last = sounds.at(-1);
    if (last && i - last.end < APART) last.end = i + 1;
    else sounds.push({ start: i, end: i + 1 });
  }
  const long = sounds.filter(({ start, end }) => end - start >= CLICK);
  const [first, last] = [long[0] ?? sounds[0], long.at(-1) ?? sounds.at(-1)];
  return { start: (first.start * FRAME) / SAMPLE_RATE, end: (last.end * FRAME) / SAMPLE_RATE };
}

/** The sentences of a language, with the times of each in the joined file. */
async function longFile(language) {
  const file = join(out, `${language}.wav`);
  const parts = [];
  const sentences = [];
  let at = 0;
  for (const clip of samples.filter((one) => one.set === 'intro' && one.language === language)) {
    const sound = await readAudio(clip.audio);
    const { start, end } = spokenSpan(sound);
    sentences.push({ clip, start: at + start, end: at + end });
    parts.push(sound, new Float32Array(PAUSE * SAMPLE_RATE));
    at += sound.length / SAMPLE_RATE + PAUSE;
  }
  if (!existsSync(file)) writeFileSync(file, wavBytes(joinSamples(parts)));
  return { file, sentences, seconds: at };
}

const secondsOf = (time) => time.split(/[:,]/).reduce((sum, part, i) => sum + Number(part) * [3600, 60, 1, 0.001][i], 0);

/** Cues of an SRT file. */
function cuesOf(file) {
  const blocks = readFileSync(file, 'utf8').trim().split(/\r?\n\r?\n/);
  return blocks.flatMap((block) => {
    const [, times, ...text] = block.split(/\r?\n/);
    const [start, end] = (times ?? '').split(' --> ').map(secondsOf);
    return end === undefined ? [] : [{ start, end, text: text.join(' ') }];
  });
}

const overlap = (a, b) => Math.min(a.end, b.end) - Math.max(a.start, b.start);
/** Whether a cue has so much of a sentence, or the sentence of the cue, that its text may be in it. */
const covers = (cue, sentence) => overlap(cue, sentence) >= 0.3 * Math.min(cue.end - cue.start, sentence.end - sentence.start);

/**
 * Sentences that share a cue, as one: what a cue says of which of them cannot be told. A cue that covers none is that of the
 * nearest one.
 */
function groupsOf(sentences, cues, target) {
  const covered = cues.map((cue) => {
    const own = sentences.flatMap((sentence, i) => (covers(cue, sentence) ? [i] : []));
    if (own.length > 0) return own;
    const distances = sentences.map((sentence) => -overlap(cue, sentence));
    return [distances.indexOf(distances.reduce((a, b) => Math.min(a, b)))];
  });
  const groupOf = sentences.map((_, i) => i);
  for (const own of covered) {
    const joined = new Set(own.map((i) => groupOf[i]));
    const first = [...joined].reduce((a, b) => Math.min(a, b));
    for (const [i, group] of groupOf.entries()) if (joined.has(group)) groupOf[i] = first;
  }
  const space = languageProfile(target).spaces ? ' ' : '';
  const groups = [...new Set(groupOf)].map((group) => ({
    members: groupOf.flatMap((one, i) => (one === group ? [i] : [])),
    text: cues.flatMap(({ text }, c) => (groupOf[covered[c][0]] === group ? [text] : [])).join(space),
  }));
  return {
    groups,
    space,
    without: sentences.filter((_, i) => !covered.some((own) => own.includes(i))).length,
    spanning: covered.filter((own) => own.length > 1).length,
  };
}

const rounded = (value, digits = 1) => Number(value.toFixed(digits));

/** How far the nearest cue begins from each sentence's beginning, and ends from its end. */
function timesOf(sentences, cues) {
  const nearest = (time, key) => cues.reduce((least, cue) => Math.min(least, Math.abs(cue[key] - time)), Number.POSITIVE_INFINITY);
  const summary = (distances) => {
    const sorted = [...distances].sort((a, b) => a - b);
    const at = (share) => rounded(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0, 2);
    const within = sorted.filter((distance) => distance <= GOAL_TIME).length / sorted.length;
    return { median: at(0.5), p90: at(0.9), within: rounded(within, 3) };
  };
  const starts = sentences.map(({ start }) => nearest(start, 'start'));
  const ends = sentences.map(({ end }) => nearest(end, 'end'));
  return { all: summary([...starts, ...ends]), starts: summary(starts), ends: summary(ends) };
}

/** The texts of the sentences alone. */
function singles(model, name, language, sentences, target) {
  const file = join(out, name, `singles-${language}.jsonl`);
  cli(
    'translate',
    ...sentences.map(({ clip }) => clip.audio),
    ...['--model', model, '--to', target, '--from', language, '--json', '--results', file, '--resume', ...threads],
  );
  const texts = new Map(
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
      .map((line) => [basename(line.audio), line.text]),
  );
  return sentences.map(({ clip }) => texts.get(basename(clip.audio)) ?? '');
}

const models = [];
const embedded = join(root, 'models/whisper-base-int8');
for (const one of values.model.map((folder) => resolve(folder))) models.push({ model: one, target: one === embedded ? 'en' : 'zh' });
if (values.share.length > 0) {
  const half = new Set(testClips(samples).map(({ audio }) => audio));
  const manifest = join(out, 'half-a.tsv');
  await writeManifest(
    manifest,
    samples
      .filter(({ set, language, audio }) => set === 'intro' && language === 'en' && !half.has(audio))
      .map((clip) => ({ ...clip, set: 'train' })),
  );
  for (const share of values.share) {
    const folder = join(out, `direct-${values.steps}-timestamps-${share}`);
    const recipe = {
      target: 'zh',
      data: {
        corpora: [{ manifest: join(root, 'samples/manifest.tsv'), set: 'train', language: 'en' }, { manifest, weight: 5 }],
        cache: join(out, 'cache'),
        maxPadding: 0.3,
        ...(Number(share) > 0 && { timestamps: Number(share) }),
      },
      optimizer: { steps: Number(values.steps) },
      checkpointEvery: 50,
    };
    const { seconds } = await train(folder, recipe, threads);
    models.push({ model: folder, target: 'zh', seconds });
  }
}

for (const { model, target, seconds: training } of models) {
  const name = basename(model);
  mkdirSync(join(out, name), { recursive: true });
  for (const language of values.languages.split(',')) {
    if (target === language) continue;
    for (const way of values.way) {
      const wanted = { model: name, language, way };
      let line = results.find(wanted);
      if (!line) {
        const { file, sentences, seconds } = await longFile(language);
        const alone = singles(model, name, language, sentences, target);
        const folder = join(out, name, `long${way.replace(/\W+/g, '-')}`);
        const begun = performance.now();
        cli(
          'translate',
          file,
          ...['--model', model, '--to', target, '--from', language, '--format', 'srt', '--output', folder],
          ...way.split(' ').filter(Boolean),
          ...threads,
        );
        const took = (performance.now() - begun) / 1000;
        const cues = cuesOf(join(folder, `${language}.srt`));
        const { groups, space, without, spanning } = groupsOf(sentences, cues, target);
        const references = groups.map(({ members }) => members.map((i) => referenceIn(sentences[i].clip, target)).join(space));
        const inOne = groups.map(({ members }) => members.map((i) => alone[i]).join(space));
        const chrf = async (texts) => rounded((await translationScores(texts, references, target)).chrf, 2);
        line = {
          ...{ ...wanted, target, minutes: rounded(seconds / 60), sentences: sentences.length, cues: cues.length },
          ...{ groups: groups.length, withoutCue: without, spanning },
          chrf: { long: await chrf(groups.map(({ text }) => text)), alone: await chrf(inOne) },
          times: timesOf(sentences, cues),
          ...{ seconds: rounded(took), ...(training !== undefined && { training }), machine: await machine() },
        };
        results.add(line);
      }
      const ratio = line.chrf.long / line.chrf.alone;
      const check = (reached) => (reached ? 'reached' : 'MISSED');
      console.log(
        `${name}, ${language} → ${target} ${way}: chrF ${line.chrf.long}, alone ${line.chrf.alone} (${rounded(100 * ratio)} %): ${check(ratio >= GOAL_CHRF)}; ` +
          `${rounded(100 * line.times.all.within)} % of borders within ${GOAL_TIME} s (median ${line.times.all.median}, 90 % ${line.times.all.p90}): ${check(line.times.all.within >= GOAL_SHARE)}`,
      );
    }
  }
}
