// A manifest of text alone (no audio) from a table of sentence pairs, for training English first on text beside speech.
//
//     node scripts/samples/parallel-text.mjs --pairs <table.tsv or .tsv.gz> [--to zh] [--column zh_CN] --output <text.tsv>
//
// The table has a header with a column `en` and one in the target language. Left out: sentences that are in a test, dev or
// gcompris set of samples/, or nearly (sentences.mjs), empty texts, and those longer than a decoder's context would hold.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { readManifest } from '../../dist/data/manifest.js';
import { writeWhole } from '../../dist/files/write-whole.js';
import { TakenSentences } from './sentences.mjs';

const { values } = parseArgs({
  options: Object.fromEntries(['pairs', 'to', 'column', 'output'].map((name) => [name, { type: 'string' }])),
});
const { pairs, to = 'zh', column = to, output } = values;

const bytes = readFileSync(pairs);
const text = (pairs.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().replace(/^\ufeff/, '');
const [header, ...lines] = text.split(/\r?\n/).filter(Boolean);
const names = header.split('\t');
const [en, target] = [names.indexOf('en'), names.indexOf(column)];
if (en < 0 || target < 0) {
  throw new Error(`${pairs}: expected the columns en and ${column}, found ${names.join(', ')}`);
}

const samples = join(dirname(fileURLToPath(import.meta.url)), '../../samples/manifest.tsv');
const taken = new TakenSentences();
for (const clip of await readManifest(samples)) {
  if (clip.set === 'train') continue;
  taken.add({ en: clip.translations.en ?? clip.text, zh: clip.translations.zh ?? '' });
}
const clean = (cell) => (cell ?? '').replaceAll('\\"', '"').replace(/\s+/g, ' ').trim();
const MAX_CHARACTERS = 300;
const rows = new Set();
let held = 0;
for (const line of lines) {
  const cells = line.split('\t');
  const row = { en: clean(cells[en]), zh: clean(cells[target]) };
  if (row.en === '' || row.zh === '' || row.en.length > MAX_CHARACTERS || row.zh.length > MAX_CHARACTERS) continue;
  if (taken.holds(row)) held++;
  else rows.add(`${row.en}\t${row.zh}\n`);
}
await writeWhole(output, `text_en\ttext_${to}\n${[...rows].join('')}`);
console.log(`${output}: ${rows.size} pairs; ${held} left out, as the tests have them or nearly`);
