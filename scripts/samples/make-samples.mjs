// Builds samples/ from the source corpora:  node scripts/samples/make-samples.mjs <data folder> [samples]
// The data folder holds speech/gcompris, speech/tatoeba_en and text/tatoeba_*.tsv. Needs opusenc and pico2wave
// (Debian: opus-tools, and libttspico-utils from non-free).

import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeFile, encodeFile, toInt16 } from './opus.mjs';
import { speak } from './pico.mjs';
import { byHash, ordinaryWords, plainChinese, readTable, simplified, TakenSentences, words } from './sentences.mjs';

const TRAIN_CLIPS = 1500;
const DEV_CLIPS = 50;
const NEW_SENTENCES = 60;
const COLUMNS = ['audio', 'lang', 'set', 'key', 'en', 'source_text', 'zh', 'duration_s', 'voice'];

/** Readers of the introductions, from the LICENSE of gcompris/GCompris-voices. */
const GCOMPRIS_READERS = { en: 'Julia Wycherley', fr: 'Zohra Coudoin', ca: 'Antoni Bella Pérez' };

const NEW_LANGUAGE_FOLDERS = [
  { folder: 'tatoeba_fr', lang: 'fr', text: 'fr', voice: 'fr-FR' },
  { folder: 'tatoeba_de', lang: 'de', text: 'de', voice: 'de-DE' },
  { folder: 'tatoeba_en_robot', lang: 'en', text: 'en', voice: 'en-US' },
];

const [data, samples = 'samples'] = process.argv.slice(2);
if (!data) {
  console.error('usage: node scripts/samples/make-samples.mjs <data folder> [samples]');
  process.exit(2);
}

/** Real readers; only sentences that the English reader has too, so that every language pairs with English. */
async function gcompris() {
  const source = join(data, 'speech/gcompris');
  const intro = readTable(join(source, 'manifest.tsv')).filter((row) => row.set === 'intro');
  const english = new Set(intro.filter((row) => row.lang === 'en').map((row) => row.key));
  const rows = [];
  for (const row of intro.filter((r) => r.lang in GCOMPRIS_READERS && english.has(r.key))) {
    const audio = `gcompris/${row.lang}/${row.key}.opus`;
    mkdirSync(join(samples, 'gcompris', row.lang), { recursive: true });
    const { samples: floats, sampleRate } = await decodeFile(join(source, row.audio));
    encodeFile(join(samples, audio), toInt16(floats), sampleRate);
    const { seconds } = await decodeFile(join(samples, audio));
    const zh = simplified(row.zh);
    rows.push({ ...row, audio, zh, duration_s: seconds.toFixed(3), voice: `real, ${GCOMPRIS_READERS[row.lang]}` });
  }
  return rows;
}

/** Assigns sentences to sets. The new-language test is held out of everything that the English voice says. */
function chooseSentences() {
  const spoken = readTable(join(data, 'speech/tatoeba_en/manifest.tsv'));
  const ordinary = ordinaryWords(readTable(join(data, 'text/tatoeba_en_zh.tsv')));

  const everythingSpoken = new TakenSentences();
  for (const row of spoken) everythingSpoken.add(row);
  const unseen = [];
  for (const row of byHash(readTable(join(data, 'text/tatoeba_pivot.tsv')))) {
    if (unseen.length === NEW_SENTENCES) break;
    const length = words(row.en).length;
    const fits = row.fr && row.de && length >= 4 && length <= 12 && plainChinese(row) && ordinary(row);
    if (!fits || everythingSpoken.holds(row)) continue;
    everythingSpoken.add(row);
    unseen.push({ ...row, key: `new${String(unseen.length).padStart(2, '0')}` });
  }

  const test = spoken.filter((row) => row.set === 'test');
  const dev = spoken.filter((row) => row.set === 'dev').slice(0, DEV_CLIPS);
  const heldOut = new TakenSentences();
  for (const row of [...test, ...dev, ...unseen]) heldOut.add(row);
  const seenText = new Set();
  const seenChinese = new Set();
  const train = [];
  for (const row of byHash(spoken.filter((r) => r.set === 'train'))) {
    if (train.length === TRAIN_CLIPS) break;
    const seconds = Number(row.duration_s);
    if (seconds < 1.2 || seconds > 3.5 || !plainChinese(row) || !ordinary(row) || heldOut.holds(row)) continue;
    const text = words(row.en).join(' ');
    const chinese = simplified(row.zh);
    if (seenText.has(text) || seenChinese.has(chinese)) continue;
    seenText.add(text);
    seenChinese.add(chinese);
    train.push(row);
  }
  const byKey = (a, b) => (a.key < b.key ? -1 : 1);
  return { unseen, english: [...train.sort(byKey), ...dev, ...test] };
}

/** The English training voice: already Opus at 18 kbit/s, copied as it is. */
function tatoebaEnglish(chosen) {
  return chosen.map((row) => {
    const audio = `tatoeba_en/${row.set}/${row.key}.opus`;
    mkdirSync(join(samples, 'tatoeba_en', row.set), { recursive: true });
    copyFileSync(join(data, 'speech/tatoeba_en', row.audio), join(samples, audio));
    return { ...row, audio, zh: simplified(row.zh), voice: 'synthetic, Piper joe' };
  });
}

async function newLanguages(unseen) {
  const rows = [];
  for (const { folder, lang, text, voice } of NEW_LANGUAGE_FOLDERS) {
    mkdirSync(join(samples, folder), { recursive: true });
    for (const sentence of unseen) {
      const audio = `${folder}/${sentence.key}.opus`;
      const speech = await speak(sentence[text], voice);
      encodeFile(join(samples, audio), toInt16(speech.samples), speech.sampleRate);
      const { seconds } = await decodeFile(join(samples, audio));
      rows.push({
        ...{ audio, lang, set: 'new', key: sentence.key, en: sentence.en, source_text: sentence[text] },
        ...{ zh: simplified(sentence.zh), duration_s: seconds.toFixed(3), voice: `synthetic, SVOX Pico ${voice}` },
      });
    }
  }
  return rows;
}

const { unseen, english } = chooseSentences();
for (const folder of ['gcompris', 'tatoeba_en', ...NEW_LANGUAGE_FOLDERS.map((f) => f.folder)]) {
  rmSync(join(samples, folder), { recursive: true, force: true });
}
const rows = [...(await gcompris()), ...tatoebaEnglish(english), ...(await newLanguages(unseen))];
const line = (row) => COLUMNS.map((name) => row[name]).join('\t');
writeFileSync(join(samples, 'manifest.tsv'), `${[COLUMNS.join('\t'), ...rows.map(line)].join('\n')}\n`);
console.log(`${rows.length} recordings in ${samples}`);
