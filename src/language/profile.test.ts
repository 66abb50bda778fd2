/** Every language has a profile, and those of Whisper and the corpora the right one. */
import { expect, test } from 'vitest';
import { languageProfile, sameLanguage } from './profile.ts';

/** Unicode's data must agree with what Whisper writes: its 100 languages, and those of FLEURS and others that it has no token for. */
const SCRIPTS: Readonly<Record<string, string>> = {
  Latn:
    'af az bs br ca cs cy da de en es et eu fi fo fr gl ha haw hr ht hu id is it jw la lb ln lt lv mg mi ms mt nl nn no oc ' +
    'pl pt ro sk sl sn so sq su sv sw tk tl tr uz vi yo ast ceb eo ff ga gd ig kam kea lg luo nso ny om umb wo xh zu',
  Cyrl: 'ba be bg kk ky mk mn ru sr tg tt uk',
  Arab: 'ar ckb fa ps sd ur',
  Hebr: 'he yi',
  Grek: 'el',
  Deva: 'hi mr ne sa',
  Beng: 'as bn',
  Gujr: 'gu',
  Guru: 'pa',
  Knda: 'kn',
  Mlym: 'ml',
  Orya: 'or',
  Taml: 'ta',
  Telu: 'te',
  Sinh: 'si',
  Thai: 'th',
  Laoo: 'lo',
  Khmr: 'km',
  Mymr: 'my',
  Tibt: 'bo',
  Geor: 'ka',
  Armn: 'hy',
  Ethi: 'am',
  Kore: 'ko',
  Hans: 'zh yue',
  Jpan: 'ja',
};

test.each(Object.entries(SCRIPTS))('%s is the script of %s', (script, codes) => {
  for (const code of codes.split(' ')) expect([code, languageProfile(code).script]).toEqual([code, script]);
});

test('languages without spaces between words are counted in characters', () => {
  const codes = Object.values(SCRIPTS).join(' ').split(' ');
  const without = codes.filter((code) => !languageProfile(code).spaces);
  expect(without.sort()).toEqual(['bo', 'ja', 'km', 'lo', 'my', 'th', 'yue', 'zh']);
  expect(without.map((code) => languageProfile(code).bleuTokenizer)).toEqual([
    'char',
    'ja-mecab',
    'char',
    'char',
    'char',
    'char',
    'zh',
    'zh',
  ]);
  expect(languageProfile('de').bleuTokenizer).toBe('13a');
});

test('codes are Whisper’s, whatever they were written like', () => {
  const code = (given: string) => languageProfile(given).code;
  expect(
    ['deu', 'DE', 'cmn', 'fil', 'jv', 'jw', 'nb', 'iw', 'pt_br', 'zh-hant', 'xx', '?'].map(code),
  ).toEqual(['de', 'de', 'zh', 'tl', 'jw', 'jw', 'no', 'he', 'pt-BR', 'zh-Hant', 'xx', '?']);
  expect(languageProfile('zh-Hant').base).toBe('zh');
});

test('only Chinese references change: Simplified unless Traditional is asked for', () => {
  const text = '電車で東京へ行く';
  expect(languageProfile('ja').reference(text)).toBe(text);
  for (const code of ['zh', 'zh-Hans', 'zh-CN']) expect(languageProfile(code).reference('電車')).toBe('电车');
  for (const code of ['zh-Hant', 'zh-TW']) expect(languageProfile(code).reference('电车')).toBe('電車');
});

test('a language that nobody thought of is written as its script is', () => {
  expect(languageProfile('dz')).toMatchObject({ script: 'Tibt', spaces: false, bleuTokenizer: 'char' });
  expect(languageProfile('xx')).toMatchObject({ script: undefined, spaces: true, bleuTokenizer: '13a' });
});

test('transcripts pass Whisper’s normalisers', () => {
  expect(languageProfile('en').transcript("It's twenty-five.")).toBe('it is 25');
  expect(languageProfile('zh').transcript('電車。', { splitLetters: true })).toBe('电 车 ');
  expect(languageProfile('ja').transcript('電車。')).toBe('電車 ');
});

test('which texts serve for which language', () => {
  const pairs: [string, string, boolean][] = [
    ['pt', 'pt-BR', true],
    ['pt-BR', 'pt-PT', false],
    ['zh-Hans', 'zh-Hant', true],
    ['zh', 'yue', false],
    ['no', 'nb', true],
    ['no', 'nn', false],
    ['', 'zh', false],
  ];
  for (const [a, b, same] of pairs) expect([a, b, sameLanguage(a, b)]).toEqual([a, b, same]);
});
