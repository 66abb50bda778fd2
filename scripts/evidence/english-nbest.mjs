// English first, with several English texts: those of a beam search over the speech, each translated, and one chosen (by its
// probability, or as the one that the others resemble most), beside the usual way and what the reference's English gives.
// Scored as levers.mjs does: set `new` and half B of GCompris. A line is appended to docs/lab/english-nbest.jsonl.
//
//     npm run build
//     node scripts/evidence/english-nbest.mjs --model out/two-hours [--beams 5]
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readAudio } from '../../dist/audio/audio-file.js';
import { referenceIn } from '../../dist/data/clip.js';
import { readManifest } from '../../dist/data/manifest.js';
import { decodeClips } from '../../dist/decoding/decode-clips.js';
import { chrfFromStatistics, chrfStatistics } from '../../dist/metrics/chrf.js';
import { translationScores } from '../../dist/metrics/translation-scores.js';
import { placesBy } from '../../dist/lists.js';
import { machine } from '../../dist/report/machine.js';
import { withoutSpeech } from '../../dist/whisper/encoded-clip.js';
import { WhisperModel } from '../../dist/whisper/model.js';
import { englishPrompt, promptOf, separatorOf } from '../../dist/whisper/prompts.js';
import { resultsFile, root, testClips } from './runs.mjs';

const { values } = parseArgs({ options: { model: { type: 'string' }, beams: { type: 'string', default: '5' } } });
const beams = Number(values.beams);
const results = resultsFile('english-nbest');
const wanted = { model: basename(resolve(values.model ?? '')), beams };
if (results.find(wanted)) process.exit();
const model = await WhisperModel.load(resolve(values.model ?? ''));
const before = await model.englishHalf();
const clips = testClips(await readManifest(join(root, 'samples/manifest.tsv')));
const separator = separatorOf(model.tokens, 'english-first', 'zh') ?? 0;

/** The English texts of each clip with their scores, best first; the last is the reference's. */
const english = [];
for (let start = 0; start < clips.length; start += 8) {
  const part = clips.slice(start, start + 8);
  const encoded = await model.encode(await Promise.all(part.map(({ audio }) => readAudio(audio))), 'fit');
  const prompts = part.map(({ language }) => promptOf(before.tokens, 'english-first', 'zh', language));
  for (const [i, found] of (await decodeClips(before, encoded, { prompts, beams })).entries()) {
    const others = found.alternatives.filter(({ text }) => text !== found.text);
    const reference = { tokens: model.tokens.encode(` ${referenceIn(part[i], 'en')}`), score: 0 };
    english.push([found, ...others, reference]);
  }
  console.error(`English half: ${english.length} of ${clips.length}`);
}
const flat = english.flat();
const silence = withoutSpeech(model.dimensions.width);
const prompt = englishPrompt(model.tokens);
const decoded = await decodeClips(
  model,
  flat.map(() => silence),
  {
    prompts: flat.map(({ tokens }) => [...prompt, ...tokens, separator]),
    onProgress: (done) => console.error(`second half: ${done} of ${flat.length}`),
  },
);
/** Translations of a clip's English texts, and of the reference. */
const texts = english.map((own) => {
  const all = own.map(({ score }) => {
    const { text, averageLogProbability } = decoded.shift();
    return { text, english: score, target: averageLogProbability };
  });
  return { reference: all.at(-1), found: all.slice(0, -1) };
});

const likeness = (a, b) => chrfFromStatistics(chrfStatistics([a], [[b]])[0]).score;
/** The text of the largest mean likeness to the others, weighted by the probability of their English. */
function consensus(found) {
  const weights = found.map(({ english }) => Math.exp(4 * (english - found[0].english)));
  const merit = found.map(({ text }) => found.reduce((sum, other, i) => sum + weights[i] * likeness(text, other.text), 0));
  return found[merit.indexOf(Math.max(...merit))].text;
}
const likeliest = (found) =>
  found.reduce((best, one) => (one.english + one.target > best.english + best.target ? one : best)).text;
const RULES = {
  'the first': ({ found }) => found[0].text,
  likeliest: ({ found }) => likeliest(found),
  'most like the others': ({ found }) => consensus(found),
  'of the English reference': ({ reference }) => reference.text,
};
const chrf = {};
for (const [kind, places] of placesBy(clips, ({ set, language }) => `${language}, ${set === 'new' ? 'synthetic' : 'people'}`)) {
  for (const [rule, choose] of Object.entries(RULES)) {
    const hypotheses = places.map((place) => choose(texts[place]));
    const found = await translationScores(hypotheses, places.map((place) => referenceIn(clips[place], 'zh')), 'zh');
    (chrf[kind] ??= {})[rule] = Number(found.chrf.toFixed(1));
  }
}
results.add({ ...wanted, seed: 1, machine: await machine(), chrf });
await model.close();
