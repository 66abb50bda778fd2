// What a language model adds where speech is not read so well: noise, int8; text of the same kind and of another; no model,
// 5-grams, a small GPT. Resumes where it was stopped; a result's line is appended to docs/lab/language-models.jsonl.
//
//     npm run build
//     node scripts/evidence/language-models.mjs [--model <Whisper base, float16>] [--only texts,train,perplexity,tune,test]
//
// Texts: samples/texts (Tatoeba), English and Chinese, without the sentences of the clips and without every 20th, which is
// held out. Clips: English of samples/: synthetic Tatoeba (the same kind of text), and GCompris, read by people (another kind).
// Noise: Voss's pink noise, added at a ratio of powers over the whole clip. α and β are tuned on 50 clips of the set `dev` with the same noise.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readManifest } from '../../dist/data/manifest.js';
import { languageModelWords } from '../../dist/language-model/words.js';

const { values } = parseArgs({
  options: { model: { type: 'string' }, only: { type: 'string', default: 'texts,train,perplexity,tune,test' } },
});
const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const out = join(root, 'out/language-models');
const results = join(root, 'docs/lab/language-models.jsonl');
const stages = values.only.split(',');
mkdirSync(out, { recursive: true });

const samples = await readManifest(join(root, 'samples/manifest.tsv'));
const key = (text, language) => languageModelWords(text, language).join(' ');

/** A file with a sentence a line for training, and one held out; none is said in a clip or stands in both. */
function writeTexts() {
  const said = new Set(samples.filter(({ language }) => language === 'en').map(({ text }) => key(text, 'en')));
  const rows = readFileSync(join(root, 'samples/texts/tatoeba-en-zh.tsv'), 'utf8').trim().split('\n').slice(1);
  const pairs = rows.map((row) => row.replace('\ufeff', '').split('\t')).filter(([en]) => !said.has(key(en, 'en')));
  for (const [column, language] of ['en', 'zh'].entries()) {
    const unique = [...new Map(pairs.map((pair) => [key(pair[column], language), pair[column]])).values()];
    writeFileSync(join(out, `${language}.held-out.txt`), `${unique.filter((_, i) => i % 20 === 7).join('\n')}\n`);
    writeFileSync(join(out, `${language}.train.txt`), `${unique.filter((_, i) => i % 20 !== 7).join('\n')}\n`);
  }
}

if (stages.includes('texts')) writeTexts();
