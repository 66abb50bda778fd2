/** metrics.jsonl over a stop, and which evaluation is the best. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { bestEvaluation } from './dev-evaluation.ts';
import { MetricsFile } from './metrics.ts';

const folder = mkdtempSync(join(tmpdir(), 'metrics-'));
afterAll(() => rmSync(folder, { recursive: true }));

const step = (step: number) => ({
  step,
  loss: 1,
  learningRate: 0.1,
  gradientNorm: 2,
  skipped: false,
  tokens: 30,
  size: { clips: 2, frames: 400, paddedFrames: 100, positions: 40, paddedPositions: 4 },
  seconds: 0.5,
});
const evaluation = (step: number, bleu: number, loss: number) => ({ step, bleu, loss, chrf: 1, seconds: 1 });

test('what came after the checkpoint goes, and so does a line that was cut off', async () => {
  const path = join(folder, 'metrics.jsonl');
  const first = await MetricsFile.open(path, 0);
  for (const n of [1, 2, 3]) await first.addStep(step(n));
  await first.addEvaluation(evaluation(3, 10, 2));
  appendFileSync(path, '{"step":2');
  const second = await MetricsFile.open(path, 2);
  await second.addStep(step(3));
  const lines = readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map((line) => line.step)).toEqual([1, 2, 3]);
  expect(lines[0]).toMatchObject({
    loss: 1,
    tokensPerSecond: 60,
    framePadding: 0.25,
    tokenPadding: 0.1,
    memoryMb: expect.any(Number),
  });
  await MetricsFile.open(path, 0);
  expect(readFileSync(path, 'utf8')).toBe('');
  await expect(MetricsFile.open(join(path, 'm.jsonl'), 0)).rejects.toThrow(
    /m\.jsonl: cannot be written: .*\((ENOTDIR|EEXIST)\)/,
  );
});

test('the best evaluation has least loss, or most BLEU, and of equals comes first', () => {
  const one = evaluation(1, 10, 2);
  expect(bestEvaluation([], 'loss')).toBeUndefined();
  const all = [one, evaluation(2, 10, 2), evaluation(3, 9, 1)];
  expect(bestEvaluation(all, 'bleu')).toBe(one);
  expect(bestEvaluation(all, 'loss')).toBe(all[2]);
  expect(bestEvaluation(all.slice(0, 2), 'loss')).toBe(one);
  expect(bestEvaluation([evaluation(0, 10, Number.NaN), one], 'loss')).toBe(one);
  expect(bestEvaluation([one, evaluation(2, 11, Number.NaN)], 'bleu')?.step).toBe(2);
});
