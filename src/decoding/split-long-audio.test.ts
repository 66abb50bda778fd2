/** Cutting of long audio into pieces of at most a window. */
import { expect, test } from 'vitest';
import { piecesOf } from './speech-regions.ts';

async function lengthsOf(samples: Float32Array): Promise<number[]> {
  const { length } = samples;
  const read = async (from: number, to: number) => samples.subarray(from, to);
  const lengths: number[] = [];
  for await (const piece of piecesOf(
    { length, read, close: async () => {} },
    [{ start: 0, end: length, speech: true }],
    [],
  )) {
    lengths.push(piece.samples.length);
  }
  return lengths;
}

test('long audio is cut in its quietest place and nothing of it is lost', async () => {
  const rate = 16_000;
  const long = Float32Array.from({ length: 70 * rate }, (_, i) =>
    i > 26 * rate && i < 26.5 * rate ? 0 : Math.sin(i),
  );
  const lengths = await lengthsOf(long);
  expect(lengths.length).toBe(3);
  expect(lengths[0]! / rate).toBeGreaterThan(26);
  expect(lengths[0]! / rate).toBeLessThan(26.5);
  expect(lengths.every((length) => length <= 30 * rate)).toBe(true);
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(long.length);
});

test('audio that fits is one piece', async () => {
  expect(await lengthsOf(new Float32Array(0))).toEqual([0]);
  expect(await lengthsOf(new Float32Array(480_000))).toEqual([480_000]);
});
