/** The heads of cross-attention that follow the speech, for word timestamps. */
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';

export interface AlignmentHeads {
  /** Pairs of layer and head. */
  readonly heads: readonly (readonly [layer: number, head: number])[];
  /** Why the generation config's heads are not used, for the user. */
  readonly note?: string;
}

/**
 * The heads that the generation config names. Where it names none, or some that the decoder does not have (as after
 * layers were removed), all heads of the upper half of the decoder, OpenAI's default.
 */
export function alignmentHeads(
  generationConfig: Readonly<Record<string, unknown>>,
  { decoderLayers, decoderHeads }: Pick<WhisperDimensions, 'decoderLayers' | 'decoderHeads'>,
): AlignmentHeads {
  const named = generationConfig.alignment_heads ?? undefined;
  const isPlace = (value: unknown, count: number): boolean =>
    Number.isInteger(value) && (value as number) >= 0 && (value as number) < count;
  const isHead = (pair: unknown): pair is [number, number] =>
    Array.isArray(pair) &&
    pair.length === 2 &&
    isPlace(pair[0], decoderLayers) &&
    isPlace(pair[1], decoderHeads);
  if (Array.isArray(named) && named.length > 0 && named.every(isHead)) {
    return { heads: named };
  }
  const first = Math.floor(decoderLayers / 2);
  const heads = Array.from({ length: (decoderLayers - first) * decoderHeads }, (_, i): [number, number] => [
    first + Math.floor(i / decoderHeads),
    i % decoderHeads,
  ]);
  if (named === undefined) return { heads };
  const wrong = Array.isArray(named) ? named.find((pair) => !isHead(pair)) : named;
  const found = wrong === undefined ? 'no heads' : (JSON.stringify(wrong) ?? 'no heads').slice(0, 40);
  return {
    heads,
    note:
      `generation_config.json: alignment_heads has ${found}; expected pairs of layer and head of a decoder of ` +
      `${decoderLayers} layers with ${decoderHeads} heads; word times come from all heads of its upper half`,
  };
}
