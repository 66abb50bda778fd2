/**
 * Trains a language's experts (whisper/experts.ts) and their gates, with the model frozen. So the experts of several
 * languages are independent, and are trained one language after the other.
 */

import { float32, type HostTensor, int64 } from '../backend/runtime.ts';
import type { Weight } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { UserError } from '../errors.ts';
import { product, type Tensor } from '../graph/graph.ts';
import { abs, add, gather, mean, reshape, scale, sub } from '../graph/ops.ts';
import { gaussian, sfc32, uniformValues } from '../random.ts';
import {
  expertNetworks,
  expertPrefix,
  expertTensors,
  gateNoise,
  gatesOf,
  isEncoderNetwork,
} from '../whisper/experts.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { ExpertSet } from '../whisper/variant.ts';
import type { Example } from './batches.ts';
import type { TunedPart } from './choices.ts';
import type { LoopStep } from './loop.ts';
import type { Objective } from './objective.ts';

export interface ExpertOptions {
  /** Language spoken in the clips. */
  readonly language: string;
  /** Hidden width of the gates. */
  readonly gateWidth: number;
  /** Factor of |mean gate − ½| in the loss: the share of cross-entropy in it. Default 1. */
  readonly budgetWeight?: number;
}

/** Target share of positions that use the expert. */
const BUDGET = 0.5;
/** Deviation of the noise at the last step; it grows linearly from 0. */
const MAX_NOISE = 5;

/** Prefix of a term of a step's report: the share of positions whose gate is open at test, of one layer. */
const OPEN_GATES = 'openGates.';

/** The experts that are trained: those of the tuned part. @throws UserError for cross-attention, which has none */
export function trainedExperts({
  part,
  experts,
}: {
  readonly part: TunedPart;
  readonly experts?: ExpertOptions | undefined;
}): ExpertSet | undefined {
  if (!experts) return undefined;
  const { language, gateWidth } = experts;
  if (part === 'cross-attention') {
    throw new UserError(
      `experts of "${language}": found the part cross-attention, which has no feed-forward layers; expected decoder, encoder or all`,
    );
  }
  return { language, part, gateWidth };
}

/** Shapes of a language's experts and gates, by the names that their weights have beside the model's. */
export function expertShapes(dimensions: WhisperDimensions, set: ExpertSet): Map<string, readonly number[]> {
  const tensors = [...expertTensors(dimensions, set)];
  return new Map(tensors.map(([name, shape]) => [expertPrefix(set.language) + name, shape]));
}

/**
 * Stores experts beside the model's weights: copies of the shared networks, and gates initialised like PyTorch's Linear
 * (in ± 1/√in). Experts that the model has for the language already are trained further.
 */
export async function createExperts(model: WhisperModel, set: ExpertSet, seed: number): Promise<void> {
  const { runtime, dimensions, experts } = model;
  const { language, gateWidth, part } = set;
  const known = experts.get(language);
  if (known) {
    if (known.gateWidth !== gateWidth || known.part !== part) {
      const described = ({ part, gateWidth }: ExpertSet) =>
        `of the part "${part}" with gates ${gateWidth} wide`;
      throw new UserError(
        `${model.directory}: its experts of "${language}" are ${described(known)}; expected them ${described(set)}, or another model`,
      );
    }
    return;
  }
  const random = sfc32(seed);
  const tensors = new Map<string, Weight>();
  for (const [name, shape] of expertTensors(dimensions, set)) {
    const isGate = name.includes('.gate.');
    const bound = shape.at(-1)! ** -0.5;
    const data = isGate
      ? uniformValues(shape[0]! * shape[1]!, bound, random)
      : ((await runtime.read([name]))[0]!.data as Float32Array);
    tensors.set(expertPrefix(language) + name, { shape, data });
  }
  await runtime.store(tensors);
  experts.set(language, set);
}

/**
 * The objective plus the gates' budget, |mean gate − ½|, with noise fed to the gates: N(0, 1) · 5 · progress, which depends
 * on seed and step only. The mean is over all layers, and in each over the positions in the loss (decoder) or the frames of
 * the clips (encoder). Reported are that mean, and for each layer the share of gates that would be open at test.
 */
export function withGates(
  objective: Objective,
  dimensions: WhisperDimensions,
  tuning: { readonly part: TunedPart; readonly experts?: ExpertOptions | undefined },
  seed: number,
): Objective {
  const experts = trainedExperts(tuning);
  if (!experts) return objective;
  const { budgetWeight = 1 } = tuning.experts!;
  const networks = expertNetworks(dimensions, experts.part);
  const inEncoder = networks.some(isEncoderNetwork);
  return {
    ...objective,
    loss: (predictions) => {
      const { graph } = predictions;
      const tokens = graph.inputs.get('rows')!;
      const frames = inEncoder ? graph.input('gateFrames', ['gateFrames'], 'int64') : tokens;
      const meanOf = (gate: Tensor, network: string): Tensor => {
        const flat = reshape(gate, [product(gate.shape), 1]);
        return mean(gather(flat, isEncoderNetwork(network) ? frames : tokens), [0, 1]);
      };
      const gates = gatesOf(graph);
      const sums = gates.map(({ value, network }) => meanOf(value, network)).reduce(add);
      const open = gates.map(({ hard, network }): [string, Tensor] => [
        OPEN_GATES + layerOf(network),
        reshape(meanOf(hard, network), []),
      ]);
      const base = objective.loss(predictions);
      const average = reshape(scale(sums, 1 / gates.length), []);
      const budget: Tensor = abs(sub(average, graph.scalar(BUDGET)));
      return {
        loss: add(base.loss, scale(budget, budgetWeight)),
        metrics: { ...base.metrics, gate: average, ...Object.fromEntries(open) },
      };
    },
    feeds: async (moment) => {
      const { feeds, step, steps, examples } = moment;
      const random = sfc32(seed * 1_000_003 + step);
      const deviation = (MAX_NOISE * step) / steps;
      const noise = (network: string): HostTensor => {
        const [batch, tokens] = feeds.tokens!.shape as [number, number];
        const positions = isEncoderNetwork(network) ? feeds.audioPositions!.shape[0]! : tokens;
        const values = Float32Array.from({ length: batch * positions }, () => deviation * gaussian(random));
        return float32(values, [batch, positions, 1]);
      };
      return {
        ...(await objective.feeds?.(moment)),
        ...Object.fromEntries(networks.map((network) => [gateNoise(network), noise(network)])),
        ...(inEncoder && { gateFrames: int64(clipFrames(examples, feeds.audioPositions!.shape[0]!)) }),
      };
    },
  };
}

/** Places of the clips' own frames among those of a batch, without the silence after them. */
function clipFrames(examples: readonly Example[], window: number): number[] {
  return examples.flatMap(({ clip: { length } }, i) =>
    Array.from({ length: Math.max(1, length) }, (_, frame) => i * window + frame),
  );
}

/** "encoder.0" of "model.encoder.layers.0". */
const layerOf = (network: string): string => network.replace('model.', '').replace('layers.', '');

/** Whether a term of a step's report is that of one layer's gate. */
export const isGateOfLayer = (term: string): boolean => term.startsWith(OPEN_GATES);

/** The share of gates that are open at test, 0 to 1, by layer ("encoder.0"): the mean over some steps, none without experts. */
export function openGates(steps: readonly LoopStep[]): Map<string, number> {
  const names = Object.keys(steps.at(-1)?.terms ?? {}).filter(isGateOfLayer);
  const meanOf = (name: string) => steps.reduce((sum, { terms }) => sum + terms![name]!, 0) / steps.length;
  return new Map(names.map((name) => [name.slice(OPEN_GATES.length), meanOf(name)]));
}

/** Gates by layer as a line: "encoder 52 48 61 %, decoder 50 47 %; mean 52 %". */
export function describeGates(gates: ReadonlyMap<string, number>): string {
  const percent = (share: number): string => (100 * share).toFixed(0);
  const parts = ['encoder', 'decoder'].flatMap((part) => {
    const own = [...gates].filter(([layer]) => layer.startsWith(part)).map(([, share]) => percent(share));
    return own.length > 0 ? [`${part} ${own.join(' ')} %`] : [];
  });
  const mean = [...gates.values()].reduce((sum, share) => sum + share, 0) / gates.size;
  return `${parts.join(', ')}; mean ${percent(mean)} %`;
}
