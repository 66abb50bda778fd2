/**
 * Variants of Whisper: adapters, experts and so on of the model in a graph. Stored beside the graph, so that layers look
 * them up and need not pass them on.
 */
import type { BiasPlace } from '../graph/fused-attention.ts';
import type { Graph, Tensor } from '../graph/graph.ts';
import type { ProductForm } from '../graph/product-form.ts';
import type { Bits } from '../graph/stored-form.ts';
import { asStored } from './quantized-weights.ts';

/** Low-rank adapters: adapters.ts. */
export interface Adapters {
  readonly rank: number;
  readonly alpha: number;
  /** Names of the projections, such as "model.decoder.layers.0.self_attn.q_proj". */
  readonly projections: ReadonlySet<string>;
}

/** Which feed-forward networks have experts: those of the encoder, of the decoder, or of both. */
export type ExpertPart = 'encoder' | 'decoder' | 'all';

/** A language's experts: experts.ts. */
export interface ExpertSet {
  readonly language: string;
  readonly part: ExpertPart;
  /** Inner size of the gates. */
  readonly gateWidth: number;
}

export interface Experts extends ExpertSet {
  /** `noisy`: the graph has inputs `gateNoise.<network>` [batch, positions, 1]. */
  readonly gate: 'hard' | 'noisy';
}

export interface ModelVariant {
  /** Prefix of the names of all weights, for a second model in the same graph. */
  readonly prefix?: string | undefined;
  readonly adapters?: Adapters | undefined;
  /** Names of weights that layers read after the round trip through a stored form, and its bits. */
  readonly quantized?: { readonly names: ReadonlySet<string>; readonly bits: Bits } | undefined;
  /** How linear layers compute. Default float32; the other forms cannot be trained. */
  readonly products?: ProductForm | undefined;
  /** Operators of the encoder's attention: `composed` (default) can be trained; else it is one (fused-attention.ts). */
  readonly attention?: 'composed' | { readonly bias: BiasPlace } | undefined;
  /** A language's experts. */
  readonly experts?: Experts | undefined;
  /** Adds a separate weight to the embedding's last row, that of a new language token: language-token.ts. */
  readonly languageRow?: boolean | undefined;
}

const variants = new WeakMap<Graph, ModelVariant>();

export function variantOf(graph: Graph): ModelVariant {
  return variants.get(graph) ?? {};
}

/** Sets the variant of layers that are added to `graph` from now on. */
export function setVariant(graph: Graph, variant: ModelVariant): void {
  variants.set(graph, variant);
}

/** Runs `build` with this variant in place of the graph's, which is restored afterwards. */
export function withVariant<T>(graph: Graph, variant: ModelVariant, build: () => T): T {
  const before = variantOf(graph);
  setVariant(graph, variant);
  try {
    return build();
  } finally {
    setVariant(graph, before);
  }
}

/** The weight of this name as layers of the graph's variant see it. */
export function weight(graph: Graph, name: string, shape: readonly number[]): Tensor {
  const { prefix = '', quantized } = variantOf(graph);
  const own = graph.parameter(`${prefix}${name}`, shape);
  return quantized?.names.has(name) ? asStored(own, quantized.bits) : own;
}
