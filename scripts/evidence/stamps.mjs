// Real speech in eight languages that the package does not have: descriptions of Tux Paint's stamps, read by one person in each
// language, with their Chinese translations (GPL-2+; Debian's package tuxpaint-stamps-default, not in this repository).
//
//     apt-get download tuxpaint-stamps-default && dpkg-deb -x tuxpaint-stamps-default_*.deb stamps
//     npm run build && node scripts/evidence/stamps.mjs stamps --model models/whisper-base-int8 [--model out/two-hours]... \
//       [--without <text.tsv>]... [--clips 60] [--threads 1]
//
// Texts of at least four words that are not of coins, letters or numbers; those that a table named by --without has in English are left out. A line for each model is
// appended to docs/lab/stamps.jsonl; p-values are against the first model.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { writeManifest } from '../../dist/data/manifest-write.js';
import { byHash, han, readTable, words } from '../samples/sentences.mjs';
import { evaluate, resultsFile, root } from './runs.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', multiple: true, default: [join(root, 'models/whisper-base-int8')] },
    without: { type: 'string', multiple: true, default: [] },
    clips: { type: 'string', default: '60' },
    threads: { type: 'string' },
    beam: { type: 'string', default: '1' },
  },
});
if (!positionals[0]) throw new Error('expected the folder of the unpacked package');
const LANGUAGES = ['es', 'ca', 'fr', 'ro', 'ru', 'bg', 'be', 'el'];
const MIN_WORDS = 4;
/** Coins and single letters are no sentences. */
const ODD = /[\d()<>]|\b(letter|letters|cents?|coin|dollar|euro|number)\b/i;
const out = join(root, 'out/stamps');
mkdirSync(out, { recursive: true });

const textOf = (english) => words(english).join(' ');
const known = new Set(values.without.flatMap((file) => readTable(resolve(file)).map((row) => textOf(row.text_en))));

/** Clips of a language; a text names its translations as <code>.utf8=<text>. */
function* clips(folder, language) {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(`_desc_${language}.ogg`));
  for (const file of files) {
    const texts = join(folder, file.replace(/_desc_.*$/, '.txt'));
    if (!existsSync(texts)) continue;
    const [en, ...lines] = readFileSync(texts, 'utf8').split('\n');
    const translations = new Map(lines.map((line) => [line.split('.utf8=')[0], line.split('.utf8=')[1]?.trim()]));
    const [text, zh] = [translations.get(language), translations.get('zh_CN')];
    if (!text || !zh || han(zh).length < 2 || words(en).length < MIN_WORDS || ODD.test(en) || known.has(textOf(en))) continue;
    const key = basename(file).replace(/_desc_.*$/, '');
    yield { audio: join(folder, file), language, set: 'stamps', key, text, en: textOf(en), translations: { en, zh } };
  }
}

const all = LANGUAGES.flatMap((language) => {
  const texts = new Set();
  const once = [...clips(resolve(positionals[0]), language)].filter(({ en }) => !texts.has(en) && texts.add(en));
  return byHash(once).slice(0, Number(values.clips));
});
const manifest = join(out, 'stamps.tsv');
await writeManifest(manifest, all.map(({ en: _, ...clip }) => clip));
const results = resultsFile('stamps');
for (const model of values.model.map((one) => resolve(one))) {
  const wanted = { model: basename(model), beam: Number(values.beam) };
  if (results.find(wanted)) continue;
  const { machine, scores } = evaluate(manifest, join(out, `evaluation-${values.beam}`), {
    ...{ baseline: resolve(values.model[0]), model, metrics: ['bleu', 'chrf', 'off-target'] },
    flags: ['--to', 'zh', '--beam', values.beam, '--cache', join(out, 'cache'), ...(values.threads ? ['--threads', values.threads] : [])],
  });
  results.add({ ...wanted, seed: 1, machine, scores });
}
