/** Evaluates a model during training on clips that it is not trained on. */

import type { Program } from '../backend/runtime.ts';
import { referenceIn } from '../data/clip.ts';
import { decode } from '../decoding/decode.ts';
import { largest } from '../extremes.ts';
import { translationScores } from '../metrics/translation-scores.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { TargetVocabulary } from '../whisper/target-vocabulary.ts';
import { trainingGraph } from '../whisper/training-graph.ts';
import type { ModelVariant } from '../whisper/variant.ts';
import { readyExample, trainingBatch } from './batches.ts';
import type { BestBy } from './choices.ts';
import type { DevExample, EncodedExample } from './examples.ts';

export interface DevEvaluation {
  readonly step: number;
  /** Mean cross-entropy, nats per token. */
  readonly loss: number;
  /** BLEU of greedy translations, 0 to 100. */
  readonly bleu: number;
  readonly chrf: number;
  /** Scores by target language, where there are several: the two above are then the means over them. */
  readonly targets?: Readonly<Record<string, { readonly bleu: number; readonly chrf: number }>>;
  readonly seconds: number;
}

/** Memory grows with the batch, and nothing is gained by large ones here. */
const CLIPS_PER_BATCH = 4;

/**
 * Clips whose reference needs a token that is not in the target vocabulary have no finite loss: they are translated, but
 * excluded from the loss. English first, the English text is given.
 */
export async function evaluateDevSet(
  model: WhisperModel,
  set: readonly DevExample[],
  {
    step,
    vocabulary,
    variant,
  }: {
    step: number;
    vocabulary?: TargetVocabulary | undefined;
    /** Variant of the model as at inference. */
    variant?: ModelVariant | undefined;
  },
): Promise<DevEvaluation> {
  const started = performance.now();
  const examples = (await Promise.all(set.map((one) => readyExample(one, 0)))) as unknown as EncodedExample[];
  // The compiled decoder has older weights built in.
  await model.decoderChanged();
  const loss = await meanLoss(model, examples, vocabulary, variant);
  const longest = largest(examples, ({ tokens, promptLength }) => tokens.length - promptLength);
  const decoded = await decode(
    model,
    examples.map(({ clip }) => clip),
    {
      prompts: examples.map(({ tokens, promptLength }) => tokens.slice(0, promptLength)),
      // A text that loops is wrong however long it gets.
      maxTokens: 2 * longest,
      vocabulary,
      languages: examples.map(({ source }) => source?.language),
      // Of a model that has experts, those in training alone.
      experts: variant?.experts !== undefined,
    },
  );
  const targets = new Map<string, { bleu: number; chrf: number }>();
  for (const target of new Set(examples.map((example) => example.target))) {
    const own = [...examples.keys()].filter((i) => examples[i]!.target === target);
    const references = own.map((i) => {
      const { source, tokens, promptLength } = examples[i]!;
      return source ? referenceIn(source, target) : model.tokens.decode(tokens.slice(promptLength, -1));
    });
    const hypotheses = own.map((i) => decoded[i]!.text);
    const { bleu, chrf } = await translationScores(hypotheses, references, target);
    targets.set(target, { bleu, chrf });
  }
  // It takes as much memory as the weights; training does without.
  await model.decoderChanged();
  const mean = (metric: 'bleu' | 'chrf'): number =>
    [...targets.values()].reduce((sum, scores) => sum + scores[metric], 0) / targets.size;
  return {
    step,
    loss,
    bleu: mean('bleu'),
    chrf: mean('chrf'),
    ...(targets.size > 1 && { targets: Object.fromEntries(targets) }),
    seconds: (performance.now() - started) / 1000,
  };
}

/** The evaluation of lowest loss, or of highest BLEU or chrF; the first of equals. A loss that is not finite counts as the largest. */
export function bestEvaluation(evaluations: readonly DevEvaluation[], by: BestBy): DevEvaluation | undefined {
  const merit = (one: DevEvaluation): number =>
    by !== 'loss' ? one[by] : Number.isFinite(one.loss) ? -one.loss : Number.NEGATIVE_INFINITY;
  return evaluations.reduce<DevEvaluation | undefined>(
    (best, one) => (best && merit(best) >= merit(one) ? best : one),
    undefined,
  );
}

async function meanLoss(
  model: WhisperModel,
  examples: readonly EncodedExample[],
  vocabulary: TargetVocabulary | undefined,
  variant: ModelVariant | undefined,
): Promise<number> {
  const { runtime, dimensions, tokens } = model;
  const tails = await model.silenceTailsFor(examples.map(({ clip }) => clip));
  const outputIds = vocabulary && model.output(vocabulary).ids;
  const program: Program = await runtime.load(
    trainingGraph(dimensions, [], { withOutputIds: vocabulary !== undefined, ...(variant && { variant }) }),
    {
      builtIn: () => false,
      arena: false,
    },
  );
  const known = outputIds && new Set(outputIds);
  const inVocabulary = examples.filter(
    (one) => !known || one.tokens.slice(one.promptLength).every((id) => known.has(id)),
  );
  let sum = 0;
  let count = 0;
  try {
    for (let start = 0; start < inVocabulary.length; start += CLIPS_PER_BATCH) {
      const some = inVocabulary.slice(start, start + CLIPS_PER_BATCH);
      const batch = trainingBatch(some, tails, tokens.endOfText, outputIds);
      const { fetched } = await runtime.run(program, batch.feeds, { fetch: ['loss'] });
      sum += batch.tokens * (fetched.loss!.data as Float32Array)[0]!;
      count += batch.tokens;
    }
  } finally {
    await runtime.unload(program);
  }
  return sum / count;
}
