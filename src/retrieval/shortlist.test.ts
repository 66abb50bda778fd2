import { afterAll, expect, test } from 'vitest';
import { Runtime } from '../backend/runtime.ts';
import { float32ToFloat16 } from '../half-precision.ts';
import { sfc32, uniform } from '../random.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { seqSimMatrix } from './seq-sim.ts';
import { isQuickExactly, ShortlistedSearch } from './shortlist.ts';

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

async function searched(among: readonly EncodedClip[], from: readonly EncodedClip[], shortlist?: number) {
  const shares: number[] = [];
  const search = await ShortlistedSearch.among(runtime, among, shortlist);
  const scores = await search.scores(from, (share) => shares.push(share));
  await search.unload();
  return { scores, shares };
}

test('what is on the shortlist has its exact SeqSim, and all else ranks after it', async () => {
  const exact = await seqSimMatrix(runtime, sources, targets);
  const { scores, shares } = await searched(targets, sources, 4);
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
  const { scores } = await searched(targets, sources, 99);
  for (const [i, value] of exact.entries()) expect(scores[i]!).toBeCloseTo(value, 5);
});

/** Frames that stay for a while, each near one of 40 sounds; a source says what its target says, less clearly. */
function spoken(sounds: readonly number[], noise: number, seed: number): EncodedClip {
  const random = sfc32(seed);
  const values = sounds.flatMap((sound) => {
    const own = sfc32(1000 + sound);
    const centre = Array.from({ length: 32 }, () => uniform(own) - 0.5);
    return Array.from({ length: 5 }, () => centre.map((x) => x + noise * (uniform(random) - 0.5)));
  });
  const length = values.length;
  return { frames: float32ToFloat16(Float32Array.from(values.flat())), window: length, length, width: 32 };
}

test('the best target of the exact comparison is on the shortlist, whatever the order, to the bit at each run', async () => {
  const random = sfc32(7);
  const texts = Array.from({ length: 300 }, () =>
    Array.from({ length: 6 + Math.floor(6 * uniform(random)) }, () => Math.floor(40 * uniform(random))),
  );
  const among = texts.map((text, i) => spoken(text, 0.4, i));
  const from = texts.slice(0, 40).map((text, i) => spoken(text.toReversed(), 1.2, 500 + i));
  const exact = await seqSimMatrix(runtime, from, among);
  const { scores } = await searched(among, from, 6);
  from.forEach((_, row) => {
    const [own, all] = [scores, exact].map((m) => m.subarray(row * 300, (row + 1) * 300));
    expect(own!.indexOf(Math.max(...own!))).toBe(all!.indexOf(Math.max(...all!)));
  });
  expect((await searched(among, from, 6)).scores).toEqual(scores);
  // A source's scores do not depend on those beside it.
  expect((await searched(among, from.slice(3, 5), 6)).scores).toEqual(scores.slice(3 * 300, 5 * 300));
});

test('clips without frames, or of one, are searched and found; frames of two models do not mix', async () => {
  const [empty, short] = [clip(0, 1), clip(1, 2)];
  const { scores } = await searched([empty, ...targets, short], [short, empty], 2);
  expect(scores[targets.length + 1]).toBeCloseTo(1, 5);
  expect(scores.every(Number.isFinite)).toBe(true);
  const { scores: none } = await searched([empty, empty, empty], [short], 1);
  expect([...none].sort()).toEqual([-2, -2, 0]);
  const other: EncodedClip = { frames: new Float32Array(3 * 4), window: 3, length: 3, width: 4 };
  await expect(searched([...targets, other], sources, 2)).rejects.toThrow('different models');
  await expect(searched(targets, [other], 2)).rejects.toThrow('different models');
});

test('a hundred clips are compared exactly, a thousand of 5 s are not', () => {
  const ofSeconds = (count: number, seconds: number): EncodedClip[] =>
    new Array(count).fill({ frames: new Float32Array(), window: 0, length: 50 * seconds, width: 512 });
  expect(isQuickExactly(ofSeconds(107, 6), ofSeconds(107, 6))).toBe(true);
  expect(isQuickExactly(ofSeconds(1000, 5), ofSeconds(1000, 5))).toBe(false);
});
