/**
 * Language-specific experts (DistilWhisper, Ferraz et al. 2024; CLSR, Zhang et al. 2021): each feed-forward network of the
 * decoder has a copy for a language, and a gate that chooses between it and the shared one, token by token:
 *
 *     y = g·FFN_language(x) + (1 − g)·FFN_shared(x),   g = 1 where W2·relu(W1·x) ≥ 0, else 0
 *
 * In training g = σ(W2·relu(W1·x) + noise), with noise whose deviation grows, which drives the gates to 0 or 1.
 */

import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import { add, isNonNegative, linear, mul, relu, sigmoid, sub } from '../graph/ops.ts';
import { type Experts, variantOf, weight } from './variant.ts';

/** Prefix that makes the shared network's name that of an expert's or gate's weight. */
export const expertPrefix = (language: string): string => `experts.${language}.`;
export const gateNoise = (network: string): string => `gateNoise.${network}`;

/** Names of the layers whose feed-forward networks have experts. */
export function expertNetworks({ decoderLayers }: WhisperDimensions): string[] {
  return Array.from({ length: decoderLayers }, (_, layer) => `model.decoder.layers.${layer}`);
}

/** The tensors of one language and their shapes, by name without the prefix. */
export function expertTensors(
  dimensions: WhisperDimensions,
  gateWidth: number,
): Map<string, readonly number[]> {
  const { width, decoderFfn } = dimensions;
  return new Map(
    expertNetworks(dimensions).flatMap((network): [string, readonly number[]][] => [
      [`${network}.fc1.weight`, [decoderFfn, width]],
      [`${network}.fc1.bias`, [decoderFfn]],
      [`${network}.fc2.weight`, [width, decoderFfn]],
      [`${network}.fc2.bias`, [width]],
      [`${network}.gate.fc1.weight`, [gateWidth, width]],
      [`${network}.gate.fc2.weight`, [1, gateWidth]],
    ]),
  );
}

const gates = new WeakMap<Graph, Tensor[]>();

/** Gates of a graph, [batch, tokens, 1] each. */
export const gatesOf = (graph: Graph): readonly Tensor[] => gates.get(graph) ?? [];

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
  if (!experts || !network.startsWith('model.decoder.')) return shared;
  const name = expertPrefix(experts.language) + network;
  const own = feedForward(x, name);
  const g = gate(x, name, experts, network);
  gates.set(x.graph, [...gatesOf(x.graph), g]);
  // Where g is 0 this is the shared network to the bit.
  return add(shared, mul(g, sub(own, shared)));
}

function gate(x: Tensor, name: string, experts: Experts, network: string): Tensor {
  const { graph } = x;
  const inner = weight(graph, `${name}.gate.fc1.weight`, [experts.gateWidth, x.shape.at(-1) as number]);
  const out = weight(graph, `${name}.gate.fc2.weight`, [1, experts.gateWidth]);
  const open = linear(relu(linear(x, inner)), out); // [batch, tokens, 1]
  if (experts.gate === 'hard') return isNonNegative(open);
  return sigmoid(add(open, graph.input(gateNoise(network), open.shape)));
}
