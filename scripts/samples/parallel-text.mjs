// A manifest of text alone (no audio) from sentence pairs, for training English first.
//
//     node scripts/samples/parallel-text.mjs --pairs <table.tsv or .tsv.gz> [--to zh] [--column zh_CN] --output <text.tsv>
//     node scripts/samples/parallel-text.mjs --gettext <folder> --output <text.tsv>
//     node scripts/samples/parallel-text.mjs --help-pages <en-US> --translated <zh-CN> --output <text.tsv>
//
// A table has a header with a column `en` and one in the target language. A folder of programs' translations holds files .mo
// or .po, for instance /usr/share/locale/zh_CN/LC_MESSAGES. Help pages are LibreOffice's, a folder each for English and for
// the target (/usr/share/libreoffice/help/en-US of the packages libreoffice-help-en-us and libreoffice-help-zh-cn): their
// paragraphs have the same ids. Left out: sentences that are in a test, dev or gcompris set of samples/, or nearly
// (sentences.mjs), texts with markup or placeholders, of less than MIN_WORDS words where they are labels of programs, and
// those longer than --max-characters (300: about what a decoder's context holds).
// Train English first on them (docs/training.md).
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { mo, po } from 'gettext-parser';
import { readManifest } from '../../dist/data/manifest.js';
import { writeWhole } from '../../dist/files/write-whole.js';
import { TakenSentences } from './sentences.mjs';

const MIN_WORDS = 4;

const { values } = parseArgs({
  options: {
    pairs: { type: 'string' },
    to: { type: 'string', default: 'zh' },
    column: { type: 'string' },
    gettext: { type: 'string' },
    'help-pages': { type: 'string' },
    translated: { type: 'string' },
    'max-characters': { type: 'string', default: '300' },
    output: { type: 'string' },
  },
});
const { to, column = to, output } = values;
const maxCharacters = Number(values['max-characters']);

/** Pairs of a table with a column `en` and one in the target language. */
function* pairsOfTable(file) {
  const bytes = readFileSync(file);
  const text = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().replace(/^\ufeff/, '');
  const [header, ...lines] = text.split(/\r?\n/).filter(Boolean);
  const names = header.split('\t');
  const [en, target] = [names.indexOf('en'), names.indexOf(column)];
  if (en < 0 || target < 0) {
    throw new Error(`${file}: expected the columns en and ${column}, found ${names.join(', ')}`);
  }
  for (const line of lines) {
    const cells = line.split('\t').map((cell) => cell.replaceAll('\\"', '"'));
    yield [cells[en] ?? '', cells[target] ?? ''];
  }
}

const filesIn = (folder, ending) => {
  if (!existsSync(folder)) {
    console.error(`${folder}: found no such folder; expected one with the files to read`);
    process.exit(1);
  }
  return readdirSync(folder, { encoding: 'utf8', recursive: true })
    .filter((name) => ending.test(name))
    .sort();
};
const isSentence = (en) => en.split(/\s+/).length >= MIN_WORDS;
const hasMarkup = (text) => /[<>{}%@#\\|=[\]]/.test(text);

/** A damaged file is named, and has no translations. */
function catalogueOf(name, bytes) {
  try {
    const catalogue = (name.endsWith('.mo') ? mo : po).parse(bytes);
    if (catalogue?.translations) return catalogue;
  } catch {
    // As one that the parser gives nothing of.
  }
  console.error(`${name}: not read: found no gettext catalogue; the others go on`);
  return { translations: {} };
}

/** Pairs of programs' translations, without the marks of keys ("_Open", "打开(_O)"). */
function* pairsOfPrograms(folder) {
  for (const name of filesIn(folder, /\.[mp]o$/)) {
    const bytes = readFileSync(join(folder, name));
    const { translations } = catalogueOf(name, bytes);
    for (const { msgid, msgstr } of Object.values(translations).flatMap(Object.values)) {
      const en = msgid.replace(/[&_](?=\w)/g, '');
      if (isSentence(en)) yield [en, msgstr[0].replace(/\([&_]\w\)/g, '')];
    }
  }
}

const ENTITIES = { nbsp: ' ', lt: '<', gt: '>', amp: '&', quot: '"' };

/** Paragraphs of a page of LibreOffice's help, by id. */
function paragraphsOf(file) {
  const found = new Map();
  const page = readFileSync(file, 'utf8');
  for (const [, , id, html] of page.matchAll(/<(p|h\d)\s[^>]*?\bid="([^"]+)"[^>]*>([\s\S]*?)<\/\1>/g)) {
    found.set(id, html.replace(/<[^>]+>/g, '').replace(/&(\w+);/g, (all, entity) => ENTITIES[entity] ?? all));
  }
  return found;
}

function* pairsOfHelp(english, translated) {
  for (const name of filesIn(english, /\.html$/)) {
    if (!existsSync(join(translated, name))) continue;
    const target = paragraphsOf(join(translated, name));
    for (const [id, en] of paragraphsOf(join(english, name))) {
      if (target.has(id) && isSentence(en)) yield [en, target.get(id)];
    }
  }
}

function pairs() {
  if (values.gettext) return pairsOfPrograms(values.gettext);
  if (values['help-pages']) return pairsOfHelp(values['help-pages'], values.translated);
  return pairsOfTable(values.pairs);
}

const samples = join(dirname(fileURLToPath(import.meta.url)), '../../samples/manifest.tsv');
const taken = new TakenSentences();
for (const clip of await readManifest(samples)) {
  if (clip.set === 'train') continue;
  taken.add({ en: clip.translations.en ?? clip.text, zh: clip.translations.zh ?? '' });
}
const clean = (text) => text.replace(/\s+/g, ' ').trim();
const rows = new Set();
let held = 0;
for (const [english, translation] of pairs()) {
  const row = { en: clean(english), zh: clean(translation) };
  if (row.en === '' || row.zh === '' || row.en.length > maxCharacters || row.zh.length > maxCharacters) continue;
  if (row.en === row.zh || (!values.pairs && hasMarkup(row.en + row.zh))) continue;
  if (taken.holds(row)) held++;
  else rows.add(`${row.en}\t${row.zh}\n`);
}
await writeWhole(output, `text_en\ttext_${to}\n${[...rows].join('')}`);
console.log(`${output}: ${rows.size} pairs; ${held} left out, as the tests have them or nearly`);
