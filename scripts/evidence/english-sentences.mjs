// English first on windows of several sentences without timestamps: the sentences of real people in samples/ (GCompris) are joined by
// twos, threes and fours with half a second of silence between, and each recording (at most 30 s) is translated as a clip. Told is
// chrF over the joined references, beside that of the sentences' own texts, translated alone and joined. A line for each language and
// number of sentences is appended to docs/lab/english-sentences.jsonl.
//
//     npm run build
//     node scripts/evidence/english-sentences.mjs --model out/two-hours [--to zh] [--languages en,fr,ca] [--threads 1] [--name now]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readAudio } from '../../dist/audio/audio-file.js';
import { joinSamples } from '../../dist/audio/join-samples.js';
import { SAMPLE_RATE } from '../../dist/audio/sample-rate.js';
import { wavBytes } from '../../dist/audio/wav-write.js';
import { referenceIn } from '../../dist/data/clip.js';
import { MAX_SECONDS } from '../../dist/data/recording.js';
import { readManifest } from '../../dist/data/manifest.js';
import { languageProfile } from '../../dist/language/profile.js';
import { translationScores } from '../../dist/metrics/translation-scores.js';
import { machine } from '../../dist/report/machine.js';
import { cli, resultsFile, root } from './runs.mjs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    to: { type: 'string', default: 'zh' },
    languages: { type: 'string', default: 'en,fr,ca' },
    threads: { type: 'string' },
    name: { type: 'string', default: 'now' },
  },
});
const PAUSE = 0.5;
const model = resolve(values.model);
const out = join(root, 'out/english-sentences', values.name);
mkdirSync(out, { recursive: true });
const samples = await readManifest(join(root, 'samples/manifest.tsv'));
const results = resultsFile('english-sentences');
const space = languageProfile(values.to).spaces ? ' ' : '';

/** Texts of files, in their order. */
function translated(name, language, files) {
  const file = join(out, `${name}.jsonl`);
  cli(
    'translate',
    ...files,
    ...['--model', model, '--to', values.to, '--from', language, '--json', '--results', file, '--resume'],
    ...(values.threads ? ['--threads', values.threads] : []),
  );
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
  const texts = new Map(lines.map((line) => [basename(line.audio), line.text]));
  return files.map((path) => texts.get(basename(path)) ?? '');
}

for (const language of values.languages.split(',')) {
  const clips = samples.filter((one) => one.set === 'intro' && one.language === language);
  const alone = translated(`${language}-alone`, language, clips.map(({ audio }) => audio));
  for (const count of [2, 3, 4]) {
    const groups = [];
    for (let i = 0; i + count <= clips.length; i += count) {
      const sounds = [];
      for (const { audio } of clips.slice(i, i + count)) sounds.push(await readAudio(audio), new Float32Array(PAUSE * SAMPLE_RATE));
      const sound = joinSamples(sounds);
      if (sound.length > MAX_SECONDS * SAMPLE_RATE) continue;
      const file = join(out, `${language}-${count}-${i}.wav`);
      writeFileSync(file, wavBytes(sound));
      groups.push({ file, first: i });
    }
    const texts = translated(`${language}-${count}`, language, groups.map(({ file }) => file));
    const joined = (of) => groups.map(({ first }) => Array.from({ length: count }, (_, k) => of(first + k)).join(space));
    const references = joined((i) => referenceIn(clips[i], values.to));
    const chrf = async (own) => Number((await translationScores(own, references, values.to)).chrf.toFixed(2));
    const line = {
      ...{ name: values.name, model: basename(model), language, to: values.to, sentences: count, recordings: groups.length },
      ...{ chrf: await chrf(texts), alone: await chrf(joined((i) => alone[i])), machine: await machine() },
    };
    results.add(line);
    console.log(`${language}, ${count} sentences: chrF ${line.chrf}, alone ${line.alone}`);
  }
}
