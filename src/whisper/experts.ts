/**
 * Language-specific experts (DistilWhisper, Ferraz et al. 2024; CLSR, Zhang et al. 2021): each feed-forward network of
 * encoder and decoder (or of one of them) has a copy for a language, and a gate that chooses between it and the shared one,
 * frame by frame and token by token:
 *
 *     y = g·FFN_language(x) + (1 − g)·FFN_shared(x),   g = 1 where W2·relu(W1·x) ≥ 0, else 0
 *
 * In training g = σ(W2·relu(W1·x) + noise), with noise whose deviation grows, which drives the gates to 0 or 1.
 */

import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import { add, isNonNegative, linear, mul, relu, sigmoid, sub } from '../graph/ops.ts';
import { type ExpertPart, type ExpertSet, type Experts, variantOf, weight } from './variant.ts';

/** Prefix that makes the shared network's name that of an expert's or gate's weight. */
export const expertPrefix = (language: string): string => `experts.${language}.`;
export const gateNoise = (network: string): string => `gateNoise.${network}`;

const ENCODER = 'model.encoder.layers.';
const DECODER = 'model.decoder.layers.';

/** Names of the layers whose feed-forward networks have experts, the encoder's first. */
export function expertNetworks(
  { encoderLayers, decoderLayers }: WhisperDimensions,
  part: ExpertPart,
): string[] {
  const layers = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => prefix + i);
  return [...layers(ENCODER, encoderLayers), ...layers(DECODER, decoderLayers)].filter((network) =>
    hasExpert(network, part),
  );
}

export const isEncoderNetwork = (network: string): boolean => network.startsWith(ENCODER);

function hasExpert(network: string, part: ExpertPart): boolean {
  return isEncoderNetwork(network) ? part !== 'decoder' : part !== 'encoder';
}

/** The tensors of one language and their shapes, by name without the prefix. */
export function expertTensors(
  dimensions: WhisperDimensions,
  { part, gateWidth }: Pick<ExpertSet, 'part' | 'gateWidth'>,
): Map<string, readonly number[]> {
  const { width, encoderFfn, decoderFfn } = dimensions;
  return new Map(
    expertNetworks(dimensions, part).flatMap((network): [string, readonly number[]][] => {
      const inner = isEncoderNetwork(network) ? encoderFfn : decoderFfn;
      return [
        [`${network}.fc1.weight`, [inner, width]],
        [`${network}.fc1.bias`, [inner]],
        [`${network}.fc2.weight`, [width, inner]],
        [`${network}.fc2.bias`, [width]],
        [`${network}.gate.fc1.weight`, [gateWidth, width]],
        [`${network}.gate.fc2.weight`, [1, gateWidth]],
      ];
    }),
  );
}

/** A gate in a graph. */
export interface Gate {
  /** Name of its layer, such as "model.decoder.layers.0". */
  readonly network: string;
  /** g, [batch, positions, 1] */
  readonly value: Tensor;
  /** g as at test: 1 or 0, [batch, positions, 1]. */
  readonly hard: Tensor;
}

const gates = new WeakMap<Graph, Gate[]>();

export const gatesOf = (graph: Graph): readonly Gate[] => gates.get(graph) ?? [];

/**
 * @param network its name, such as "model.decoder.layers.0"
 * @param feedForward builds the network of a name
 */
export function withExpert(
  x: Tensor,
  network: string,
  feedForward: (x: Tensor, name: string) => Tensor,
): Tensor {
  const shared = feedForward(x, network);
  const { experts } = variantOf(x.graph);
  if (!experts || !hasExpert(network, experts.part)) return shared;
  const name = expertPrefix(experts.language) + network;
  const own = feedForward(x, name);
  const gate = gateOf(x, name, experts, network);
  gates.set(x.graph, [...gatesOf(x.graph), gate]);
  // Where g is 0 this is the shared network to the bit.
  return add(shared, mul(gate.value, sub(own, shared)));
}

function gateOf(x: Tensor, name: string, experts: Experts, network: string): Gate {
  const { graph } = x;
  const inner = weight(graph, `${name}.gate.fc1.weight`, [experts.gateWidth, x.shape.at(-1) as number]);
  const out = weight(graph, `${name}.gate.fc2.weight`, [1, experts.gateWidth]);
  const open = linear(relu(linear(x, inner)), out); // [batch, positions, 1]
  const hard = isNonNegative(open);
  if (experts.gate === 'hard') return { network, value: hard, hard };
  return { network, value: sigmoid(add(open, graph.input(gateNoise(network), open.shape))), hard };
}
