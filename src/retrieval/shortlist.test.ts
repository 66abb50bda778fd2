import { afterAll, expect, test } from 'vitest';
import { Runtime } from '../backend/runtime.ts';
import { float32ToFloat16 } from '../checkpoint/half-precision.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { seqSimMatrix } from './seq-sim.ts';
import { isQuickExactly, shortlistedSeqSim } from './shortlist.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const WIDTH = 8;

/** Frames that change slowly, as an encoder's do, in float16, as the cache has them. */
function clip(length: number, seed: number): EncodedClip {
  const frames = Float32Array.from({ length: length * WIDTH }, (_, i) =>
    Math.sin(seed * (1 + (i % WIDTH)) + Math.floor(i / WIDTH) * 0.2 * (1 + ((i * seed) % 3))),
  );
  return { frames: float32ToFloat16(frames), window: length, length, width: WIDTH };
}

const sources = Array.from({ length: 7 }, (_, i) => clip(20 + 3 * i, i + 1));
const targets = Array.from({ length: 12 }, (_, i) => clip(18 + 5 * i, 1.1 * i + 1));

test('what is on the shortlist has its exact SeqSim, and all else ranks after it', async () => {
  const exact = await seqSimMatrix(runtime, sources, targets);
  const shares: number[] = [];
  const scores = await shortlistedSeqSim(runtime, sources, targets, {
    shortlist: 4,
    onProgress: (share) => shares.push(share),
  });
  sources.forEach((_, row) => {
    const own = scores.subarray(row * targets.length, (row + 1) * targets.length);
    const listed = [...own.keys()].filter((j) => own[j]! >= -1);
    expect(listed).toHaveLength(4);
    for (const j of listed) expect(own[j]!).toBeCloseTo(exact[row * targets.length + j]!, 5);
    for (const j of own.keys()) if (!listed.includes(j)) expect(own[j]!).toBeLessThanOrEqual(-1);
  });
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
  expect(shares.at(-1)).toBeCloseTo(1, 6);
});

test('a shortlist of all targets is the exact matrix', async () => {
  const exact = await seqSimMatrix(runtime, sources, targets);
  const scores = await shortlistedSeqSim(runtime, sources, targets, { shortlist: 99 });
  for (const [i, value] of exact.entries()) expect(scores[i]!).toBeCloseTo(value, 5);
});

test('no clips, no scores', async () => {
  expect(await shortlistedSeqSim(runtime, sources, [])).toHaveLength(0);
});

test('a hundred clips are compared exactly, a thousand of 5 s are not', () => {
  const ofSeconds = (count: number, seconds: number): EncodedClip[] =>
    new Array(count).fill({ frames: new Float32Array(), window: 0, length: 50 * seconds, width: 512 });
  expect(isQuickExactly(ofSeconds(107, 6), ofSeconds(107, 6))).toBe(true);
  expect(isQuickExactly(ofSeconds(1000, 5), ofSeconds(1000, 5))).toBe(false);
});
