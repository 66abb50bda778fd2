import { expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { comet, cometScores } from './comet.ts';
import { corpusScore } from './corpus.ts';

const row = (score: number) => ({ src: 'a', mt: 'b', ref: 'c', COMET: score });
const json = JSON.stringify({ 'a.txt': [row(0.5), row(0.75)], 'b.txt': [row(0.1), row(-0.2)] }, null, 4);
const printed = [
  'a.txt\tSegment 0\tscore: 0.5000',
  'b.txt\tSegment 0\tscore: 0.1000',
  'a.txt\tSegment 1\tscore: 0.7500',
  'b.txt\tSegment 1\tscore: -0.2000',
  'a.txt\tscore: 0.6250',
  'b.txt\tscore: -0.0500',
].join('\n');

test.each([
  ['JSON of comet-score', json],
  ['lines that comet-score prints', `${printed}\n`],
])('%s: the scores of the output asked for', (_, text) => {
  expect(cometScores(text, 'comet', 'a.txt', 2)).toEqual([0.5, 0.75]);
  expect(cometScores(text, 'comet', 'b.txt', 2)).toEqual([0.1, -0.2]);
  expect(() => cometScores(text, 'comet', 'c.txt', 2)).toThrow(
    'comet has scores of a.txt, b.txt, but none of c.txt',
  );
});

test('a number a line, with either line end; a single output may bear another name', () => {
  expect(cometScores('0.5\r\n-1e-2\r\n', 'comet', 'a.txt', 2)).toEqual([0.5, -0.01]);
  expect(cometScores(JSON.stringify({ 'old.txt': [row(1)] }), 'comet', 'a.txt', 1)).toEqual([1]);
});

test('the score of the output is the mean', () => {
  expect(corpusScore(comet([0.5, 0.75]), [], [])).toMatchObject({ score: 0.625 });
});

test.each([
  ['another number of lines', '0.5\n', /comet has 1 COMET scores, but a\.txt has 2 lines/],
  ['no number', '0.5\nx\n', /comet, line 2: found "x", expected a COMET score/],
  ['a blank line', '0.5\n\n', /comet, line 2: found ""/],
  ['cut-off JSON', '{"a.txt": [', /begins as JSON but is not/],
  ['other JSON', '{"a.txt": {"BLEU": 1}}', /not what comet-score/],
  [
    'a sentence without score',
    '{"a.txt": [{"COMET": 1}, {"COMET": "1"}]}',
    /sentence 2: expected a number "COMET"/,
  ],
  ['no output', '{}', /no output/],
  ['nothing', '', /0 COMET scores/],
])('%s is refused in one line', (_, text, message) => {
  expect(() => cometScores(text, 'comet', 'a.txt', 2)).toThrow(UserError);
  expect(() => cometScores(text, 'comet', 'a.txt', 2)).toThrow(message);
});
