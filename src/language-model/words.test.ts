import { expect, test } from 'vitest';
import { languageModelWords, writtenWords } from './words.ts';

test.each([
  ['en', "It's twenty-five dollars, Mr. Brown!", ['it', 'is', '$25', 'mister', 'brown']],
  ['fr', 'Où est-ce, là-bas ?', ['où', 'est', 'ce', 'là', 'bas']],
  ['zh', '我们用 GPU 训练，3 天。', ['我', '们', '用', 'gpu', '训', '练', '3', '天']],
  ['yue', '佢哋喺邊度？', ['佢', '哋', '喺', '邊', '度']],
  ['ja', '東京へ行く。', ['東', '京', 'へ', '行', 'く']],
  ['zh', '！', []],
  ['en', '  ', []],
  ['en', 'Well...', ['well']],
  // Nothing that a model marks sentences with can come out of a text.
  ['en', '<s> a </s> <unk>', ['a']],
  ['fr', '<s> a </s> <unk>', ['a']],
])('%s: %s', (language, text, words) => {
  expect(languageModelWords(text, language)).toEqual(words);
});

test.each([
  ['en', " It's  25 dollars, Mr. Brown - now!", ["It's", ' 25', ' dollars,', ' Mr.', ' Brown -', ' now!']],
  ['en', '“Good day”', ['“Good', ' day”']],
  ['en', '— Good', ['— Good']],
  ['en', '...', ['...']],
  ['en', ' ', []],
  ['zh', '我用 GPU，3 天。', ['我', '用 ', 'G', 'P', 'U，', '3 ', '天。']],
  ['zh', '天\uFFFD', ['天']],
])('as it is written, %s: %s', (language, text, words) => {
  expect(writtenWords(text, language)).toEqual(words);
});
