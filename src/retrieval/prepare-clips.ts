/** Preparation of frames before clips are compared: centring, rarity weights, dropping silence. */

import { float32, type Runtime } from '../backend/runtime.ts';
import { Graph } from '../graph/graph.ts';
import { add, linear, topK } from '../graph/ops.ts';
import { frameValues } from '../whisper/encoded-clip.ts';
import { kMeans } from '../whisper/k-means.ts';
import { commonWidth } from './block-comparison.ts';
import { type ComparedClip, changedClip, heldClip, type WeightedClip } from './clip-blocks.ts';

/** Subtracts the clips' common mean frame: within one language, the offset of that language (and its speaker). */
export async function centred(clips: readonly ComparedClip[]): Promise<ComparedClip[]> {
  if (clips.length === 0) return [];
  const width = commonWidth(clips);
  const mean = new Float64Array(width);
  let count = 0;
  for (const clip of clips) {
    const values = frameValues(await heldClip(clip));
    for (let i = 0; i < clip.length * width; i++) mean[i % width]! += values[i]!;
    count += clip.length;
  }
  for (let k = 0; k < width; k++) mean[k]! /= Math.max(1, count);
  return clips.map((clip) =>
    changedClip(clip, clip.length, (held) => ({
      ...held,
      window: held.length,
      frames: frameValues(held)
        .subarray(0, held.length * width)
        .map((value, i) => value - mean[i % width]!),
    })),
  );
}

/** The clip's frames for which `keep` holds; all of them where it holds for none. */
export function withFrames(clip: ComparedClip, keep: readonly boolean[]): ComparedClip {
  const kept = Array.from({ length: clip.length }, (_, t) => t).filter((t) => keep[t]);
  return kept.length === 0 ? clip : changedClip(clip, kept.length, (held) => onlyFrames(held, kept));
}

function onlyFrames(clip: WeightedClip, kept: readonly number[]): WeightedClip {
  const { width } = clip;
  const values = frameValues(clip);
  const frames = new Float32Array(kept.length * width);
  kept.forEach((t, i) => frames.set(values.subarray(t * width, (t + 1) * width), i * width));
  const { weights, ...rest } = clip;
  return {
    ...rest,
    frames,
    window: kept.length,
    length: kept.length,
    ...(weights && { weights: shares(kept.map((t) => weights[t]!)) }),
  };
}

const CLUSTERS = 64;
/** Frames for k-means, sampled evenly over all clips. */
const SAMPLE = 4096;

/**
 * Weights each frame by 1 / its frequency, as BERTScore weights rare words: the frequency is the share of all frames that
 * are nearest to the same one of 64 k-means centres. Common frames (pauses, long vowels) then count little.
 */
export async function weightedByRarity(
  runtime: Runtime,
  clips: readonly ComparedClip[],
): Promise<ComparedClip[]> {
  const total = clips.reduce((sum, { length }) => sum + length, 0);
  if (total === 0) return [...clips];
  const width = commonWidth(clips);
  const k = Math.min(CLUSTERS, total);
  const sample = await evenly(clips, total, Math.min(total, SAMPLE), width);
  const count = sample.length / width;
  const start = new Float32Array(k * width);
  for (let c = 0; c < k; c++) {
    const row = Math.floor((c * count) / k);
    start.set(sample.subarray(row * width, (row + 1) * width), c * width);
  }
  const { centres } = kMeans(sample, width, k, start);
  const program = await runtime.load(nearestGraph(width, k), { builtIn: () => true });
  try {
    // |x − c|² is least where x·c − |c|² / 2 is most.
    const offsets = Float32Array.from({ length: k }, (_, c) =>
      centres.subarray(c * width, (c + 1) * width).reduce((sum, value) => sum - value ** 2 / 2, 0),
    );
    const clusters: number[][] = [];
    const frequency = new Array<number>(k).fill(0);
    for (const clip of clips) {
      if (clip.length === 0) {
        clusters.push([]);
        continue;
      }
      const { fetched } = await runtime.run(
        program,
        {
          frames: float32(frameValues(await heldClip(clip)).slice(0, clip.length * width), [
            clip.length,
            width,
          ]),
          centres: float32(centres, [k, width]),
          offsets: float32(offsets, [k]),
        },
        { fetch: ['nearest'] },
      );
      const nearest = Array.from(fetched.nearest!.data as BigInt64Array, Number);
      for (const c of nearest) frequency[c]! += 1 / total;
      clusters.push(nearest);
    }
    return clips.map((clip, i) => {
      const weights = shares(clusters[i]!.map((c) => 1 / frequency[c]!));
      return changedClip(clip, clip.length, (held) => ({ ...held, weights }));
    });
  } finally {
    await runtime.unload(program);
  }
}

/** Inputs `frames` [n, width], `centres` [k, width], `offsets` [k]; output `nearest`, int64 [n, 1]. */
function nearestGraph(width: number, k: number): Graph {
  const graph = new Graph();
  const scores = add(
    linear(graph.input('frames', ['n', width]), graph.input('centres', [k, width])),
    graph.input('offsets', [k]),
  );
  graph.output('nearest', topK(scores, graph.integers([1]), 'one').indices);
  return graph;
}

async function evenly(
  clips: readonly ComparedClip[],
  total: number,
  count: number,
  width: number,
): Promise<Float32Array> {
  const sample = new Float32Array(count * width);
  let before = 0;
  let taken = 0;
  for (const clip of clips) {
    const values = frameValues(await heldClip(clip));
    for (; taken < count; taken++) {
      const t = Math.floor((taken * total) / count) - before;
      if (t >= clip.length) break;
      sample.set(values.subarray(t * width, (t + 1) * width), taken * width);
    }
    before += clip.length;
  }
  return sample;
}

function shares(weights: readonly number[]): Float32Array {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return Float32Array.from(weights, (weight) => weight / sum);
}
