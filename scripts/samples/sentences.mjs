// Choosing sentences: reading the tables, comparing sentences, and keeping a held-out set held out.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import OpenCC from 'opencc-js';

const toSimplified = OpenCC.Converter({ from: 't', to: 'cn' });

/** A word used in fewer sentences of the English–Chinese corpus is not ordinary. */
const ORDINARY_WORD_COUNT = 20;
/** Share of words (of Chinese characters) two sentences may have in common before they count as the same. */
const SAME_WORDS = 0.7;
const SAME_HAN = 0.8;

/** Rows of a tab-separated file with a header, as objects; Tatoeba's `\"` becomes `"`. */
export function readTable(path) {
  const lines = readFileSync(path, 'utf8').replace(/^\ufeff/, '').split('\n').filter(Boolean);
  const names = lines[0].split('\t');
  return lines.slice(1).map((line) => {
    const cells = line.split('\t').map((cell) => cell.replaceAll('\\"', '"').trim());
    return Object.fromEntries(names.map((name, i) => [name, cells[i] ?? '']));
  });
}

export const words = (english) => english.toLowerCase().replaceAll('’', "'").match(/[a-z0-9']+/g) ?? [];
export const han = (chinese) => [...chinese].filter((c) => /\p{Script=Han}/u.test(c));
export const simplified = (chinese) => toSimplified(chinese);

/** An order that looks random, is the same on every machine, and does not change when other rows come or go. */
export function byHash(rows) {
  const digest = (row) => createHash('sha256').update(row.en).digest('hex');
  return rows
    .map((row) => ({ row, hash: digest(row) }))
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
    .map(({ row }) => row);
}

function overlap(a, b) {
  let common = 0;
  for (const x of a) if (b.has(x)) common++;
  return common / (a.size + b.size - common || 1);
}

/** Sentences already given away; `holds` is true for the same or nearly the same English or Chinese. */
export class TakenSentences {
  #taken = [];

  add(row) {
    this.#taken.push({ words: new Set(words(row.en)), han: new Set(han(simplified(row.zh))) });
  }

  holds(row) {
    const mine = { words: new Set(words(row.en)), han: new Set(han(simplified(row.zh))) };
    return this.#taken.some(
      (other) => overlap(mine.words, other.words) >= SAME_WORDS || overlap(mine.han, other.han) >= SAME_HAN,
    );
  }
}

/** Says whether a sentence is made of ordinary words only, judged on the corpus `{en}[]`. */
export function ordinaryWords(corpus) {
  const count = new Map();
  for (const row of corpus) for (const w of new Set(words(row.en))) count.set(w, (count.get(w) ?? 0) + 1);
  return (row) => words(row.en).every((w) => (count.get(w) ?? 0) >= ORDINARY_WORD_COUNT);
}

/** Chinese fit for a reference: Han characters and no Latin letters, at most 20 characters. */
export const plainChinese = (row) =>
  han(row.zh).length >= 2 && [...row.zh].length <= 20 && !/[A-Za-z]/.test(row.zh);
