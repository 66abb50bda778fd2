// The manifest of the training evidence in docs/lab/results.md.
//
//     node scripts/evidence/manifest.mjs <tatoeba_en/manifest.tsv> <gcompris/manifest.tsv> out/evidence/manifest.tsv
//
// Trained on: Tatoeba's English clips (set train) and half A of GCompris' English sentences (even positions in the order
// of their keys). Tested on: other Tatoeba clips (test), half A read in French and Catalan (known: the sentence was trained
// on, the language was not), and half B in all three languages (new).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const [tatoeba, gcompris, output] = process.argv.slice(2);
if (!output) throw new Error('expected two manifests and the file to write');

function rows(file) {
  const [header, ...lines] = readFileSync(file, 'utf8').trim().split('\n');
  const names = header.split('\t');
  return lines.map((line) => {
    const cells = line.split('\t');
    const row = Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']));
    row.audio = relative(dirname(resolve(output)), resolve(join(dirname(file), row.audio)));
    return row;
  });
}

const sentences = rows(gcompris).filter(({ set, zh }) => set === 'intro' && zh);
const keys = sentences.filter(({ lang }) => lang === 'en').map(({ key }) => key);
const halfA = new Set(keys.sort().filter((_, i) => i % 2 === 0));
const named = sentences.map((row) => {
  if (!halfA.has(row.key)) return { ...row, set: 'new' };
  return { ...row, set: row.lang === 'en' ? 'train' : 'known' };
});
const names = ['audio', 'lang', 'set', 'key', 'en', 'source_text', 'zh', 'duration_s'];
const all = [...rows(tatoeba), ...named];
mkdirSync(dirname(output), { recursive: true });
writeFileSync(
  output,
  `${[names, ...all.map((row) => names.map((name) => row[name]))].map((cells) => cells.join('\t')).join('\n')}\n`,
);
