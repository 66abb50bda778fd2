/** SeqSim of many clips with many others as one matrix product and two maxima. */
import { Graph, product, type Tensor } from '../graph/graph.ts';
import { atLeast, div, gather, linear, max, mul, reshape, sqrt, sum } from '../graph/ops.ts';
import { float32, int64, type Program, type Resident, type Runtime } from '../graph/runtime.ts';
import type { EncodedClip } from '../whisper/model.ts';
import { type BlockPlan, fillBlock } from './clip-blocks.ts';

/** A block whose frames, scaled to length 1, lie in the computing thread. */
export interface ResidentBlock extends BlockPlan {
  /** [members, length] */
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
 * Precision and recall of every source of a block with every target of another.
 * Inputs `sources` [p, a, width], `sourceWeights` [p, a], `targets` [q, b, width], `targetWeights` [q, b];
 * outputs `precision` and `recall` [p, 1, q, 1].
 */
function blockGraph(width: number): Graph {
  const graph = new Graph();
  compared(graph, width, graph.input('targets', ['q', 'b', width]));
  return graph;
}

/** The same with some of the targets: input `chosen`, int64 [q], says which of `targets` [clips, b, width]. */
function chosenGraph(width: number): Graph {
  const graph = new Graph();
  const targets = graph.input('targets', ['clips', 'b', width]);
  const rows = reshape(targets, ['clips', product(['b', width])]);
  const chosen = gather(rows, graph.input('chosen', ['q'], 'int64'));
  compared(graph, width, reshape(chosen, ['q', 'b', width]));
  return graph;
}

function compared(graph: Graph, width: number, targets: Tensor): void {
  const sources = graph.input('sources', ['p', 'a', width]);
  const sourceWeights = graph.input('sourceWeights', ['p', 'a']);
  const targetWeights = graph.input('targetWeights', ['q', 'b']);
  const frames = reshape(targets, [product(['q', 'b']), width]);
  const cosines = reshape(linear(sources, frames), ['p', 'a', 'q', 'b']);
  const bestTarget = max(cosines, 3); // [p, a, q, 1]
  const bestSource = max(cosines, 1); // [p, 1, q, b]
  graph.output('precision', sum(mul(bestTarget, reshape(sourceWeights, ['p', 'a', 1, 1])), [1]));
  graph.output('recall', sum(mul(bestSource, targetWeights), [3]));
}

/** Harmonic mean of precision and recall. Where their signs differ it means nothing and may be of any size: 0. */
function harmonicMean(precision: number, recall: number): number {
  return precision * recall > 0 ? (2 * precision * recall) / (precision + recall) : 0;
}

export class BlockComparison {
  private constructor(
    readonly runtime: Runtime,
    readonly width: number,
    readonly unit: Program,
    readonly all: Program,
    readonly some: Program,
  ) {}

  static async load(runtime: Runtime, width: number): Promise<BlockComparison> {
    const load = (graph: Graph): Promise<Program> => runtime.load(graph, { builtIn: () => true });
    return new BlockComparison(
      runtime,
      width,
      await load(unitGraph(width)),
      await load(blockGraph(width)),
      await load(chosenGraph(width)),
    );
  }

  async unload(): Promise<void> {
    for (const program of [this.unit, this.all, this.some]) await this.runtime.unload(program);
  }

  async upload(clips: readonly EncodedClip[], plan: BlockPlan): Promise<ResidentBlock> {
    const { members, length, frames, weights } = fillBlock(clips, plan);
    const { kept } = await this.runtime.run(
      this.unit,
      { frames: float32(frames, [members.length, length, this.width]) },
      { keep: ['unit'] },
    );
    return { members, length, weights, unit: kept.unit! };
  }

  free(blocks: readonly ResidentBlock[]): Promise<void> {
    return this.runtime.free(blocks.map(({ unit }) => unit));
  }

  /**
   * SeqSim of each member of one block with each of another.
   * @param chosen which members of the target block, by their place in it; default: all
   * @returns [sources, targets], row by row
   */
  async seqSim(
    source: ResidentBlock,
    target: ResidentBlock,
    chosen?: readonly number[],
  ): Promise<Float32Array> {
    const { length } = target;
    const weights = chosen
      ? Float32Array.from(
          { length: chosen.length * length },
          (_, i) => target.weights[chosen[Math.floor(i / length)]! * length + (i % length)]!,
        )
      : target.weights;
    const { fetched } = await this.runtime.run(
      chosen ? this.some : this.all,
      {
        sources: source.unit,
        sourceWeights: float32(source.weights, [source.members.length, source.length]),
        targets: target.unit,
        targetWeights: float32(weights, [weights.length / length, length]),
        ...(chosen && { chosen: int64(chosen) }),
      },
      { fetch: ['precision', 'recall'] },
    );
    const recall = fetched.recall!.data as Float32Array;
    return (fetched.precision!.data as Float32Array).map((precision, i) =>
      harmonicMean(precision, recall[i]!),
    );
  }
}

/** The frame width of all clips. */
export function commonWidth(clips: readonly EncodedClip[]): number {
  const width = clips[0]!.width;
  for (const clip of clips) {
    if (clip.width !== width) {
      throw new TypeError(
        `SeqSim: frames of ${width} and of ${clip.width} values come from different models`,
      );
    }
  }
  return width;
}
