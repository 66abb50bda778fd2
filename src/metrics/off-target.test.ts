import { expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { loadIdentifier } from '../language/identify.ts';
import { corpusScore } from './corpus.ts';
import { hallucination, hallucinationMarkers } from './hallucination.ts';
import { isTargetLanguage, offTarget, offTargetRate } from './off-target.ts';

test.each([
  ['他住在北京。', true],
  ['我用 iPhone 和 GPS 打电话给你的朋友们。', true],
  ['我喜欢 Rock and Roll music', false],
  ['He lives in Beijing.', false],
  ['東京に住んでいます。', false],
  ['東京都知事、来年度予算案発表。カ', false],
  ['저는 학생입니다', false],
  ['1999', true],
  ['……', false],
  ['', false],
  ['  \u3000', false],
])('as Chinese, %j is on target: %s', (text, expected) => {
  expect(isTargetLanguage(text, 'zh')).toBe(expected);
});

test('other languages are told apart by their script and, within it, by their words', async () => {
  expect(() => isTargetLanguage('Ich wohne in einer Stadt', 'de')).toThrow(/loadIdentifier/);
  await loadIdentifier('de');
  expect(isTargetLanguage('東京に住んでいます。', 'ja')).toBe(true);
  expect(isTargetLanguage('他住在北京。', 'ja')).toBe(false);
  expect(isTargetLanguage('Мен Бишкекте жашайм', 'ky')).toBe(true);
  expect(isTargetLanguage('I live in Bishkek', 'ky')).toBe(false);
  expect(isTargetLanguage('من لە هەولێر دەژیم', 'ckb')).toBe(true);
  expect(isTargetLanguage('Il habite à Paris depuis dix ans.', 'en')).toBe(false);
  expect(isTargetLanguage('He has been living in Paris for ten years.', 'de')).toBe(false);
  expect(isTargetLanguage('Er wohnt seit zehn Jahren in Paris.', 'de')).toBe(true);
  expect(() => isTargetLanguage('x', 'xx')).toThrow(UserError);
});

test('the signature names the language identifier', async () => {
  await loadIdentifier('de');
  const signature = (language: string) => offTarget(language).signature(1);
  expect(signature('de')).toBe('share of outputs not in de, by its script and eld 2.1.0 medium, margin 0.03');
  expect(signature('ga')).toBe(
    'share of outputs not in ga, by its script and eld 2.1.0 medium for English, score 0.7',
  );
  for (const language of ['ky', 'zh'])
    expect(signature(language)).toBe(`share of outputs not in the script of ${language}`);
});

test('the off-target rate is a share of all outputs', () => {
  expect(offTargetRate(['你好', 'hello', '', '再见'], 'zh')).toBe(0.5);
  expect(offTargetRate([], 'zh')).toBe(0);
  expect(corpusScore(offTarget('zh'), ['你好', 'hello', '', '再见'], []).score).toBe(50);
});

test('loops, runaway length and compressible text are marked, ordinary text is not', () => {
  expect(
    hallucinationMarkers('今天天气很好，我们去公园散步吧。', '今天天气不错，我们去公园走走。').suspicious,
  ).toBe(false);
  const loop = hallucinationMarkers('谢谢大家。'.repeat(12), '谢谢大家。');
  expect(loop).toMatchObject({ lengthRatio: 12, longestLoop: 12, suspicious: true });
  expect(loop.compressionRatio).toBeGreaterThan(2.4);
  expect(hallucinationMarkers('I am, I am, I am, I am here', 'I am here now, I am sure').longestLoop).toBe(4);
  expect(hallucinationMarkers('', '你好')).toMatchObject({
    lengthRatio: 0,
    longestLoop: 0,
    suspicious: false,
  });
});

test('over a corpus the suspicious outputs are counted, once each, and the signs one by one', () => {
  const outputs = ['谢谢大家。'.repeat(12), '你好，我是老师', '你好'];
  const references = ['谢谢大家。', '你好', '你好'];
  expect(corpusScore(hallucination, outputs, [references])).toMatchObject({
    score: (100 * 2) / 3,
    lengthRatio: (48 + 6 + 2) / (4 + 2 + 2),
    tooLong: 2,
    looping: 1,
    compressible: 1,
  });
});
