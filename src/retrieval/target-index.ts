/**
 * An index of many targets, which need not be in memory, after ColBERT's engines (PLAID: Santhanam et al., arXiv 2205.09707; ColBERTv2:
 * arXiv 2112.01488). Each frame is there twice: as its centroid of k-means, so that the cosines of a source with some thousand
 * centroids are those with all targets and the rest is look-ups; and in its leading dimensions, one byte each.
 */
import { joinSamples } from '../audio/join-samples.ts';
import { type Bag, CentroidInteraction, COSINE_STEPS, LANES } from '../backend/centroid-interaction.ts';
import { float32, type Program, type Runtime } from '../backend/runtime.ts';
import { Graph, type Tensor } from '../graph/graph.ts';
import { add, cast, linear, max, reshape, scale } from '../graph/ops.ts';
import { inBatches } from '../lists.ts';
import { frameValues } from '../whisper/encoded-clip.ts';
import { commonWidth, unit } from './block-comparison.ts';
import { frameCentroids, nearestCentroid, scaleToUnit } from './centroids.ts';
import {
  type BlockPlan,
  type ClipBlock,
  type ComparedClip,
  frameShares,
  heldClip,
  type WeightedClip,
} from './clip-blocks.ts';
import { averaged } from './mean-pool.ts';
import { principalAxes } from './principal-axes.ts';
import { harmonicMean, SeqSimPairs } from './seq-sim.ts';

/** Frames averaged into one: encoder frames change slowly. */
const SPAN = 2;
const MAX_CENTROIDS = 2048;
/** Centroids for each root of the number of frames, as PLAID has them. */
const CENTROIDS_PER_ROOT = 16;
/** Frames that k-means and axes are found from, for each centroid. */
const FRAMES_PER_CENTROID = 16;
const MAX_AXES = 128;
/** Clips read together. */
const READ_CLIPS = 32;
/** Frames of the targets that a source is compared with in one run. */
const CHOSEN_FRAMES = 8192;
const MOST = 127;

/** What the index is made with, part of the key under which scores are stored. */
export const INDEX_NAME = `index ${SPAN} ${MAX_CENTROIDS} ${MAX_AXES}`;

/** Input `frames` [n, width]; outputs `nearest`, int64 [n], and `reduced` [n, axes]. */
function targetGraph(width: number, centroids: Float32Array, axes: Float32Array): Graph {
  const graph = new Graph();
  const frames = graph.input('frames', ['n', width]);
  graph.output('nearest', nearestCentroid(frames, rowsOf(graph, centroids, width)));
  graph.output('reduced', linear(frames, rowsOf(graph, axes, width)));
  return graph;
}

/** Input `frames` [1, n, width]; outputs `cosines`, uint8 [k, n], `best`, uint8 [k, 1], and `reduced` [n, axes]. */
function sourceGraph(width: number, centroids: Float32Array, axes: Float32Array): Graph {
  const graph = new Graph();
  const frames = reshape(unit(graph.input('frames', [1, 'n', width])), ['n', width]);
  const cosines = linear(rowsOf(graph, centroids, width), frames);
  // -1 … 1 becomes 0 … 255; the cast cuts off what is behind the point.
  const whole = (x: Tensor): Tensor =>
    cast(add(scale(x, COSINE_STEPS), graph.scalar(COSINE_STEPS + 0.5)), 'uint8');
  graph.output('cosines', whole(cosines));
  graph.output('best', whole(max(cosines, 1)));
  graph.output('reduced', linear(frames, rowsOf(graph, axes, width)));
  return graph;
}

const rowsOf = (graph: Graph, values: Float32Array, width: number): Tensor =>
  graph.constant(values, [values.length / width, width]);

/** A source as the index sees it. */
export interface IndexedSource {
  /** SeqSim with each target, about, by centroids: [targets]. */
  readonly rough: Float32Array;
  /** In its leading dimensions. */
  readonly reduced: WeightedClip;
}

export class TargetIndex {
  /** Frames of the targets in their leading dimensions, each with a scale of its own, which no cosine depends on: [frames, axes]. */
  readonly #reduced: Int8Array;
  /** [frames] */
  readonly #shares: Float32Array;
  /** First frame of each target, and the end of the last. */
  readonly #firsts: readonly number[];
  readonly #pairs: SeqSimPairs;
  /** There once all targets are read. */
  #bags!: CentroidInteraction;

  private constructor(
    readonly runtime: Runtime,
    private readonly axes: number,
    lengths: readonly number[],
    private readonly programs: { readonly target: Program; readonly source: Program },
  ) {
    const firsts = [0];
    for (const length of lengths) firsts.push(firsts.at(-1)! + length);
    this.#firsts = firsts;
    this.#reduced = new Int8Array(firsts.at(-1)! * axes);
    this.#shares = new Float32Array(firsts.at(-1)!);
    const targets = { lengths, block: (plan: BlockPlan) => this.#block(plan) };
    this.#pairs = new SeqSimPairs(runtime, axes, targets, CHOSEN_FRAMES);
  }

  /**
   * Reads each target once.
   * @param targets at least one
   */
  static async of(
    runtime: Runtime,
    targets: readonly ComparedClip[],
    onProgress?: (share: number) => void,
  ): Promise<TargetIndex> {
    const width = commonWidth(targets);
    const lengths = targets.map(({ length }) => Math.ceil(length / SPAN));
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const wanted = Math.min(
      MAX_CENTROIDS,
      2 ** Math.floor(Math.log2(1 + CENTROIDS_PER_ROOT * Math.sqrt(total))),
    );
    const sample = await sampled(targets, total, wanted * FRAMES_PER_CENTROID, width);
    const count = Math.min(MAX_AXES, width);
    const centroids = await frameCentroids(runtime, sample, width, Math.min(wanted, sample.length / width));
    const axes = await principalAxes(runtime, sample, width, count);
    const load = (graph: Graph) => runtime.load(graph, { builtIn: () => true });
    const index = new TargetIndex(runtime, count, lengths, {
      target: await load(targetGraph(width, centroids, axes)),
      source: await load(sourceGraph(width, centroids, axes)),
    });
    const bags: Bag[] = [];
    for (const some of inBatches(targets, READ_CLIPS)) {
      const clips = await Promise.all(some.map(pooled));
      for (const bag of await index.#include(clips, bags.length)) bags.push(bag);
      onProgress?.(bags.length / targets.length);
    }
    index.#bags = new CentroidInteraction(bags);
    return index;
  }

  /** Puts pooled clips in the places of the targets from `first` on. */
  async #include(clips: readonly WeightedClip[], first: number): Promise<Bag[]> {
    const frames = joined(clips);
    if (frames.length === 0) return clips.map(() => bagOf(new BigInt64Array(), new Float32Array()));
    const width = clips[0]!.width;
    const { fetched } = await this.runtime.run(
      this.programs.target,
      { frames: float32(frames, [frames.length / width, width]) },
      { fetch: ['nearest', 'reduced'] },
    );
    const reduced = fetched.reduced!.data as Float32Array;
    const place = this.#firsts[first]!;
    for (let t = 0; t < reduced.length; t += this.axes) {
      let most = 0;
      for (let d = 0; d < this.axes; d++) most = Math.max(most, Math.abs(reduced[t + d]!));
      const factor = MOST / (most || 1);
      const at = place * this.axes + t;
      for (let d = 0; d < this.axes; d++) this.#reduced[at + d] = Math.round(factor * reduced[t + d]!);
    }
    const nearest = fetched.nearest!.data as BigInt64Array;
    return clips.map((clip, i) => {
      const [from, to] = [this.#firsts[first + i]!, this.#firsts[first + i + 1]!];
      const shares = frameShares(clip);
      this.#shares.set(shares, from);
      return bagOf(nearest.subarray(from - place, to - place), shares);
    });
  }

  async look(clip: WeightedClip): Promise<IndexedSource> {
    const firsts = this.#firsts;
    const { frames, length, width, weights } = averaged(clip, SPAN);
    if (length === 0) {
      const reduced = { frames: new Float32Array(), window: 0, length, width: this.axes };
      return { rough: new Float32Array(firsts.length - 1), reduced };
    }
    const padded = Math.ceil(length / LANES) * LANES;
    const rows = new Float32Array(padded * width);
    // A frame that is there twice changes no maximum.
    for (let t = 0; t < padded; t += length) {
      rows.set((frames as Float32Array).subarray(0, (padded - t) * width), t * width);
    }
    const shares = new Float32Array(padded);
    shares.set(weights!);
    const { fetched } = await this.runtime.run(
      this.programs.source,
      { frames: float32(rows, [1, padded, width]) },
      { fetch: ['cosines', 'best', 'reduced'] },
    );
    const { precision, recall } = this.#bags.scores({
      cosines: fetched.cosines!.data as Uint8Array,
      best: fetched.best!.data as Uint8Array,
      shares,
    });
    return {
      rough: precision.map((value, i) => (firsts[i] === firsts[i + 1] ? 0 : harmonicMean(value, recall[i]!))),
      reduced: {
        ...{ frames: fetched.reduced!.data as Float32Array, window: padded, length, width: this.axes },
        ...(weights && { weights }),
      },
    };
  }

  #block({ members, length }: BlockPlan): ClipBlock {
    const { axes } = this;
    const frames = new Int8Array(members.length * length * axes);
    const weights = new Float32Array(members.length * length);
    members.forEach((target, i) => {
      const [from, to] = [this.#firsts[target]!, this.#firsts[target + 1]!];
      weights.set(this.#shares.subarray(from, to), i * length);
      // Padding repeats a frame.
      for (let t = 0; t < length && to > from; t += to - from) {
        const some = Math.min(to - from, length - t);
        frames.set(this.#reduced.subarray(from * axes, (from + some) * axes), (i * length + t) * axes);
      }
    });
    const lengths = members.map((target) => this.#firsts[target + 1]! - this.#firsts[target]!);
    return { members, length, lengths, frames, weights };
  }

  /**
   * SeqSim in the leading dimensions.
   * @param chosen indices of targets
   * @returns [chosen]
   */
  scores({ reduced }: IndexedSource, chosen: readonly number[]): Promise<Float32Array> {
    return this.#pairs.scores(reduced, chosen);
  }

  async unload(): Promise<void> {
    await this.#pairs.unload();
    for (const program of Object.values(this.programs)) await this.runtime.unload(program);
  }
}

/** The different centroids of a clip's frames, in ascending order. */
function bagOf(nearest: BigInt64Array, shares: Float32Array): Bag {
  const total = new Map<number, number>();
  for (const [t, centroid] of nearest.entries()) {
    const c = Number(centroid);
    total.set(c, (total.get(c) ?? 0) + shares[t]!);
  }
  // Of all targets together these are many numbers: as typed arrays, a garbage collection does not pass over them.
  const centroids = Uint16Array.from(total.keys()).sort();
  return { centroids, shares: Float32Array.from(centroids, (c) => total.get(c)!) };
}

const pooled = async (clip: ComparedClip): Promise<WeightedClip> => averaged(await heldClip(clip), SPAN);

/** Frames of all the clips, [n, width]. */
const joined = (clips: readonly WeightedClip[]): Float32Array =>
  joinSamples(clips.map((clip) => frameValues(clip).subarray(0, clip.length * clip.width)));

/**
 * About `count` frames of evenly spaced clips, each of length 1; a single one of zeros where there is none.
 * @param total frames of all
 * @returns [n, width]
 */
async function sampled(
  targets: readonly ComparedClip[],
  total: number,
  count: number,
  width: number,
): Promise<Float32Array> {
  const clips = targets.filter(({ length }) => length > 0);
  const some = Math.min(clips.length, Math.ceil((clips.length * count) / Math.max(1, total)));
  const held: WeightedClip[] = [];
  for (let i = 0; i < some; i++) held.push(await pooled(clips[Math.floor((i * clips.length) / some)]!));
  const frames = some > 0 ? joined(held) : new Float32Array(width);
  scaleToUnit(frames, width);
  return frames;
}
