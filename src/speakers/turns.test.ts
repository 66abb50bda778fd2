/** Who speaks when, with embeddings that are known: clusters, turns, their edges. */
import { describe, expect, test } from 'vitest';
import { unit } from '../vectors.ts';
import { averageLinkage, clustersAfter, type Merge } from './cluster.ts';
import { speakerTurns, type VoiceEmbedder } from './turns.ts';

let state = 5;
const draw = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647 - 0.5;
const random = (width: number) => unit(Array.from({ length: width }, draw));
const cosine = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/** The same by its definition: the pair of clusters with the greatest mean cosine, again and again. */
function naive(vectors: readonly Float32Array[]): { similarity: number; members: string }[] {
  const clusters = vectors.map((_, i) => [i]);
  const merges: { similarity: number; members: string }[] = [];
  while (clusters.length > 1) {
    let best = { similarity: Number.NEGATIVE_INFINITY, i: 0, j: 0 };
    for (let i = 0; i < clusters.length; i++) {
      for (let j = i + 1; j < clusters.length; j++) {
        let sum = 0;
        for (const a of clusters[i]!) for (const b of clusters[j]!) sum += cosine(vectors[a]!, vectors[b]!);
        const similarity = sum / (clusters[i]!.length * clusters[j]!.length);
        if (similarity > best.similarity) best = { similarity, i, j };
      }
    }
    const [joined] = clusters.splice(best.j, 1);
    clusters[best.i] = [...clusters[best.i]!, ...joined!].sort((a, b) => a - b);
    merges.push({ similarity: best.similarity, members: clusters[best.i]!.join() });
  }
  return merges;
}

const membersOf = (merges: readonly Merge[], count: number): string[] => {
  const members = Array.from({ length: count }, (_, i) => [i]);
  for (const { a, b } of merges) members.push([...members[a]!, ...members[b]!].sort((x, y) => x - y));
  return members.slice(count).map((some) => some.join());
};

test('clusters are those of average linkage by its definition', () => {
  for (const count of [1, 2, 3, 12, 25]) {
    const vectors = Array.from({ length: count }, () => random(6));
    const expected = naive(vectors);
    const found = averageLinkage(vectors);
    expect(membersOf(found, count)).toEqual(expected.map(({ members }) => members));
    for (const [i, { similarity }] of found.entries())
      expect(similarity).toBeCloseTo(expected[i]!.similarity, 6);
  }
});

test('equal vectors end, and make one cluster', () => {
  const vectors = Array.from({ length: 9 }, () => unit([1, 2, 3]));
  const merges = averageLinkage(vectors);
  expect(merges.length).toBe(8);
  expect(clustersAfter(9, merges, 8)).toEqual(new Array(9).fill(0));
  expect(clustersAfter(9, merges, 0)).toEqual([...Array(9).keys()]);
});

/** Samples whose value is the voice; its embedding is the direction of the mean. */
function recording(plan: readonly (readonly [voice: number, seconds: number])[]) {
  const parts = plan.map(([voice, seconds]) => new Float32Array(Math.round(seconds * 16_000)).fill(voice));
  const samples = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  const runs: { start: number; end: number }[] = [];
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    if (part[0] !== 0) runs.push({ start: at, end: at + part.length });
    at += part.length;
  }
  return { runs, read: async (from: number, to: number) => samples.subarray(from, to) };
}
const embedder: VoiceEmbedder = {
  threshold: 0.7,
  embed: async (windows) =>
    windows.map((window) => {
      const shares = [1, 2, 3].map((voice) =>
        window.reduce((sum, value) => sum + Number(value === voice), 0),
      );
      return unit(shares);
    }),
};
const found = async (plan: Parameters<typeof recording>[0], count?: number) => {
  const { runs, read } = recording(plan);
  const turns = await speakerTurns({ read }, runs, embedder, { count });
  return turns.map(({ start, end, speaker }) => [speaker, start, end]);
};

describe('turns', () => {
  test('begin and end with the speech, and count speakers as they appear', async () => {
    expect(
      await found([
        [0, 1],
        [2, 6],
        [0, 1],
        [1, 6],
        [0, 0.5],
        [2, 5],
      ]),
    ).toEqual([
      [1, 1, 7],
      [2, 8, 14],
      [1, 14.5, 19.5],
    ]);
  });

  test('change without a pause, within half a second of it', async () => {
    const turns = await found([
      [1, 6.1],
      [2, 8],
    ]);
    expect(turns.map(([speaker]) => speaker)).toEqual([1, 2]);
    expect(Math.abs(turns[0]![2]! - 6.1)).toBeLessThanOrEqual(0.5);
    expect(turns[1]![2]).toBeCloseTo(14.1, 6);
  });

  test('a word of one second that nobody else sounds like is given to one of the others', async () => {
    const turns = await found([
      [1, 20],
      [0, 1],
      [3, 1],
      [0, 1],
      [2, 20],
    ]);
    expect(new Set(turns.map(([speaker]) => speaker)).size).toBe(2);
  });

  test('as many speakers as are asked for', async () => {
    const plan = [
      [1, 8],
      [0, 1],
      [2, 8],
      [0, 1],
      [3, 8],
    ] as const;
    for (const [count, expected] of [
      [undefined, 3],
      [1, 1],
      [2, 2],
      [3, 3],
      [9, 9],
    ] as const) {
      const turns = await found(plan, count);
      expect(new Set(turns.map(([speaker]) => speaker)).size).toBe(Math.min(expected, 3));
    }
  });

  test('of a single short word, and of silence', async () => {
    expect(await found([[1, 0.3]])).toEqual([[1, 0, 0.3]]);
    expect(await found([[0, 3]])).toEqual([]);
  });
});
