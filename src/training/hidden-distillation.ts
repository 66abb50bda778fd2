/**
 * Distillation of hidden states, as DQ-Whisper has it (Shao et al. 2024): Σᵢ d(hᵢ, W·h_m(i)), with hᵢ the output of the
 * student's decoder layer i, h_m(i) that of a layer of the teacher, and W trained.
 */
import type { Tensor } from '../graph/graph.ts';
import {
  abs,
  add,
  argMin,
  cast,
  concat,
  greater,
  linear,
  mean,
  mul,
  reshape,
  scale,
  stopGradient,
  sub,
  sum,
  take,
} from '../graph/ops.ts';
import { uniformValues } from '../random.ts';
import type { DecoderOutputs, Predictions } from '../whisper/training-graph.ts';
import type { AuxiliaryWeight } from './objective.ts';

export interface HiddenDistillation {
  /**
   * `static`: evenly spaced layers of the teacher, the last for the last (2i + 1 where it has twice as many).
   * `dynamic`: in each step the teacher's nearest layer, at or after that of the layer before.
   */
  readonly matching: 'static' | 'dynamic';
  /** Mean over the width of the squared differences, or of their absolute values. */
  readonly distance: 'mse' | 'l1';
}

const PROJECTION = 'distillation.projection.weight';
/** Added to the distances of layers that may not be chosen. */
const FORBIDDEN = 1e30;

/** W [width, teacher's width]: initialised to the identity, or like PyTorch's Linear where the widths differ. */
export function projectionWeight(width: number, teacherWidth: number): AuxiliaryWeight {
  return {
    name: PROJECTION,
    shape: [width, teacherWidth],
    initial: (random) =>
      width === teacherWidth
        ? Float32Array.from({ length: width * width }, (_, i) => Number(i % (width + 1) === 0))
        : uniformValues(width * teacherWidth, teacherWidth ** -0.5, random),
  };
}

/** The teacher's layer for each of the student's. */
export function staticMatching(layers: number, teacherLayers: number): number[] {
  return Array.from({ length: layers }, (_, i) =>
    Math.max(0, Math.round(((i + 1) * teacherLayers) / layers) - 1),
  );
}

/** @returns the sum over the student's layers of the weighted mean distance, shape [] */
export function hiddenLoss(
  { graph, dimensions, weights, layer }: Predictions,
  teacher: Pick<DecoderOutputs, 'layer'>,
  teacherSizes: { readonly decoderLayers: number; readonly width: number },
  { matching, distance }: HiddenDistillation,
): Tensor {
  const { decoderLayers, width } = dimensions;
  const projection = graph.parameter(PROJECTION, [width, teacherSizes.width]);
  const ours = Array.from({ length: decoderLayers }, (_, i) => layer(i));
  const theirs = Array.from({ length: teacherSizes.decoderLayers }, (_, i) => teacher.layer(i));
  /** a and b [..., rows, width] → their distance by position [..., rows, 1] */
  const distances = (a: Tensor, b: Tensor): Tensor => {
    const difference = sub(a, b);
    return mean(distance === 'l1' ? abs(difference) : mul(difference, difference), [a.rank - 1]);
  };
  const column = reshape(weights, [weights.shape[0]!, 1]);
  const matched =
    matching === 'static'
      ? staticMatching(decoderLayers, theirs.length).map((i) => theirs[i]!)
      : nearest(ours, theirs, projection, (a, b) => mul(distances(a, b), column));
  const total = ours
    .map((x, i) => sum(mul(distances(x, linear(matched[i]!, projection)), column), [0]))
    .reduce(add);
  return reshape(total, []);
}

/**
 * For each of `ours` that of `theirs` whose projection is nearest, at or after the one before. Chosen at run time and
 * without gradient; the teacher's states are chosen before they are projected, so that W has one.
 */
function nearest(
  ours: readonly Tensor[],
  theirs: readonly Tensor[],
  projection: Tensor,
  weighted: (a: Tensor, b: Tensor) => Tensor,
): Tensor[] {
  const { graph } = projection;
  const [rows, teacherWidth] = theirs[0]!.shape;
  const count = theirs.length;
  const stack = concat(
    theirs.map((x) => reshape(x, [1, rows!, teacherWidth!])),
    0,
  );
  const projected = stopGradient(linear(stack, projection)); // [teacher's layers, rows, width]
  const places = graph.constant(
    Float32Array.from({ length: count }, (_, i) => i),
    [count],
  );
  let before: Tensor | undefined;
  return ours.map((x) => {
    const byRow = weighted(reshape(stopGradient(x), [1, ...x.shape]), projected); // [teacher's layers, rows, 1]
    let byLayer = reshape(sum(byRow, [1]), [1, count]);
    if (before) byLayer = add(byLayer, scale(greater(cast(before, 'float32'), places), FORBIDDEN));
    before = argMin(byLayer); // [1]
    return reshape(take(stack, before), [rows!, teacherWidth!]);
  });
}
