/** Cutting of recordings in their pauses into pieces that are decoded together. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { longestPause, spokenPieces } from './speech-pieces.ts';
import { WINDOW_SAMPLES } from './split-long-audio.ts';

const seconds = (start: number, end: number) => ({ start: start * SAMPLE_RATE, end: end * SAMPLE_RATE });

/** Begin and end of the pieces, in seconds, of a recording that is spoken from its beginning to its end. */
async function piecesOf(samples: Float32Array, runs: readonly { start: number; end: number }[]) {
  const { length } = samples;
  const read = async (from: number, to: number) => samples.subarray(from, to);
  const regions = [{ start: 0, end: length, speech: true }];
  const pieces: [number, number][] = [];
  const held = { length, read, close: async () => {} };
  for await (const { begin, samples } of spokenPieces(held, regions, { stretches: runs, runs }))
    pieces.push([begin / SAMPLE_RATE, (begin + samples.length) / SAMPLE_RATE]);
  return pieces;
}

test('of the pauses within reach the longest is the cut; of equal ones the last', () => {
  const runs = [seconds(0, 4), seconds(5, 7), seconds(7.6, 9), seconds(9.3, 11), seconds(11.6, 13)];
  const at = (from: number, to: number) => longestPause(runs, from * SAMPLE_RATE, to * SAMPLE_RATE);
  expect(at(0, 20)).toBe(4.5 * SAMPLE_RATE);
  expect(at(5, 20)).toBe(Math.round(11.3 * SAMPLE_RATE));
  expect(at(5, 10)).toBe(Math.round(7.3 * SAMPLE_RATE));
  expect(at(13, 20)).toBeUndefined();
});

test('a recording is cut in its pauses; where there is none for a window, at the next one', async () => {
  const samples = new Float32Array(90 * SAMPLE_RATE);
  const runs = [seconds(0, 6), seconds(6.5, 13), seconds(14, 24), seconds(25, 71), seconds(72, 90)];
  expect(await piecesOf(samples, runs)).toEqual([
    [0, 6.25],
    [6.25, 13.5],
    // Nobody pauses for 8 s: the next pause is taken.
    [13.5, 24.5],
    // Nor for 30 s.
    [24.5, 71.5],
    [71.5, 90],
  ]);
});

test('speech without an end is cut where it is quietest', async () => {
  const samples = Float32Array.from({ length: 150 * SAMPLE_RATE }, (_, i) =>
    i > 115 * SAMPLE_RATE && i < 115.5 * SAMPLE_RATE ? 0.01 * Math.sin(i) : Math.sin(i),
  );
  const pieces = await piecesOf(samples, [seconds(0, 150)]);
  expect(pieces).toHaveLength(2);
  expect(pieces[0]![1]).toBeGreaterThan(115);
  expect(pieces[0]![1]).toBeLessThan(115.5);
});

test('pieces follow each other without a gap, each within a window unless nobody pauses in it, whatever the runs of speech', async () => {
  const lengths = fc.array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 80 })), {
    minLength: 1,
    maxLength: 20,
  });
  await fc.assert(
    fc.asyncProperty(lengths, async (list) => {
      let at = 0;
      const runs = list.map(([speech, pause]) => {
        const run = { start: at, end: at + 1600 * speech };
        at = run.end + 1600 * pause;
        return run;
      });
      const samples = new Float32Array(at);
      const pieces = await piecesOf(samples, runs);
      expect(pieces[0]![0]).toBe(0);
      expect(pieces.at(-1)![1]).toBe(at / SAMPLE_RATE);
      for (const [i, [begin, end]] of pieces.entries()) {
        const pause = longestPause(
          runs,
          begin * SAMPLE_RATE + 3 * SAMPLE_RATE,
          end * SAMPLE_RATE - SAMPLE_RATE,
        );
        if (pause !== undefined) expect((end - begin) * SAMPLE_RATE).toBeLessThanOrEqual(WINDOW_SAMPLES);
        if (i > 0) expect(begin).toBe(pieces[i - 1]![1]);
      }
    }),
    { numRuns: 30, seed: 1 },
  );
});
