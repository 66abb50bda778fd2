import { expect, test } from 'vitest';
import { score } from './score.ts';

const references = ['Der Hund schläft im Garten.', 'Die Katze sitzt auf dem Dach.', 'Es regnet heute.'];

test('scores of texts by metric; what cannot be had is null', async () => {
  const found = await score({ hypotheses: references, references, to: 'de' });
  expect(found.bleu).toMatchObject({
    score: expect.closeTo(100),
    signature: expect.stringContaining('tok:13a'),
  });
  expect(found.chrf!.score).toBeCloseTo(100);
  expect(found.wer!.score).toBe(0);
  expect(found['off-target']!.score).toBe(0);
  expect(found.comet).toBeNull();
  expect(found.bleu!.comparison).toBeUndefined();
});

test('a baseline adds the difference; several references are lists of their own', async () => {
  const baseline = references.map((text) => text.replace(/[aeiou]/g, 'x'));
  const found = await score({
    ...{ hypotheses: references, baseline, references: [references, baseline] },
    metrics: ['chrf'],
  });
  expect(found.chrf!.comparison!.difference).toBeCloseTo(0);
  const one = await score({ hypotheses: references, baseline, references, metrics: ['chrf'] });
  expect(one.chrf!.comparison!.difference).toBeGreaterThan(10);
  expect(one.bleu).toBeNull();
});

test('lists of different lengths, and texts that a tokenizer does not fit', async () => {
  const short = references.slice(1);
  await expect(score({ hypotheses: short, references })).rejects.toThrow('found 3 and 2 sentences');
  const notes: string[] = [];
  const chinese = ['今天天气很好。', '我喜欢喝茶。', '他在看书。'];
  await score({ hypotheses: chinese, references: chinese, onNote: (note) => notes.push(note) });
  expect(notes.join()).toContain('use --tokenize zh');
});
