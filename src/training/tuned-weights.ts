/** Selection of the tuned weights, or adapters of them, and the training graph for it. */

import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { UserError } from '../errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { Bits } from '../graph/stored-form.ts';
import { adapterNames } from '../whisper/adapters.ts';
import { LANGUAGE_ROW, TOKEN_EMBEDDING } from '../whisper/decoder.ts';
import { encoderWeights } from '../whisper/encoder.ts';
import { decoderWeights, trainingGraph } from '../whisper/training-graph.ts';
import type { Adapters } from '../whisper/variant.ts';
import type { TunedPart } from './choices.ts';
import { type ExpertOptions, expertShapes, trainedExperts } from './experts.ts';
import { type LoraOptions, loraAdapters } from './lora.ts';
import { auxiliaryWeights, crossEntropy, type Objective } from './objective.ts';

export interface Tuning {
  readonly part: TunedPart;
  /** Whether the token embedding (which is also the output matrix) is trained: it is most of the memory. */
  readonly embedding: 'frozen' | 'trained';
  /** Adapters are trained instead of the part's own weights. */
  readonly lora?: LoraOptions | undefined;
  /** The weights are trained as `quantize` rounds them; see quantization.ts for what is frozen. */
  readonly quantization?: { readonly bits: Bits } | undefined;
  /** A language's experts are trained instead of the part's own weights: beside its feed-forward layers. */
  readonly experts?: ExpertOptions | undefined;
  /** Trains the embedding's row of a new language token while the rest is frozen: language-token.ts. */
  readonly languageRow?: boolean | undefined;
}

/** Whether the encoder is tuned, so that clips are needed as log-mel and no encoder output can be cached. */
export function tunesEncoder({ part }: Pick<Tuning, 'part'>): boolean {
  return part === 'encoder' || part === 'all';
}

/**
 * Names of the weights that are trained, in the order in which the model uses them; with LoRA, of the adapters' A and B;
 * with experts, of theirs.
 *
 * @throws UserError for LoRA with a trained embedding, experts with anything else, or LoRA options that fit no weight
 */
export function tunedWeights(dimensions: WhisperDimensions, tuning: Tuning): string[] {
  const { part, embedding, lora, quantization, experts, languageRow } = tuning;
  if (experts) {
    if (embedding !== 'frozen' || lora || quantization || languageRow) {
      throw new UserError(
        `experts of "${experts.language}": only they are trained; expected a frozen embedding, no LoRA, no quantization, no new token`,
      );
    }
    return [...expertShapes(dimensions, trainedExperts(tuning)!).keys()];
  }
  const adapters = tuningAdapters(dimensions, tuning);
  if (adapters) {
    if (quantization)
      throw new UserError('quantization: expected no LoRA with it: adapters are not what is quantised');
    if (embedding === 'trained')
      throw new UserError('LoRA trains adapters only: the token embedding stays frozen');
    return [...(languageRow ? [LANGUAGE_ROW] : []), ...[...adapters.projections].flatMap(adapterNames)];
  }
  const own = partWeights(dimensions, part);
  if (embedding === 'frozen') {
    return [...(languageRow ? [LANGUAGE_ROW] : []), ...own.filter((name) => name !== TOKEN_EMBEDDING)];
  }
  return own.includes(TOKEN_EMBEDDING) ? own : [TOKEN_EMBEDDING, ...own];
}

/** The adapters that are trained, if any. */
export function tuningAdapters(dimensions: WhisperDimensions, { part, lora }: Tuning): Adapters | undefined {
  return lora && loraAdapters(dimensions, partWeights(dimensions, part), lora);
}

function partWeights(dimensions: WhisperDimensions, part: TunedPart): string[] {
  const decoder = decoderWeights(dimensions);
  switch (part) {
    case 'decoder':
      return decoder;
    case 'cross-attention':
      return decoder.filter((name) => /\.encoder_attn(_layer_norm)?\./.test(name));
    case 'encoder':
      return encoderWeights(dimensions);
    case 'all':
      return [...encoderWeights(dimensions), ...decoder];
  }
}

/**
 * The training step: loss, and the gradients of `tunedWeights` and of the objective's own. From log-mel where the encoder
 * is tuned.
 * @param recompute keep only the layers' inputs and recompute the rest in the backward pass: see backward.ts
 */
export function tuningGraph(
  dimensions: WhisperDimensions,
  tuning: Tuning,
  {
    withOutputIds = false,
    objective = crossEntropy,
    recompute = false,
  }: { withOutputIds?: boolean; objective?: Objective; recompute?: boolean | undefined } = {},
): Graph {
  const trained = tunedWeights(dimensions, tuning);
  const experts = trainedExperts(tuning);
  return trainingGraph(dimensions, [...trained, ...auxiliaryWeights(objective)], {
    withOutputIds,
    recompute,
    loss: objective.loss,
    audio: tunesEncoder(tuning) ? 'mel' : 'frames',
    variant: {
      adapters: tuningAdapters(dimensions, tuning),
      quantized: tuning.quantization && {
        names: new Set(trained.filter((name) => name !== LANGUAGE_ROW)),
        bits: tuning.quantization.bits,
      },
      languageRow: trained.includes(LANGUAGE_ROW),
      experts: experts && { ...experts, gate: 'noisy' },
    },
  });
}
