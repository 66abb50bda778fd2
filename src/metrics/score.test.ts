import { expect, test } from 'vitest';
import { corpusBleu } from './bleu.ts';
import { score } from './score.ts';
import { corpusTer } from './ter.ts';

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

test('scores of many sentences are those of one pass, and an abort ends them', async () => {
  const hypotheses = Array.from({ length: 1100 }, (_, i) => `a sentence of number ${i % 7}`);
  const references = Array.from({ length: 1100 }, (_, i) => `the sentence of number ${i % 5}`);
  const { bleu, ter } = await score({ hypotheses, references, samples: 10 });
  expect(bleu!.score).toBe(corpusBleu(hypotheses, [references]).score);
  expect(ter!.score).toBe(corpusTer(hypotheses, [references]).score);
  const stopping = new AbortController();
  const onProgress = ({ done }: { done: number }) => done > 500 && stopping.abort(new Error('stopped'));
  const stopped = score({ hypotheses, references, onProgress, signal: stopping.signal });
  await expect(stopped).rejects.toThrow('stopped');
});
