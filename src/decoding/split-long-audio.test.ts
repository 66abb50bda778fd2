import { expect, test } from 'vitest';
import { splitLongAudio } from './split-long-audio.ts';

test('long audio is cut in its quietest place and nothing of it is lost', () => {
  const rate = 16_000;
  const long = Float32Array.from({ length: 70 * rate }, (_, i) =>
    i > 26 * rate && i < 26.5 * rate ? 0 : Math.sin(i),
  );
  const pieces = splitLongAudio(long);
  expect(pieces.length).toBe(3);
  expect(pieces[0]!.length / rate).toBeGreaterThan(26);
  expect(pieces[0]!.length / rate).toBeLessThan(26.5);
  expect(pieces.every(({ length }) => length <= 30 * rate)).toBe(true);
  expect(pieces.reduce((sum, { length }) => sum + length, 0)).toBe(long.length);
});

test('audio that fits is one piece', () => {
  expect(splitLongAudio(new Float32Array(0)).map(({ length }) => length)).toEqual([0]);
  expect(splitLongAudio(new Float32Array(480_000)).map(({ length }) => length)).toEqual([480_000]);
});
