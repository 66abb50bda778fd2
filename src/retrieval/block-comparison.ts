/** Many clips against many others: the cosines of all their frames in one matrix product, and what is made of them. */
import { Graph, product, type Tensor } from '../graph/graph.ts';
import { atLeast, cast, div, gather, linear, mul, reshape, sqrt, sum } from '../graph/ops.ts';
import { float32, int64, type Program, type Resident, type Runtime } from '../graph/runtime.ts';
import { type BlockPlan, type ComparedClip, fillBlock } from './clip-blocks.ts';

/** A block whose frames, scaled to length 1, lie in the computing thread, as float32 or float16. */
export interface ResidentBlock extends BlockPlan {
  /** Frames of each member, padding not counted. */
  readonly lengths: readonly number[];
  /** [members, length] */
  readonly weights: Float32Array;
  readonly unit: Resident;
}

/** A similarity of two clips that is made of the cosines of their frames. */
export interface BlockScore {
  /**
   * @param cosines [p, a, q, b]: frame a of source p with frame b of target q; padding repeats a clip's first frame
   * @param sourceWeights [p, a], each row summing to 1, 0 for padding
   * @param targetWeights [q, b]
   * @returns what the graph gives, by name
   */
  readonly outputs: (
    cosines: Tensor,
    sourceWeights: Tensor,
    targetWeights: Tensor,
  ) => Readonly<Record<string, Tensor>>;
  /** @returns [sources, targets], row by row */
  readonly score: (
    outputs: Readonly<Record<string, Float32Array>>,
    sources: BlockShape,
    targets: BlockShape,
  ) => Float32Array;
}

export interface BlockShape {
  /** Frames of each clip, padding not counted. */
  readonly lengths: readonly number[];
  /** Frames of each, padding included. */
  readonly length: number;
}

/** `frames` [clips, frames, width] → `unit`, the same with each frame scaled to length 1. */
function unitGraph(width: number, dtype: 'float32' | 'float16'): Graph {
  const graph = new Graph();
  const x = graph.input('frames', ['clips', 'frames', width]);
  const unit = div(x, sqrt(atLeast(sum(mul(x, x), [2]), 1e-30)));
  graph.output('unit', dtype === 'float16' ? cast(unit, dtype) : unit);
  return graph;
}

/** Inputs `sources` [p, a, width], `sourceWeights` [p, a], `targets` [q, b, width], `targetWeights` [q, b]. */
function blockGraph(width: number, score: BlockScore): Graph {
  const graph = new Graph();
  compared(graph, width, graph.input('targets', ['q', 'b', width]), score);
  return graph;
}

/** The same with some of the targets: input `chosen`, int64 [q], says which of `targets` [clips, b, width], float16. */
function chosenGraph(width: number, score: BlockScore): Graph {
  const graph = new Graph();
  const targets = graph.input('targets', ['clips', 'b', width], 'float16');
  const rows = reshape(targets, ['clips', product(['b', width])]);
  const chosen = gather(rows, graph.input('chosen', ['q'], 'int64'));
  compared(graph, width, cast(reshape(chosen, ['q', 'b', width]), 'float32'), score);
  return graph;
}

function compared(graph: Graph, width: number, targets: Tensor, score: BlockScore): void {
  const sources = graph.input('sources', ['p', 'a', width]);
  const sourceWeights = graph.input('sourceWeights', ['p', 'a']);
  const targetWeights = graph.input('targetWeights', ['q', 'b']);
  const frames = reshape(targets, [product(['q', 'b']), width]);
  const cosines = reshape(linear(sources, frames), ['p', 'a', 'q', 'b']);
  for (const [name, tensor] of Object.entries(score.outputs(cosines, sourceWeights, targetWeights)))
    graph.output(name, tensor);
}

export class BlockComparison {
  private constructor(
    readonly runtime: Runtime,
    readonly width: number,
    readonly score: BlockScore,
    readonly unit: Program,
    readonly half: Program,
    readonly all: Program,
    readonly some: Program,
  ) {}

  static async load(runtime: Runtime, width: number, score: BlockScore): Promise<BlockComparison> {
    const load = (graph: Graph, arena: boolean): Promise<Program> =>
      runtime.load(graph, { builtIn: () => true, arena });
    return new BlockComparison(
      runtime,
      width,
      score,
      // Large, and seldom run: an arena would only hold memory.
      await load(unitGraph(width, 'float32'), false),
      await load(unitGraph(width, 'float16'), false),
      await load(blockGraph(width, score), true),
      await load(chosenGraph(width, score), true),
    );
  }

  async unload(): Promise<void> {
    for (const program of [this.unit, this.half, this.all, this.some]) await this.runtime.unload(program);
  }

  /** @param dtype float16 for blocks that some are chosen from: of them many lie there at a time. */
  async upload(
    clips: readonly ComparedClip[],
    plan: BlockPlan,
    dtype: 'float32' | 'float16' = 'float32',
  ): Promise<ResidentBlock> {
    const { members, length, frames, weights } = await fillBlock(clips, plan);
    const { kept } = await this.runtime.run(
      dtype === 'float16' ? this.half : this.unit,
      { frames: float32(frames, [members.length, length, this.width]) },
      { keep: ['unit'] },
    );
    return {
      members,
      length,
      lengths: members.map((index) => clips[index]!.length),
      weights,
      unit: kept.unit!,
    };
  }

  free(blocks: readonly ResidentBlock[]): Promise<void> {
    return this.runtime.free(blocks.map(({ unit }) => unit));
  }

  /**
   * The score of each member of one block with each of another.
   * @param chosen which members of the target block, by their place in it; default: all
   * @returns [sources, targets], row by row
   */
  async compare(
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
    const program = chosen ? this.some : this.all;
    const { fetched } = await this.runtime.run(
      program,
      {
        sources: source.unit,
        sourceWeights: float32(source.weights, [source.members.length, source.length]),
        targets: target.unit,
        targetWeights: float32(weights, [weights.length / length, length]),
        ...(chosen && { chosen: int64(chosen) }),
      },
      { fetch: program.outputs },
    );
    return this.score.score(
      Object.fromEntries(program.outputs.map((name) => [name, fetched[name]!.data as Float32Array])),
      source,
      { length, lengths: chosen ? chosen.map((i) => target.lengths[i]!) : target.lengths },
    );
  }
}

/** The frame width of all clips. */
export function commonWidth(clips: readonly ComparedClip[]): number {
  const width = clips[0]!.width;
  for (const clip of clips) {
    if (clip.width !== width) {
      throw new TypeError(
        `similarity: frames of ${width} and of ${clip.width} values come from different models`,
      );
    }
  }
  return width;
}
