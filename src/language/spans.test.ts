/** Spans of code-switched texts: each character in one of them, by script. */
import { expect, test } from 'vitest';
import { spansByScript } from './spans.ts';

const mixed = (text: string, languages = ['zh', 'en']) =>
  spansByScript(languages)!(text).map(({ language, from, to }) => [language, text.slice(from, to)]);

test('Mandarin and English by script; marks, digits and blanks go with what is before them', () => {
  expect(mixed(' 我的 computer 坏了,2 天.')).toEqual([
    ['zh', ' 我的 '],
    ['en', 'computer '],
    ['zh', '坏了,2 天.'],
  ]);
  expect(mixed('"OK" 吗?')).toEqual([
    ['en', '"OK" '],
    ['zh', '吗?'],
  ]);
  // Beyond the Basic Multilingual Plane a character is two units.
  expect(mixed('𠮷😀ok')).toEqual([
    ['zh', '𠮷😀'],
    ['en', 'ok'],
  ]);
});

test('no span without a letter of the languages', () => {
  expect(mixed('')).toEqual([]);
  expect(mixed(' 12 – Ω')).toEqual([]);
  expect(mixed('мышь')).toEqual([]);
});

test('other languages with scripts of their own; none where two share one', () => {
  expect(mixed('नमस्ते friends', ['hi', 'en'])).toEqual([
    ['hi', 'नमस्ते '],
    ['en', 'friends'],
  ]);
  expect(mixed('これは漢字 ok', ['ja', 'en'])).toEqual([
    ['ja', 'これは漢字 '],
    ['en', 'ok'],
  ]);
  for (const languages of [
    ['en', 'fr'],
    ['zh', 'ja'],
    ['zh', 'zh'],
    ['zh', 'not a language'],
  ])
    expect(spansByScript(languages), languages.join()).toBeUndefined();
});
