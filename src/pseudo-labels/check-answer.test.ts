import { beforeAll, expect, test } from 'vitest';
import { loadIdentifier } from '../language/identify.ts';
import { cleanAnswer, type Fault, faultOf } from './check-answer.ts';

beforeAll(() => loadIdentifier('de'));

const fault = (text: string, answer: string, target = 'zh', accepted: Fault[] = []) =>
  faultOf({ language: 'en', text, before: [] }, answer, target, accepted);

test.each([
  ['He takes a walk.', '他去散步。', 'zh'],
  ['He takes a walk.', 'Er geht spazieren.', 'de'],
  ['OK.', 'OK.', 'de'],
  ['It costs 1,250 dollars.', 'Es kostet 1.250 Dollar.', 'de'],
  ['It has 1.2 million people.', '它有120万人。', 'zh'],
  ['We met at 9 in the year 1984.', 'Wir trafen uns 1984 um neun.', 'de'],
  ['He is 23.', '他二十三岁。', 'zh'],
  // What a sentence itself says about translations, refusals and lists is translated.
  ['The translation: is it ready?', 'Die Übersetzung: Ist sie fertig?', 'de'],
  ['I am unable to help you with that.', 'Ich bin leider nicht in der Lage, dir dabei zu helfen.', 'de'],
  ['Hahahaha, no!', '哈哈哈哈，不！', 'zh'],
  ['1984', '1984', 'zh'],
] as const)('%s → %s passes', (text, answer, target) => {
  expect(fault(text, answer, target)).toBeUndefined();
});

test.each([
  ['He takes a walk.', '', 'zh', 'empty'],
  ['He takes a walk.', '…', 'zh', 'empty'],
  ['He takes a walk.', 'He takes a walk.', 'de', 'copied'],
  ['He takes a walk.', 'Il se promène dans le parc.', 'de', 'language'],
  ['He takes a walk.', '彼は散歩をします。', 'zh', 'language'],
  ['He takes a walk.', 'Sure! Here is the translation: Er geht spazieren.', 'de', 'chatter'],
  ['He takes a walk.', 'Translation: Er geht spazieren.', 'de', 'chatter'],
  ['He takes a walk.', '翻译：他去散步。', 'zh', 'chatter'],
  ['He takes a walk.', '他去散步。（注：也可以说“他散步”。）', 'zh', 'chatter'],
  ['He takes a walk.', 'Er geht spazieren.\n\nEr macht einen Spaziergang.', 'de', 'chatter'],
  ['He takes a walk.', '1. Er geht spazieren.', 'de', 'chatter'],
  ['He takes a walk.', '**Er geht spazieren.**', 'de', 'chatter'],
  ['He takes a walk.', '{"translations": [{"n": 1, "text": "Er geht', 'de', 'chatter'],
  ['He takes a walk.', '作为一个人工智能，我无法翻译这句话。', 'zh', 'refusal'],
  ['He takes a walk.', "I'm sorry, but I can't assist with that.", 'de', 'refusal'],
  ['He takes a walk.', '他去散步，然后回家做饭，吃完饭以后又出去见了几个朋友，很晚才回来。', 'zh', 'length'],
  ['He takes a walk. Then he meets his friends at the station, and they go home.', '他。', 'zh', 'length'],
  ['He takes a walk in the park.', '他去 散步 散步 散步 散步 散步', 'zh', 'loop'],
  ['It costs 1,250 dollars.', 'Es kostet 1.520 Dollar.', 'de', 'numbers'],
  ['It was in 1984.', 'Das war damals.', 'de', 'numbers'],
] as const)('%s → %s: %s has the fault "%s"', (text, answer, target, expected) => {
  expect(fault(text, answer, target)).toBe(expected);
});

test('a fault that is accepted lets an answer pass, and not one with another', () => {
  expect(fault('It was in 1984.', 'Das war damals.', 'de', ['numbers'])).toBeUndefined();
  expect(fault('It was in 1984.', 'C’était il y a longtemps, je crois.', 'de', ['numbers'])).toBe('language');
});

test('quotation marks around an answer are dropped where the sentence has none', () => {
  expect(cleanAnswer(' “他去散步。”\n', 'He takes a walk.')).toBe('他去散步。');
  expect(cleanAnswer('“去吧！”', '"Go!"')).toBe('“去吧！”');
  expect(cleanAnswer('"A" und "B"', 'A and B')).toBe('"A" und "B"');
});
