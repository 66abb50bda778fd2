/** Blocks of clips against blocks of others: the cosines of all their frames in one matrix product, and scores of these. */

import { type DeviceTensor, float32, int64, type Program, type Runtime } from '../backend/runtime.ts';
import { Graph, product, type Tensor } from '../graph/graph.ts';
import { cast, clampMin, div, gather, linear, mul, reshape, sqrt, sum } from '../graph/ops.ts';
import { type BlockPlan, type ComparedClip, fillBlock } from './clip-blocks.ts';

/** A block whose frames lie in the computing thread. */
export interface ResidentBlock extends BlockPlan {
  /** Frames of each member, padding not counted. */
  readonly lengths: readonly number[];
  /** [members, length] */
  readonly weights: Float32Array;
  readonly frames: DeviceTensor;
  /** 1 / norm of each frame, [members, length], where the frames are float16 and not normalised; others have norm 1. */
  readonly inverse?: DeviceTensor;
}

/** A similarity of two clips computed from the cosines of their frames. */
export interface BlockScore {
  /**
   * @param cosines [p, a, q, b]: frame a of source p with frame b of target q; padding repeats a clip's first frame
   * @param sourceWeights [p, a], each row summing to 1, 0 for padding
   * @param targetWeights [q, b]
   * @returns outputs of the graph by name
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
function unitGraph(width: number): Graph {
  const graph = new Graph();
  const x = graph.input('frames', ['clips', 'frames', width]);
  graph.output('unit', div(x, lengthOf(x)));
  return graph;
}

/** `frames` → `half`, the same as float16 (exact for frames from the cache), and `inverse` [clips, frames]. */
function halfGraph(width: number): Graph {
  const graph = new Graph();
  const x = graph.input('frames', ['clips', 'frames', width]);
  graph.output('half', cast(x, 'float16'));
  graph.output('inverse', reshape(div(graph.scalar(1), lengthOf(x)), ['clips', 'frames']));
  return graph;
}

/** Norms of the vectors along the last axis of [clips, frames, width]. */
const lengthOf = (x: Tensor): Tensor => sqrt(clampMin(sum(mul(x, x), [2]), 1e-30));

/** Inputs `sources` [p, a, width], `sourceWeights` [p, a], `targets` [q, b, width], `targetWeights` [q, b]. */
function blockGraph(width: number, score: BlockScore): Graph {
  const graph = new Graph();
  compared(graph, width, graph.input('targets', ['q', 'b', width]), score);
  return graph;
}

/** The same with some of the targets: `chosen`, int64 [q], says which of `targets` [clips, b, width], float16, `inverse` [clips, b]. */
function chosenGraph(width: number, score: BlockScore): Graph {
  const graph = new Graph();
  const targets = graph.input('targets', ['clips', 'b', width], 'float16');
  const rows = reshape(targets, ['clips', product(['b', width])]);
  const chosen = graph.input('chosen', ['q'], 'int64');
  const frames = cast(reshape(gather(rows, chosen), ['q', 'b', width]), 'float32');
  const inverse = gather(graph.input('inverse', ['clips', 'b']), chosen);
  compared(graph, width, frames, score, reshape(inverse, [1, 1, 'q', 'b']));
  return graph;
}

function compared(graph: Graph, width: number, targets: Tensor, score: BlockScore, inverse?: Tensor): void {
  const sources = graph.input('sources', ['p', 'a', width]);
  const sourceWeights = graph.input('sourceWeights', ['p', 'a']);
  const targetWeights = graph.input('targetWeights', ['q', 'b']);
  const frames = reshape(targets, [product(['q', 'b']), width]);
  const products = reshape(linear(sources, frames), ['p', 'a', 'q', 'b']);
  const cosines = inverse ? mul(products, inverse) : products;
  for (const [name, tensor] of Object.entries(score.outputs(cosines, sourceWeights, targetWeights)))
    graph.output(name, tensor);
}

/** Only programs that run often have an arena: it would retain the memory of the others, which is large. */
const PROGRAMS = {
  unit: { graph: unitGraph, arena: false },
  half: { graph: halfGraph, arena: false },
  all: { graph: blockGraph, arena: true },
  some: { graph: chosenGraph, arena: true },
} as const;

export class BlockComparison {
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(
    readonly runtime: Runtime,
    readonly width: number,
    readonly score: BlockScore,
  ) {}

  /** Compiled at first use: all pairs need other programs than chosen ones. */
  #program(name: keyof typeof PROGRAMS): Promise<Program> {
    const known = this.#programs.get(name);
    if (known) return known;
    const { graph, arena } = PROGRAMS[name];
    const loading = this.runtime.load(graph(this.width, this.score), { builtIn: () => true, arena });
    this.#programs.set(name, loading);
    return loading;
  }

  async unload(): Promise<void> {
    for (const program of this.#programs.values()) await this.runtime.unload(await program);
  }

  /** @param dtype float16 for blocks that clips are chosen from, of which many are resident at a time */
  async upload(
    clips: readonly ComparedClip[],
    plan: BlockPlan,
    dtype: 'float32' | 'float16' = 'float32',
  ): Promise<ResidentBlock> {
    const { members, length, frames, weights } = await fillBlock(clips, plan);
    const half = dtype === 'float16';
    const { kept } = await this.runtime.run(
      await this.#program(half ? 'half' : 'unit'),
      { frames: float32(frames, [members.length, length, this.width]) },
      { keep: half ? ['half', 'inverse'] : ['unit'] },
    );
    return {
      members,
      length,
      lengths: members.map((index) => clips[index]!.length),
      weights,
      frames: kept.half ?? kept.unit!,
      ...(kept.inverse && { inverse: kept.inverse }),
    };
  }

  free(blocks: readonly ResidentBlock[]): Promise<void> {
    return this.runtime.free(
      blocks.flatMap(({ frames, inverse }) => (inverse ? [frames, inverse] : [frames])),
    );
  }

  /**
   * The score of each member of one block with each of another.
   * @param chosen which members of the target block, which is float16, by their place in it; default: all, of a float32 one
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
    const program = await this.#program(chosen ? 'some' : 'all');
    const { fetched } = await this.runtime.run(
      program,
      {
        sources: source.frames,
        sourceWeights: float32(source.weights, [source.members.length, source.length]),
        targets: target.frames,
        targetWeights: float32(weights, [weights.length / length, length]),
        ...(chosen && { chosen: int64(chosen), inverse: target.inverse! }),
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
