// The manifest of the evidence for German and French as targets in docs/lab/results.md.
//
//     npm run build
//     node scripts/evidence/targets.mjs --tatoeba <tatoeba_en/manifest.tsv> --pivot <tatoeba_pivot.tsv> \
//       --gcompris <gcompris/manifest.tsv> --voices <gcompris_voices.tsv> --output out/evidence/targets.tsv
//
// Trained on: Tatoeba's English clips (train, dev, test) with the translations of their English sentence. Tested on
// languages that are not trained: the samples' French into German and German into French, 60 sentences each (new; the
// same sentences in English beside them), and GCompris' sentences, read by people, in English and Catalan into French
// (gcompris; what is said is the recording's, the texts are of today). A training clip whose sentence or translation is
// one of those tests is skipped.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readFileSync } from 'node:fs';
import { readManifest } from '../../dist/data/manifest.js';
import { writeManifest } from '../../dist/data/manifest-write.js';

const { values } = parseArgs({
  options: Object.fromEntries(
    ['tatoeba', 'pivot', 'gcompris', 'voices', 'output'].map((name) => [name, { type: 'string' }]),
  ),
});
const TARGETS = ['de', 'fr'];

function table(file) {
  const [header, ...lines] = readFileSync(file, 'utf8').trimEnd().split(/\r?\n/);
  const names = header.split('\t');
  return lines.map((line) => Object.fromEntries(line.split('\t').map((cell, i) => [names[i], cell])));
}

/** The first translation of each sentence. */
const translations = new Map();
for (const row of table(values.pivot)) {
  const known = translations.get(row.en) ?? {};
  for (const code of TARGETS) if (row[code]) known[code] ??= row[code];
  translations.set(row.en, known);
}

const samples = `${dirname(fileURLToPath(import.meta.url))}/../../samples/manifest.tsv`;
const news = (await readManifest(samples)).filter(({ set }) => set === 'new');
const saidIn = new Map(news.map(({ key, language, text }) => [`${key} ${language}`, text]));
const tests = news.map((clip) => ({
  ...clip,
  translations: Object.fromEntries(
    TARGETS.filter((code) => code !== clip.language).map((code) => [code, saidIn.get(`${clip.key} ${code}`)]),
  ),
}));

const voices = new Map(table(values.voices).map((row) => [row.key, row]));
const gcompris = (await readManifest(values.gcompris))
  .filter(({ set, language, key }) => set === 'intro' && ['en', 'ca'].includes(language) && voices.get(key)?.fr)
  .map((clip) => ({
    ...clip,
    set: 'gcompris',
    text: voices.get(clip.key)[clip.language],
    translations: { fr: voices.get(clip.key).fr },
  }));

const plain = (text) => text.toLowerCase().replace(/[\p{P}\p{S}\s]+/gu, ' ').trim();
const tested = new Set(
  [...tests, ...gcompris].flatMap(({ text, translations: other }) => [text, ...Object.values(other)].map(plain)),
);
const tatoeba = (await readManifest(values.tatoeba))
  .map((clip) => ({ ...clip, translations: translations.get(clip.text) ?? {} }))
  .filter(({ text, translations: other }) => Object.keys(other).length > 0 && !tested.has(plain(text)));
const training = tatoeba.map((clip) => ({
  ...clip,
  translations: Object.fromEntries(
    Object.entries(clip.translations).filter(([, text]) => !tested.has(plain(text))),
  ),
}));

const clips = [...training, ...tests, ...gcompris];
await writeManifest(values.output, clips);
const counts = {};
for (const { set, language, translations: written } of clips) {
  for (const code of Object.keys(written)) {
    const name = `${set}: ${language} into ${code}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
}
console.log(counts);
