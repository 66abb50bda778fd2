import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toSimplified, toTraditional } from './chinese.ts';
import { SIMPLIFIED_ONLY, TRADITIONAL_ONLY } from './chinese-characters.ts';

const golden = (file: string): { pairs: [string, string][] } =>
  JSON.parse(readFileSync(new URL(`./golden/${file}`, import.meta.url), 'utf8'));

test('Traditional Chinese becomes Simplified as by OpenCC t2s, but for 看著 and what is Simplified already', () => {
  const { pairs } = golden('simplified.json');
  const different = pairs.filter(([text, simplified]) => toSimplified(text) !== simplified);
  expect(different).toEqual([
    ['我藉由听音乐来鼓舞我自己。', '我借由听音乐来鼓舞我自己。'],
    ['看著', '看著'],
  ]);
  expect(pairs.length).toBeGreaterThan(50);
});

test('sentences go to Traditional as by OpenCC s2tw and come back as by tw2s', () => {
  const { pairs } = golden('chinese.json');
  for (const [simplified, traditional] of pairs) {
    expect(toTraditional(simplified)).toBe(traditional);
    expect(toSimplified(traditional)).toBe(simplified);
    expect(toSimplified(simplified)).toBe(simplified);
    expect(toTraditional(traditional)).toBe(traditional);
  }
  expect(pairs.length).toBeGreaterThan(50);
});

test.each([
  ['乾安县位于吉林省。', '乾安县位于吉林省。'],
  ['乾安縣位於吉林省。', '乾安县位于吉林省。'],
  ['打坏的武器和盔甲散落一地。', '打坏的武器和盔甲散落一地。'],
  ['乾杯！', '干杯！'],
  ['看著他', '看着他'],
  ['她看著書，沿著河走。', '她看着书，沿着河走。'],
  ['寫著名字', '写着名字'],
  ['忙著作業', '忙着作业'],
  ['正在討論著這個問題', '正在讨论着这个问题'],
  ['著急', '着急'],
  ['成效顯著的著名原著和專著', '成效显著的著名原著和专著'],
  ['土著寫的著作', '土著写的著作'],
  ['他的著作很多。這裡有一本。我喜欢这本著作。', '他的著作很多。这里有一本。我喜欢这本著作。'],
  ['I live in 臺灣', 'I live in 台湾'],
  ['', ''],
])('%s in Simplified characters is %s', (text, expected) => {
  expect(toSimplified(text)).toBe(expected);
});

test('mixed text is converted sentence by sentence: 乾县 stays beside 乾燥', () => {
  expect(toSimplified('这里是乾县。空氣很乾燥。')).toBe('这里是乾县。空气很干燥。');
  expect(toTraditional('他們住在臺灣的乾縣。空气很干燥。')).toBe('他們住在臺灣的乾縣。空氣很乾燥。');
});

test('text in Traditional characters already keeps the variants of its region', () => {
  expect(toTraditional('他喺香港住咗好耐，裏面有張枱。')).toBe('他喺香港住咗好耐，裏面有張枱。');
  expect(toTraditional('看着他')).toBe('看著他');
});

const common = [
  ...'的一是不了在人有我他这個大来以到說们为子中你地出道也時年得就那要下生会自著之去過家学對里乾後麼干沈覆藉坏台只',
];
const text = fc
  .array(
    fc.constantFrom(
      ...common,
      ...'。！？；，\n…',
      ...[...SIMPLIFIED_ONLY].slice(0, 400),
      ...[...TRADITIONAL_ONLY].slice(0, 400),
    ),
    { maxLength: 30 },
  )
  .map((characters) => characters.join(''));

test('converting twice is converting once', () => {
  fc.assert(
    fc.property(text, (text) => {
      expect(toSimplified(toSimplified(text))).toBe(toSimplified(text));
    }),
    { numRuns: 3000 },
  );
});

test('text with characters of the wanted script and none of the other comes back as it was', () => {
  const without = (script: ReadonlySet<string>) => (text: string) =>
    [...text].filter((c) => !script.has(c)).join('');
  fc.assert(
    fc.property(text, (text) => {
      const simplified = `${without(TRADITIONAL_ONLY)(text)}这`;
      expect(toSimplified(simplified)).toBe(simplified);
      const traditional = `${without(SIMPLIFIED_ONLY)(text)}這`;
      expect(toTraditional(traditional)).toBe(traditional);
    }),
  );
});

test('no character counts as of both scripts', () => {
  expect([...SIMPLIFIED_ONLY].filter((character) => TRADITIONAL_ONLY.has(character))).toEqual([]);
  for (const character of '乾著后里台只干於') {
    expect(SIMPLIFIED_ONLY.has(character) || TRADITIONAL_ONLY.has(character), character).toBe(false);
  }
});
