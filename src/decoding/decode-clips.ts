/** Decodes encoded clips to one text each, in batches, with a key–value cache. */
import { sfc32, uniform } from '../random.ts';
import { type EncodedClip, FULL_WINDOW_POSITIONS } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Decoded, DecodingOptions } from './decoding.ts';
import { DecodingBatch } from './decoding-batch.ts';
import { BeamSearch, GreedySearch, SamplingSearch, type Search, type SearchLimits } from './search.ts';

/** Largest number of frames × clips in one batch, whose keys and values stay in memory while it is decoded. */
export const FRAMES_PER_BATCH = 8_000;
const CLIPS_PER_BATCH = 32;

/**
 * Results come in the order of the clips.
 * @param options `separator` ends a text like the end of text
 */
export async function decodeClips(
  model: WhisperModel,
  clips: readonly EncodedClip[],
  options: DecodingOptions,
): Promise<Decoded[]> {
  const results: Decoded[] = new Array(clips.length);
  const experts = [...clips.keys()].map((i) => expertOf(model, options, i) ?? '');
  const alike = (a: number, b: number) =>
    experts[a]! < experts[b]! ? -1 : Number(experts[a] !== experts[b]);
  // Clips of similar length share a batch: less padding, and they end at about the same time. Experts are of one language.
  const order = [...clips.keys()].sort((a, b) => alike(a, b) || clips[a]!.window - clips[b]!.window);
  let done = 0;
  for (let start = 0; start < order.length; ) {
    let size = 1;
    while (
      size < CLIPS_PER_BATCH &&
      start + size < order.length &&
      alike(order[start]!, order[start + size]!) === 0 &&
      (size + 1) * clips[order[start + size]!]!.window <= FRAMES_PER_BATCH
    ) {
      size++;
    }
    const batch = order.slice(start, start + size);
    options.signal?.throwIfAborted();
    const decoded = await DecodingBatch.decode(
      model,
      batch.map((i) => clips[i]!),
      batch.map((i) => newSearch(model, options, i, clips[i]!.window < FULL_WINDOW_POSITIONS)),
      {
        ...options,
        prompts: batch.map((i) => options.prompts[i]!),
        language: experts[batch[0]!] || undefined,
      },
    );
    decoded.forEach((result, i) => {
      results[batch[i]!] = result;
    });
    start += size;
    done += size;
    options.onProgress?.(done);
  }
  return results;
}

/** The language whose experts decode a clip, if any. */
function expertOf(
  { experts, tokens }: WhisperModel,
  { prompts, languages, experts: used = true }: DecodingOptions,
  clip: number,
): string | undefined {
  if (!used || experts.size === 0) return undefined;
  const language = languages ? languages[clip] : tokens.languageOf(prompts[clip]!);
  return language !== undefined && experts.has(language) ? language : undefined;
}

function newSearch(model: WhisperModel, options: DecodingOptions, clip: number, fitted: boolean): Search {
  const {
    beams = 1,
    patience = 1,
    lengthPenalty = 1,
    temperature = 0,
    bestOf = 5,
    maxTokens = 224,
  } = options;
  const limits: SearchLimits = {
    endOfText: model.tokens.endOfText,
    separator: options.separator,
    maxTokens: Math.min(maxTokens, model.dimensions.textPositions - options.prompts[clip]!.length),
  };
  if (temperature > 0) {
    const random = sfc32((options.seed ?? 1) + (options.positions?.[clip] ?? clip));
    return new SamplingSearch(limits, bestOf, temperature, () => uniform(random));
  }
  return beams > 1
    ? new BeamSearch(limits, {
        beams,
        patience,
        lengthPenalty,
        earlyStopping: options.earlyStopping ?? fitted,
      })
    : new GreedySearch(limits, Boolean(options.stopLoops));
}
