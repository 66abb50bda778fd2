/** Blocks of clips against blocks of others: the cosines of all their frames in one matrix product, and scores of these. */

import {
  type DeviceTensor,
  float32,
  type HostTensor,
  type Program,
  type Runtime,
} from '../backend/runtime.ts';
import { Graph, product, type Tensor } from '../graph/graph.ts';
import { cast, clampMin, div, linear, mul, reshape, sqrt, sum } from '../graph/ops.ts';
import { type BlockPlan, type ClipBlock, type ComparedClip, fillBlock } from './clip-blocks.ts';

/** A block whose frames lie in the computing thread. */
export interface ResidentBlock extends Omit<ClipBlock, 'frames'> {
  /** [members, length, width], each frame of length 1 */
  readonly frames: DeviceTensor;
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

type FrameType = 'float32' | 'float16' | 'int8';

/** `frames` [clips, frames, width] → `unit`, float32, the same with each frame scaled to length 1. */
function unitGraph(width: number, dtype: FrameType): Graph {
  const graph = new Graph();
  const frames = graph.input('frames', ['clips', 'frames', width], dtype);
  graph.output('unit', unit(dtype === 'float32' ? frames : cast(frames, 'float32')));
  return graph;
}

/** The vectors along the last axis of [clips, frames, width], each scaled to length 1. */
export const unit = (x: Tensor): Tensor => div(x, sqrt(clampMin(sum(mul(x, x), [2]), 1e-30)));

/** Inputs `sources` [p, a, width], `sourceWeights` [p, a], `targets` [q, b, width], `targetWeights` [q, b]. */
function blockGraph(width: number, score: BlockScore): Graph {
  const graph = new Graph();
  const frames = reshape(graph.input('targets', ['q', 'b', width]), [product(['q', 'b']), width]);
  const sources = graph.input('sources', ['p', 'a', width]);
  const sourceWeights = graph.input('sourceWeights', ['p', 'a']);
  const targetWeights = graph.input('targetWeights', ['q', 'b']);
  const cosines = reshape(linear(sources, frames), ['p', 'a', 'q', 'b']);
  for (const [name, tensor] of Object.entries(score.outputs(cosines, sourceWeights, targetWeights)))
    graph.output(name, tensor);
  return graph;
}

export class BlockComparison {
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(
    readonly runtime: Runtime,
    readonly width: number,
    readonly score: BlockScore,
  ) {}

  /** Compiled at first use. Only the comparison, which runs often, has an arena: it would retain the memory of the others. */
  #program(name: FrameType | 'compare'): Promise<Program> {
    const known = this.#programs.get(name);
    if (known) return known;
    const isComparison = name === 'compare';
    const graph = isComparison ? blockGraph(this.width, this.score) : unitGraph(this.width, name);
    const loading = this.runtime.load(graph, {
      builtIn: () => true,
      arena: isComparison,
      keeps: () => !isComparison,
    });
    this.#programs.set(name, loading);
    return loading;
  }

  async unload(): Promise<void> {
    for (const program of this.#programs.values()) await this.runtime.unload(await program);
  }

  async upload(clips: readonly ComparedClip[], plan: BlockPlan): Promise<ResidentBlock> {
    return this.place(await fillBlock(clips, plan));
  }

  async place({ members, length, lengths, weights, frames: data }: ClipBlock): Promise<ResidentBlock> {
    const dtype = data instanceof Float32Array ? 'float32' : data instanceof Uint16Array ? 'float16' : 'int8';
    const frames: HostTensor = { dtype, shape: [members.length, length, this.width], data };
    const { kept } = await this.runtime.run(await this.#program(dtype), { frames }, { keep: ['unit'] });
    return { members, length, lengths, weights, frames: kept.unit! };
  }

  free(blocks: readonly ResidentBlock[]): Promise<void> {
    return this.runtime.free(blocks.map(({ frames }) => frames));
  }

  /**
   * The score of each member of one block with each of another.
   * @returns [sources, targets], row by row
   */
  async compare(source: ResidentBlock, target: ResidentBlock): Promise<Float32Array> {
    const program = await this.#program('compare');
    const { fetched } = await this.runtime.run(
      program,
      {
        sources: source.frames,
        sourceWeights: float32(source.weights, [source.members.length, source.length]),
        targets: target.frames,
        targetWeights: float32(target.weights, [target.members.length, target.length]),
      },
      { fetch: program.outputs },
    );
    return this.score.score(
      Object.fromEntries(program.outputs.map((name) => [name, fetched[name]!.data as Float32Array])),
      source,
      target,
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
