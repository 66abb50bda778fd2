import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { identifierName, isLikelyIn, loadIdentifier } from './identify.ts';

test('a language that shares its script needs the identifier loaded, Chinese and Greek do not', () => {
  expect(() => isLikelyIn('Das ist ein Satz.', 'de')).toThrow("await loadIdentifier('de')");
  expect(isLikelyIn('他住在北京。', 'zh')).toBe(true);
  expect(identifierName('el')).toBeUndefined();
});

beforeAll(() => loadIdentifier('zh')); // loads nothing: the test above would fail

test('sentences of the sample recordings count as their own language and not as another', async () => {
  await loadIdentifier('de');
  const manifest = readFileSync(new URL('../../samples/manifest.tsv', import.meta.url), 'utf8').trimEnd();
  const [header = '', ...rows] = manifest.split('\n');
  const column = (name: string) => header.split('\t').indexOf(name);
  const texts = (language: string, name: string) => [
    ...new Set(
      rows
        .map((row) => row.split('\t'))
        .filter((cells) => cells[column('lang')] === language)
        .map((cells) => cells[column(name)] ?? '')
        .filter((text) => text.split(' ').length > 2),
    ),
  ];
  const sentences: Record<string, string[]> = {
    en: texts('en', 'en'),
    de: texts('de', 'source_text'),
    fr: texts('fr', 'source_text'),
  };
  for (const [language, right] of Object.entries(sentences)) {
    expect(right.length, language).toBeGreaterThan(50);
    expect(right.filter((text) => !isLikelyIn(text, language)).length / right.length).toBeLessThan(0.02);
    for (const [other, wrong] of Object.entries(sentences)) {
      if (other === language) continue;
      expect(wrong.filter((text) => isLikelyIn(text, language)).length / wrong.length).toBeLessThan(0.02);
    }
  }
  // Irish is unknown to eld: only clear English is told from it.
  expect(sentences.en!.filter((text) => isLikelyIn(text, 'ga')).length / sentences.en!.length).toBeLessThan(
    0.05,
  );
});

test.each([
  ['Tá mé i mo chónaí i mBaile Átha Cliath.', 'ga', true],
  ['I live in Dublin with my parents.', 'ga', false],
  ['I live in Dublin with my parents.', 'ast', false],
  ['Vivo en Oviedo con mi familia.', 'ast', true], // Spanish; eld does not know Asturian
  ['Saya tinggal di Jakarta bersama keluarga saya.', 'id', true],
  ['Eg bur i Bergen saman med familien min.', 'nn', true],
  ['Eu moro em Lisboa com a minha família.', 'pt-BR', true],
  ['Vivo en Madrid con mi familia desde hace años.', 'pt-BR', false],
  ['Я живу в Москве и работаю учителем.', 'bg', false],
  ['Аз живея в София и работя като учител.', 'bg', true],
  ['Мен Бишкекте жашайм жана мугалим болуп иштейм.', 'ky', true],
  ['Živim u Beogradu sa svojom porodicom.', 'sr-Latn', true],
  ['من در تهران زندگی می‌کنم و معلم هستم.', 'ar', false],
  ['من لە هەولێر دەژیم و مامۆستام.', 'ckb', true],
  ['Okay, Tom!', 'de', true], // too short to tell
])('%s can be %s: %s', async (text, language, expected) => {
  await loadIdentifier(language);
  expect(isLikelyIn(text, language)).toBe(expected);
});
