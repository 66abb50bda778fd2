import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { Runtime } from '../backend/runtime.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { fillBlock, planBlocks } from './clip-blocks.ts';
import { averaged, meanPoolMatrix } from './mean-pool.ts';
import { seqSimMatrix } from './seq-sim.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

/** A clip of real frames followed by `padding` loud frames that must not be heard. */
function clip(frames: readonly (readonly number[])[], width: number, padding = 0): EncodedClip {
  const own = frames.flat();
  const rest = Array.from({ length: padding * width }, (_, i) => 1e3 * Math.sin(i + 1));
  return {
    frames: Float32Array.from([...own, ...rest]),
    window: frames.length + padding,
    length: frames.length,
    width,
  };
}

function noise(length: number, width: number, seed: number): number[][] {
  return Array.from({ length }, (_, t) =>
    Array.from({ length: width }, (_, k) => {
      const x = Math.sin((t * width + k + 1) * 12.9898 + seed * 78.233) * 43758.5453;
      return x - Math.floor(x) - 0.3;
    }),
  );
}

/** The formula, in double precision, word for word. */
function referenceSeqSim(x: EncodedClip, y: EncodedClip): number {
  const frame = (clip: EncodedClip, t: number) => [
    ...clip.frames.subarray(t * clip.width, (t + 1) * clip.width),
  ];
  const dot = (a: number[], b: number[]) => a.reduce((total, value, i) => total + value * b[i]!, 0);
  const of = (clip: EncodedClip) =>
    Array.from({ length: clip.length }, (_, t) => {
      const values = frame(clip, t);
      const norm = Math.sqrt(dot(values, values));
      return values.map((value) => value / norm);
    });
  const xs = of(x);
  const ys = of(y);
  const cosines = xs.map((a) => ys.map((b) => dot(a, b)));
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const precision = mean(cosines.map((row) => Math.max(...row)));
  const recall = mean(ys.map((_, j) => Math.max(...cosines.map((row) => row[j]!))));
  return precision * recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
}

const framesOf = (width: number) =>
  fc.array(
    fc
      .array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: width, maxLength: width })
      .map((frame) =>
        // Far from zero, where a direction means nothing.
        frame.map((x, i) => (i === 0 ? x + Math.sign(x || 1) : x)),
      ),
    { minLength: 1, maxLength: 12 },
  );

const one = async (x: EncodedClip, y: EncodedClip) => (await seqSimMatrix(runtime, [x], [y]))[0]!;

test('SeqSim of clips of many lengths equals the formula in double precision, padding or not', async () => {
  const width = 16;
  const lengths = [1, 2, 7, 30, 31, 33, 64, 100, 350, 351];
  const sources = lengths.map((length, i) => clip(noise(length, width, i), width, i % 4));
  const targets = [...lengths]
    .reverse()
    .map((length, i) => clip(noise(length + 1, width, 50 + i), width, i % 3));
  const pairs: number[] = [];
  const matrix = await seqSimMatrix(runtime, sources, targets, (done) => pairs.push(done));
  sources.forEach((x, i) => {
    targets.forEach((y, j) => {
      expect(Math.abs(matrix[i * targets.length + j]! - referenceSeqSim(x, y))).toBeLessThan(2e-6);
    });
  });
  expect(pairs.at(-1)).toBe(sources.length * targets.length);
});

test('the SeqSim of an utterance with itself is 1, also in another order of frames', async () => {
  await fc.assert(
    fc.asyncProperty(framesOf(5), async (x) => {
      expect(await one(clip(x, 5), clip(x, 5, 2))).toBeCloseTo(1, 5);
      expect(await one(clip(x, 5), clip([...x].reverse(), 5))).toBeCloseTo(1, 5);
    }),
    { numRuns: 25 },
  );
});

test('SeqSim is symmetric, within [-1, 1], and blind to order, loudness and padding', async () => {
  await fc.assert(
    fc.asyncProperty(framesOf(4), framesOf(4), fc.nat(20), async (x, y, padding) => {
      const value = await one(clip(x, 4), clip(y, 4));
      expect(value).toBeCloseTo(referenceSeqSim(clip(x, 4), clip(y, 4)), 4);
      expect(Math.abs(value)).toBeLessThanOrEqual(1 + 1e-6);
      expect(await one(clip(y, 4), clip(x, 4))).toBeCloseTo(value, 5);
      const louder = x.map((frame) => frame.map((a) => 7 * a));
      expect(await one(clip([...louder].reverse(), 4, padding), clip(y, 4, padding))).toBeCloseTo(value, 5);
    }),
    { numRuns: 25 },
  );
});

test('a clip without frames is like nothing, and no clips give an empty matrix', async () => {
  const some = clip(noise(5, 8, 1), 8);
  const matrix = await seqSimMatrix(runtime, [clip([], 8, 3), some], [some, clip([], 8)]);
  expect([...matrix].map((x) => Math.round(x * 1e5) / 1e5)).toEqual([0, 0, 1, 0]);
  expect(await seqSimMatrix(runtime, [], [some])).toHaveLength(0);
});

test('frames of two models do not mix', async () => {
  await expect(seqSimMatrix(runtime, [clip(noise(3, 8, 1), 8)], [clip(noise(3, 6, 1), 6)])).rejects.toThrow(
    'different models',
  );
});

test('the mean-pooled baseline is the cosine of the mean frames', async () => {
  const x = clip(
    [
      [1, 0],
      [1, 2],
    ],
    2,
    3,
  );
  const y = clip([[-1, 0]], 2, 1);
  const matrix = await meanPoolMatrix(runtime, [x, y], [x, y]);
  const expected = [1, -Math.SQRT1_2, -Math.SQRT1_2, 1];
  matrix.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 5);
  });
});

test('averaging frames keeps the rest that does not fill a span', () => {
  const result = averaged(clip([[1], [3], [5]], 1, 4), 2);
  expect([result.length, ...result.frames]).toEqual([2, 2, 5]);
});

test('blocks hold every clip once, waste little on padding, and stay small', () => {
  const lengths = Array.from({ length: 300 }, (_, i) => (i * 37) % 460);
  const blocks = planBlocks(lengths, 1024);
  expect(blocks.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
  const padded = blocks.reduce((total, { members, length }) => total + members.length * length, 0);
  const own = lengths.reduce((a, b) => a + b, 0);
  expect(padded / own).toBeLessThan(1.12);
  for (const { members, length } of blocks) {
    expect(members.length === 1 || members.length * length <= 1024).toBe(true);
    for (const member of members) expect(lengths[member]!).toBeLessThanOrEqual(length);
  }
});

test('padding repeats a frame of the clip and weighs nothing', async () => {
  const { frames, weights } = await fillBlock([clip([[2], [4]], 1, 5)], { members: [0], length: 4 });
  expect([...frames]).toEqual([2, 4, 2, 2]);
  expect([...weights]).toEqual([0.5, 0.5, 0, 0]);
});
