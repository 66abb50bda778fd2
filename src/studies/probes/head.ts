/**
 * The small head of a probe (as in SUPERB: Yang et al. 2021, arXiv 2105.01051, and, for Whisper, Chemudupati et al. 2023,
 * arXiv 2305.14546): a softmax-weighted sum of the layers, a mean over frames, a linear classifier.
 */

import { float32, gradientOutput, type HostTensor } from '../../backend/runtime.ts';
import { largest } from '../../extremes.ts';
import { backward } from '../../graph/backward.ts';
import { Graph, product, type Tensor } from '../../graph/graph.ts';
import {
  add,
  layerNorm,
  linear,
  logSoftmax,
  MASKED,
  matmul,
  mul,
  neg,
  reshape,
  scale,
  softmax,
  sum,
  tanh,
  transpose,
} from '../../graph/ops.ts';
import { float16ToFloat32 } from '../../half-precision.ts';
import { sfc32, uniformValues } from '../../random.ts';
import type { LayerFeatures } from './layer-features.ts';

/** `linear`: the mean of the frames. `attention`: their mean by trained weights, softmax(v·tanh(W·x + b)). */
export const HEADS = ['linear', 'attention'] as const;
export type HeadKind = (typeof HEADS)[number];

export interface HeadShape {
  readonly kind: HeadKind;
  readonly layers: number;
  readonly width: number;
  readonly classes: number;
}

const ATTENTION_WIDTH = 64;
/** Factor of the layer weights before their softmax: at a classifier's learning rate they would hardly leave 0. */
const LAYER_SHARPNESS = 10;

export const LAYER_WEIGHTS = 'probe.layers';

/** Names and shapes of a head's weights. */
export function headWeights({ kind, layers, width, classes }: HeadShape): Map<string, readonly number[]> {
  return new Map<string, readonly number[]>([
    ...(layers > 1 ? [[LAYER_WEIGHTS, [layers]] as const] : []),
    ...(kind === 'attention'
      ? [
          ['probe.attention.hidden.weight', [ATTENTION_WIDTH, width]] as const,
          ['probe.attention.hidden.bias', [ATTENTION_WIDTH]] as const,
          ['probe.attention.score.weight', [1, ATTENTION_WIDTH]] as const,
        ]
      : []),
    ['probe.classifier.weight', [classes, width]],
    ['probe.classifier.bias', [classes]],
  ]);
}

/** Initial weights: equal layer shares, zero classifier; the attention's matrices are uniform within ±1/√inputs, as in PyTorch. */
export function initialHead(
  shape: HeadShape,
  seed: number,
): Map<string, { shape: readonly number[]; data: Float32Array }> {
  const random = sfc32(seed);
  return new Map(
    [...headWeights(shape)].map(([name, dims]) => {
      const size = dims.reduce((a, b) => a * b, 1);
      const bound = name.startsWith('probe.attention.') && dims.length === 2 ? 1 / Math.sqrt(dims[1]!) : 0;
      return [name, { shape: dims, data: uniformValues(size, bound, random) }];
    }),
  );
}

/** Softmax of the stored layer weights: shares that sum to 1. */
export function layerShares(stored: Float32Array): number[] {
  const largest = stored.reduce((a, b) => Math.max(a, b));
  const powers = Array.from(stored, (value) => Math.exp(LAYER_SHARPNESS * (value - largest)));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
}

/** Logits [batch, classes] of `features` [batch, layers, frames, width]; `bias` [batch, 1, frames] masks padding. */
function logits(
  features: Tensor,
  bias: Tensor | undefined,
  { kind, layers, width, classes }: HeadShape,
): Tensor {
  const { graph } = features;
  const [batch, , frames] = features.shape;
  const parameters = headWeights({ kind, layers, width, classes });
  const parameter = (name: string) => graph.parameter(name, parameters.get(name)!);
  // Normalises each layer: norms grow from layer to layer, and the last one would dominate the sum.
  const ones = graph.constant(new Float32Array(width).fill(1), [width]);
  const zeros = graph.constant(new Float32Array(width), [width]);
  let x = layerNorm(features, ones, zeros);
  if (layers > 1) {
    const shares = softmax(reshape(scale(parameter(LAYER_WEIGHTS), LAYER_SHARPNESS), [1, 1, layers]));
    x = matmul(shares, reshape(x, [batch!, layers, product([frames!, width])]));
  }
  x = reshape(x, [batch!, frames!, width]);
  if (kind === 'attention') {
    const hidden = tanh(
      linear(x, parameter('probe.attention.hidden.weight'), parameter('probe.attention.hidden.bias')),
    );
    const scores = transpose(linear(hidden, parameter('probe.attention.score.weight')), [0, 2, 1]);
    x = matmul(softmax(add(scores, bias!)), x); // [batch, 1, width]
  }
  return linear(
    reshape(x, [batch!, width]),
    parameter('probe.classifier.weight'),
    parameter('probe.classifier.bias'),
  );
}

function inputs(graph: Graph, { kind, layers, width }: HeadShape) {
  const frames = kind === 'attention' ? 'frames' : 1;
  return {
    features: graph.input('features', ['batch', layers, frames, width]),
    bias: kind === 'attention' ? graph.input('bias', ['batch', 1, 'frames']) : undefined,
  };
}

/** Output `logits` [batch, classes]. */
export function headGraph(shape: HeadShape): Graph {
  const graph = new Graph();
  const { features, bias } = inputs(graph, shape);
  graph.output('logits', logits(features, bias, shape));
  return graph;
}

/** Output `loss`: cross-entropy with input `targets` [batch, classes], 1/batch at the true class; and gradients. */
export function headTrainingGraph(shape: HeadShape): Graph {
  const graph = new Graph();
  const { features, bias } = inputs(graph, shape);
  const targets = graph.input('targets', ['batch', shape.classes]);
  const chosen = mul(logSoftmax(logits(features, bias, shape)), targets);
  const loss = reshape(neg(sum(chosen, [0, 1])), []);
  graph.output('loss', loss);
  const names = [...headWeights(shape).keys()];
  const weights = names.map((name) => graph.parameters.get(name)!);
  backward(loss, weights).forEach((gradient, i) => graph.output(gradientOutput(names[i]!), gradient));
  return graph;
}

/** Inputs of the head for some clips, padded to the longest; of one layer only, where `layer` says so. */
export function headFeeds(clips: readonly LayerFeatures[], layer?: number): Record<string, HostTensor> {
  const { layers, width } = clips[0]!;
  const kept = layer === undefined ? [...Array(layers).keys()] : [layer];
  const frames = largest(clips, (clip) => clip.frames);
  const features = new Float32Array(clips.length * kept.length * frames * width);
  const bias = new Float32Array(clips.length * frames);
  clips.forEach((clip, i) => {
    const size = clip.frames * width;
    kept.forEach((from, to) => {
      const values = float16ToFloat32(clip.values.subarray(from * size, (from + 1) * size));
      features.set(values, (i * kept.length + to) * frames * width);
    });
    bias.fill(MASKED, i * frames + clip.frames, (i + 1) * frames);
  });
  return {
    features: float32(features, [clips.length, kept.length, frames, width]),
    bias: float32(bias, [clips.length, 1, frames]),
  };
}
