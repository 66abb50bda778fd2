import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { normalizeEnglish } from './english/normalize-english.ts';
import { normalizeBasic } from './normalize-basic.ts';

/** Made by scripts/golden/metrics.py with transformers' Whisper normalisers. */
const golden = JSON.parse(
  gunzipSync(readFileSync(new URL('./golden/normalizers.json.gz', import.meta.url))).toString('utf8'),
);

test('English text, spelled-out numbers and odd cases come out as from transformers', () => {
  const wrong = golden.english.filter(([text, expected]: string[]) => normalizeEnglish(text!) !== expected);
  expect(wrong.map(([text, expected]: string[]) => [text, expected, normalizeEnglish(text!)])).toEqual([]);
  expect(golden.english.length).toBeGreaterThan(2500);
});

test('other languages come out as from transformers, with and without diacritics and split letters', () => {
  for (const [text, plain, withoutDiacritics, split] of golden.basic) {
    expect(normalizeBasic(text)).toBe(plain);
    expect(normalizeBasic(text, { removeDiacritics: true })).toBe(withoutDiacritics);
    expect(normalizeBasic(text, { splitLetters: true })).toBe(split);
  }
});
