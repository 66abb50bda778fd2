/**
 * Trains a language's experts (whisper/experts.ts) and their gates, with the model frozen. So the experts of several
 * languages are independent, and are trained one language after the other.
 */

import { float32, type HostTensor } from '../backend/runtime.ts';
import type { Weight } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { UserError } from '../errors.ts';
import { product, type Tensor } from '../graph/graph.ts';
import { abs, add, gather, mean, reshape, scale, sub } from '../graph/ops.ts';
import { gaussian, sfc32, uniformValues } from '../random.ts';
import { expertNetworks, expertPrefix, expertTensors, gateNoise, gatesOf } from '../whisper/experts.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Objective } from './objective.ts';

export interface ExpertOptions {
  /** Language spoken in the clips. */
  readonly language: string;
  /** Hidden width of the gates. */
  readonly gateWidth: number;
  /** Factor of |mean gate − ½| in the loss: the share of cross-entropy in it. Default 1. */
  readonly budgetWeight?: number;
}

/** Target share of tokens that use the expert. */
const BUDGET = 0.5;
/** Deviation of the noise at the last step; it grows linearly from 0. */
const MAX_NOISE = 5;

/** Shapes of a language's experts and gates, by the names that their weights have beside the model's. */
export function expertShapes(
  dimensions: WhisperDimensions,
  { language, gateWidth }: ExpertOptions,
): Map<string, readonly number[]> {
  const tensors = [...expertTensors(dimensions, gateWidth)];
  return new Map(tensors.map(([name, shape]) => [expertPrefix(language) + name, shape]));
}

/**
 * Stores experts beside the model's weights: copies of the shared networks, and gates initialised like PyTorch's Linear
 * (in ± 1/√in). Experts that the model has for the language already are trained further.
 */
export async function createExperts(
  model: WhisperModel,
  { language, gateWidth }: ExpertOptions,
  seed: number,
): Promise<void> {
  const { runtime, dimensions, experts } = model;
  const known = experts.get(language);
  if (known) {
    if (known.gateWidth !== gateWidth) {
      throw new UserError(
        `${model.directory}: its gates of "${language}" are ${known.gateWidth} wide; expected ${gateWidth}, or another model`,
      );
    }
    return;
  }
  const random = sfc32(seed);
  const tensors = new Map<string, Weight>();
  for (const [name, shape] of expertTensors(dimensions, gateWidth)) {
    const isGate = name.includes('.gate.');
    const bound = shape.at(-1)! ** -0.5;
    const data = isGate
      ? uniformValues(shape[0]! * shape[1]!, bound, random)
      : ((await runtime.read([name]))[0]!.data as Float32Array);
    tensors.set(expertPrefix(language) + name, { shape, data });
  }
  await runtime.store(tensors);
  experts.set(language, { language, gateWidth });
}

/**
 * The objective plus the gates' budget, |mean gate − ½| over all layers and the positions in the loss, with noise fed to
 * the gates: N(0, 1) · 5 · progress, which depends on seed and step only.
 */
export function withGates(
  objective: Objective,
  dimensions: WhisperDimensions,
  experts: ExpertOptions | undefined,
  seed: number,
): Objective {
  if (!experts) return objective;
  const { budgetWeight = 1 } = experts;
  return {
    ...objective,
    loss: (predictions) => {
      const { graph } = predictions;
      const rows = graph.inputs.get('rows')!;
      const open = gatesOf(graph).map((gate) => {
        const flat = reshape(gate, [product(gate.shape), 1]);
        return mean(gather(flat, rows), [0, 1]);
      });
      const base = objective.loss(predictions);
      const average = reshape(scale(open.reduce(add), 1 / open.length), []);
      const budget: Tensor = abs(sub(average, graph.scalar(BUDGET)));
      return {
        loss: add(base.loss, scale(budget, budgetWeight)),
        metrics: { ...base.metrics, gate: average },
      };
    },
    feeds: (moment) => {
      const { feeds, step, steps } = moment;
      const [batch, tokens] = feeds.tokens!.shape as [number, number];
      const random = sfc32(seed * 1_000_003 + step);
      const deviation = (MAX_NOISE * step) / steps;
      const noise = (): HostTensor => {
        const values = Float32Array.from({ length: batch * tokens }, () => deviation * gaussian(random));
        return float32(values, [batch, tokens, 1]);
      };
      const layers = expertNetworks(dimensions).map((network) => [gateNoise(network), noise()] as const);
      return { ...objective.feeds?.(moment), ...Object.fromEntries(layers) };
    },
  };
}
