/**
 * How the model of a graph differs from the plain Whisper. Kept beside the graph, so that every layer made in it finds
 * what concerns it, and none has to hand it on.
 */
import type { Graph, Tensor } from '../graph/graph.ts';
import { asStored } from './quantized-weights.ts';

/** Low-rank adapters: adapters.ts. */
export interface Adapters {
  readonly rank: number;
  readonly alpha: number;
  /** Names of the projections, such as "model.decoder.layers.0.self_attn.q_proj". */
  readonly projections: ReadonlySet<string>;
}

/** A language's experts: experts.ts. */
export interface ExpertSet {
  readonly language: string;
  /** Inner size of the gates. */
  readonly gateWidth: number;
}

export interface Experts extends ExpertSet {
  /** `noisy`: the graph has inputs `gateNoise.<network>` [batch, tokens, 1]. */
  readonly gate: 'hard' | 'noisy';
}

export interface ModelVariant {
  /** Put before the name of every weight: a second model in the same graph. */
  readonly prefix?: string | undefined;
  readonly adapters?: Adapters | undefined;
  /** Names of weights that the layers see as the int8 format will store them. */
  readonly quantized?: ReadonlySet<string> | undefined;
  /** A language's experts, in the decoder. */
  readonly experts?: Experts | undefined;
  /** A weight of its own is added to the embedding's row of the last token, a new language's: language-token.ts. */
  readonly languageRow?: boolean | undefined;
}

const variants = new WeakMap<Graph, ModelVariant>();

export function variantOf(graph: Graph): ModelVariant {
  return variants.get(graph) ?? {};
}

/** What is made in `graph` from now on is of this variant. */
export function setVariant(graph: Graph, variant: ModelVariant): void {
  variants.set(graph, variant);
}

/** What `build` makes in `graph` is of this variant, and of no other; afterwards all is as before. */
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
  return quantized?.has(name) ? asStored(own) : own;
}
