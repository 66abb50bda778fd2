/**
 * SeqSim: how alike two utterances are, by their encoder frames (Ma et al., "Cross-Lingual Transfer Learning for
 * Speech Translation", arXiv 2407.01130; BERTScore of Zhang et al., arXiv 1904.09675, on frames instead of tokens).
 *
 *   S[i, j] = cos(xᵢ, yⱼ)    P = meanᵢ maxⱼ S    R = meanⱼ maxᵢ S    SeqSim = 2PR / (P + R)
 *
 * It does not see the order of the frames. Frames that the encoder made of padding are left out.
 */
import { Graph, product } from '../graph/graph.ts';
import { atLeast, div, linear, max, mul, reshape, sqrt, sum } from '../graph/ops.ts';
import { float32, type Program, type Resident, type Runtime } from '../graph/runtime.ts';
import type { EncodedClip } from '../whisper/model.ts';
import { type BlockPlan, fillBlock, planBlocks, soleBlock } from './clip-blocks.ts';

/** Targets stay in the computing thread while all sources pass by, at most so many values (1 GiB) at a time. */
const RESIDENT_VALUES = 2 ** 28;

/** A ClipBlock whose frames, scaled to length 1, lie in the computing thread. */
interface ResidentBlock extends BlockPlan {
  readonly weights: Float32Array;
  readonly unit: Resident;
}

/** `frames` [clips, frames, width] → `unit`, the same with each frame scaled to length 1. */
function unitGraph(width: number): Graph {
  const graph = new Graph();
  const x = graph.input('frames', ['clips', 'frames', width]);
  graph.output('unit', div(x, sqrt(atLeast(sum(mul(x, x), [2]), 1e-30))));
  return graph;
}

/**
 * Precision and recall of each source clip of a block with each target clip of another.
 * Inputs `sources` [p, a, width], `sourceWeights` [p, a], `targets` [q, b, width], `targetWeights` [q, b];
 * outputs `precision` and `recall` [p, 1, q, 1].
 */
function blockGraph(width: number): Graph {
  const graph = new Graph();
  const sources = graph.input('sources', ['p', 'a', width]);
  const targets = graph.input('targets', ['q', 'b', width]);
  const sourceWeights = graph.input('sourceWeights', ['p', 'a']);
  const targetWeights = graph.input('targetWeights', ['q', 'b']);
  const cosines = reshape(linear(sources, reshape(targets, [product(['q', 'b']), width])), [
    'p',
    'a',
    'q',
    'b',
  ]);
  const bestTarget = max(cosines, 3); // [p, a, q, 1]
  const bestSource = max(cosines, 1); // [p, 1, q, b]
  graph.output('precision', sum(mul(bestTarget, reshape(sourceWeights, ['p', 'a', 1, 1])), [1]));
  graph.output('recall', sum(mul(bestSource, targetWeights), [3]));
  return graph;
}

/** Harmonic mean of precision and recall. Where their signs differ it means nothing and may be of any size: 0. */
function harmonicMean(precision: number, recall: number): number {
  return precision * recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
}

/**
 * SeqSim of every source with every target. A clip without frames has SeqSim 0 with all.
 * @param onProgress called with the number of pairs done
 * @returns [sources, targets], row by row
 */
export async function seqSimMatrix(
  runtime: Runtime,
  sources: readonly EncodedClip[],
  targets: readonly EncodedClip[],
  onProgress?: (pairs: number) => void,
): Promise<Float32Array> {
  const similarity = new Float32Array(sources.length * targets.length);
  const plans = (clips: readonly EncodedClip[]) => planBlocks(clips.map(({ length }) => length));
  await compareBlocks(runtime, sources, targets, plans(sources), plans(targets), similarity, {
    onProgress,
  });
  return similarity;
}

/**
 * SeqSim of chosen pairs, written into `similarity` [sources, targets]; the other values stay.
 * @param chosen for each source, indices of targets
 * @param onProgress called with the number of pairs done
 */
export async function seqSimPairs(
  runtime: Runtime,
  sources: readonly EncodedClip[],
  targets: readonly EncodedClip[],
  chosen: readonly (readonly number[])[],
  similarity: Float32Array,
  onProgress?: (pairs: number) => void,
): Promise<void> {
  // Each clip is a block of its own: chosen pairs seldom fill a rectangle.
  const plans = (clips: readonly EncodedClip[]) => clips.map(({ length }, i) => soleBlock(i, length));
  const wanted = chosen.map((columns) => new Set(columns));
  await compareBlocks(runtime, sources, targets, plans(sources), plans(targets), similarity, {
    isWanted: (source, target) => wanted[source.members[0]!]!.has(target.members[0]!),
    onProgress,
  });
}

interface CompareOptions {
  /** @default every pair of blocks */
  readonly isWanted?: (source: BlockPlan, target: BlockPlan) => boolean;
  readonly onProgress: ((pairs: number) => void) | undefined;
}

async function compareBlocks(
  runtime: Runtime,
  sources: readonly EncodedClip[],
  targets: readonly EncodedClip[],
  sourcePlans: readonly BlockPlan[],
  targetPlans: readonly BlockPlan[],
  similarity: Float32Array,
  { isWanted = () => true, onProgress }: CompareOptions,
): Promise<void> {
  if (sources.length === 0 || targets.length === 0) return;
  const width = commonWidth(sources, targets);
  const unitProgram = await runtime.load(unitGraph(width), { builtIn: () => true });
  const blockProgram = await runtime.load(blockGraph(width), { builtIn: () => true });
  let done = 0;
  try {
    for (const tile of tiles(targetPlans, width)) {
      const residents: ResidentBlock[] = [];
      for (const plan of tile) residents.push(await upload(runtime, unitProgram, targets, plan, width));
      for (const plan of sourcePlans) {
        const wanted = residents.filter((target) => isWanted(plan, target));
        if (wanted.length === 0) continue;
        const source = await upload(runtime, unitProgram, sources, plan, width);
        // All at once: the computing thread takes them one by one and never waits for this one.
        await Promise.all(
          wanted.map(async (target) => {
            const scores = await blockSimilarity(runtime, blockProgram, source, target);
            source.members.forEach((row, i) => {
              target.members.forEach((column, j) => {
                similarity[row * targets.length + column] = scores[i * target.members.length + j]!;
              });
            });
            done += scores.length;
          }),
        );
        await runtime.free([source.unit]);
        onProgress?.(done);
      }
      await runtime.free(residents.map(({ unit }) => unit));
    }
  } finally {
    await runtime.unload(unitProgram);
    await runtime.unload(blockProgram);
  }
}

async function upload(
  runtime: Runtime,
  unitProgram: Program,
  clips: readonly EncodedClip[],
  plan: BlockPlan,
  width: number,
): Promise<ResidentBlock> {
  const { members, length, frames, weights } = fillBlock(clips, plan);
  const { kept } = await runtime.run(
    unitProgram,
    { frames: float32(frames, [members.length, length, width]) },
    { keep: ['unit'] },
  );
  return { members, length, weights, unit: kept.unit! };
}

/** SeqSim of the clips of two blocks, [source members, target members]. */
async function blockSimilarity(
  runtime: Runtime,
  program: Program,
  source: ResidentBlock,
  target: ResidentBlock,
): Promise<Float32Array> {
  const { fetched } = await runtime.run(
    program,
    {
      sources: source.unit,
      sourceWeights: float32(source.weights, [source.members.length, source.length]),
      targets: target.unit,
      targetWeights: float32(target.weights, [target.members.length, target.length]),
    },
    { fetch: ['precision', 'recall'] },
  );
  const recall = fetched.recall!.data as Float32Array;
  return (fetched.precision!.data as Float32Array).map((precision, i) => harmonicMean(precision, recall[i]!));
}

function tiles(plans: readonly BlockPlan[], width: number): BlockPlan[][] {
  const result: BlockPlan[][] = [];
  let room = 0;
  for (const plan of plans) {
    const values = plan.members.length * plan.length * width;
    if (values > room || result.length === 0) {
      result.push([]);
      room = RESIDENT_VALUES;
    }
    result.at(-1)!.push(plan);
    room -= values;
  }
  return result;
}

function commonWidth(sources: readonly EncodedClip[], targets: readonly EncodedClip[]): number {
  const width = sources[0]!.width;
  for (const clip of [...sources, ...targets]) {
    if (clip.width !== width) {
      throw new TypeError(
        `SeqSim: frames of ${width} and of ${clip.width} values come from different models`,
      );
    }
  }
  return width;
}

/**
 * The baseline: cosine of the clips' mean frames.
 * @returns [sources, targets], row by row
 */
export function meanPoolMatrix(
  runtime: Runtime,
  sources: readonly EncodedClip[],
  targets: readonly EncodedClip[],
): Promise<Float32Array> {
  // Between clips of a single frame, SeqSim is their cosine.
  const mean = (clip: EncodedClip): EncodedClip => averaged(clip, Math.max(1, clip.length));
  return seqSimMatrix(runtime, sources.map(mean), targets.map(mean));
}

/** The clip with every `span` consecutive frames replaced by their mean; the last one may be of fewer. */
export function averaged(clip: EncodedClip, span: number): EncodedClip {
  const { width } = clip;
  const length = Math.ceil(clip.length / span);
  const frames = new Float32Array(length * width);
  for (let t = 0; t < length; t++) {
    const end = Math.min(clip.length, (t + 1) * span);
    for (let k = 0; k < width; k++) {
      let total = 0;
      for (let i = t * span; i < end; i++) total += clip.frames[i * width + k]!;
      frames[t * width + k] = total / (end - t * span);
    }
  }
  return { frames, window: length, length, width };
}
