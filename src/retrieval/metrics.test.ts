import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { Runtime } from '../backend/runtime.ts';
import { type ComparedClip, heldClip, type WeightedClip } from './clip-blocks.ts';
import { csls } from './csls.ts';
import { dtwMatrix } from './dtw.ts';
import { SIMILARITY_METRICS } from './metrics.ts';
import { transportMatrix } from './optimal-transport.ts';
import { centred, weightedByRarity, withFrames } from './prepare-clips.ts';
import { ShortlistedSearch } from './shortlist.ts';

const golden = JSON.parse(readFileSync(new URL('./golden/metrics.json', import.meta.url), 'utf8'));
const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

/** The golden files' pseudo-random numbers: scripts/golden/golden_file.py. */
function unit(index: number, seed: number): number {
  let h = (index + Math.imul(seed, 0x9e3779b9)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
const pseudo = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => (unit(i, seed) - 0.5) * 3.4);
const clip = (length: number, seed: number, width = 8): WeightedClip => ({
  frames: pseudo(length * width, seed),
  window: length,
  length,
  width,
});
const sources: WeightedClip[] = golden.sources.map((length: number, i: number) => clip(length, 10 + i));
const targets: WeightedClip[] = golden.targets.map((length: number, i: number) => clip(length, 50 + i));
const rising = (clips: readonly WeightedClip[]): WeightedClip[] =>
  clips.map((c) => ({
    ...c,
    weights: Float32Array.from({ length: c.length }, (_, i) => (2 * (i + 1)) / (c.length * (c.length + 1))),
  }));

function expectClose(actual: Float32Array, expected: readonly (readonly number[])[], tolerance: number) {
  const flat = expected.flat();
  expect(actual.length).toBe(flat.length);
  actual.forEach((value, i) => {
    expect(Math.abs(value - flat[i]!), `value ${i}`).toBeLessThan(tolerance);
  });
}

test('DTW equals dtw-python', async () => {
  expectClose(await dtwMatrix(runtime, sources, targets), golden.dtw, 2e-6);
});

test('DTW in a band equals dtw-python', async () => {
  const banded = await dtwMatrix(runtime, sources.slice(1), targets, undefined, golden.band);
  expectClose(banded, golden.dtwBanded, 2e-6);
});

test('optimal transport comes close to where POT ends', async () => {
  expectClose(await transportMatrix(runtime, sources, targets), golden.transport, 5e-3);
  const weighted = await transportMatrix(runtime, rising(sources), rising(targets));
  expectClose(weighted, golden.transportWeighted, 5e-3);
});

test('CSLS equals its formula, also with more neighbours than there are', () => {
  const matrix = pseudo(9 * 14, 90);
  expectClose(csls(matrix, 9, 14), golden.csls, 1e-5);
  expectClose(csls(matrix, 9, 14, 3), golden.csls3, 1e-5);
});

test('centred clips have no common mean left', async () => {
  const centredClips = await Promise.all((await centred(sources)).map(heldClip));
  const last = centredClips.map(({ frames, length, width }) =>
    [...frames].slice((length - 1) * width, length * width),
  );
  expectClose(Float32Array.from(last.flat()), golden.centred, 1e-5);
});

test('every similarity is symmetric, at most 1, and most with the clip itself; what has no frames is like nothing', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(),
      async (n, m, seed) => {
        const clips = [clip(n, seed), clip(m, seed + 1)];
        for (const [name, { matrix }] of Object.entries(SIMILARITY_METRICS)) {
          const [xx, xy, yx, yy] = await matrix(runtime, clips, clips);
          // The last half step of Sinkhorn's iteration serves one side, and on noise it ends before it has converged.
          expect(Math.abs(xy! - yx!), name).toBeLessThan(name === 'ot' ? 0.05 : 1e-5);
          expect(Math.max(xx!, xy!, yx!, yy!), name).toBeLessThanOrEqual(1 + 1e-5);
          if (name !== 'ot') expect(xy!, name).toBeLessThanOrEqual(Math.min(xx!, yy!) + 1e-5);
        }
      },
    ),
    // How far from its end the iteration is differs from clip to clip: the same ones each time.
    { numRuns: 8, seed: 1 },
  );
  const empty = [clip(0, 1), clip(3, 2)];
  for (const name of ['seqsim', 'dtw', 'ot'] as const) {
    const [none] = await SIMILARITY_METRICS[name].matrix(runtime, empty, empty);
    expect(none, name).toBe(0);
  }
});

test('DTW depends on the order of the frames', async () => {
  const x = clip(20, 3);
  const order = Array.from({ length: 20 }, (_, t) => 19 - t);
  const reversed = {
    ...x,
    frames: Float32Array.from(order.flatMap((t) => [...x.frames.slice(t * 8, t * 8 + 8)])),
  };
  const [same, turned] = await dtwMatrix(runtime, [x], [x, reversed]);
  expect(same).toBeCloseTo(1, 5);
  expect(turned).toBeLessThan(0.7);
});

test('rare frames weigh more than common ones, and the weights of a clip sum to 1', async () => {
  const common = [1, 0, 0, 0];
  const rare = [0, 5, 0, 0];
  const of = (frames: number[][]): WeightedClip => ({
    frames: Float32Array.from(frames.flat()),
    window: frames.length,
    length: frames.length,
    width: 4,
  });
  const clips = [of([common, common, common, rare]), of([common, common]), of([])];
  const weighted = await weightedByRarity(runtime, clips);
  const first = await heldClip(weighted[0]!);
  expect([...first.weights!].reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  expect(first.weights![3]).toBeGreaterThan(4 * first.weights![0]!);
  // In SeqSim a weight counts like frames that are there several times.
  const doubled = { ...clips[0]!, weights: Float32Array.of(0.2, 0.2, 0.2, 0.4) };
  const repeated = of([common, common, common, rare, rare]);
  const other = clip(9, 4, 4);
  const [a, b] = await SIMILARITY_METRICS.seqsim.matrix(runtime, [doubled, repeated], [other]);
  expect(a).toBeCloseTo(b!, 5);
});

test('frames are dropped with their weights; a clip of silence stays whole', async () => {
  const [whole] = rising([clip(3, 1, 1)]);
  const kept = await heldClip(withFrames(whole!, [true, false, true]));
  expect([kept.length, ...kept.frames]).toEqual([2, whole!.frames[0], whole!.frames[2]]);
  expect([...kept.weights!].map((w) => Math.round(w * 1e4))).toEqual([2500, 7500]);
  expect(withFrames(whole!, [false, false, false])).toBe(whole);
});

test('clips that are read when they are needed have the same similarities, to the bit, whatever is done to them', async () => {
  const stored = (clips: readonly WeightedClip[]): ComparedClip[] =>
    clips.map((clip) => ({
      window: clip.window,
      length: clip.length,
      width: clip.width,
      read: async () => clip,
    }));
  const kept = (clip: ComparedClip): ComparedClip => withFrames(clip, [true, true, false, true, true, true]);
  for (const { matrix } of Object.values(SIMILARITY_METRICS)) {
    expect(await matrix(runtime, stored(sources), stored(targets))).toEqual(
      await matrix(runtime, sources, targets),
    );
  }
  const prepared = async (clips: readonly ComparedClip[]) =>
    weightedByRarity(runtime, (await centred(clips)).map(kept));
  expect(
    await SIMILARITY_METRICS.seqsim.matrix(
      runtime,
      await prepared(stored(sources)),
      await prepared(stored(targets)),
    ),
  ).toEqual(
    await SIMILARITY_METRICS.seqsim.matrix(runtime, await prepared(sources), await prepared(targets)),
  );
  const searched = async (from: readonly ComparedClip[], among: readonly ComparedClip[]) => {
    const search = await ShortlistedSearch.among(runtime, among, 3);
    return search.scores(from);
  };
  expect(await searched(stored(sources), stored(targets))).toEqual(await searched(sources, targets));
});
