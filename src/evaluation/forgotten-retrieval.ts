/** R@1 between the languages of a set: does an encoder still put a sentence and its translation side by side? */

import type { Clip } from '../data/clip.ts';
import { storedClips } from '../features/encoded-clips.ts';
import { type CacheOptions, EncoderOutputs } from '../features/encoder-outputs.ts';
import type { WorkOptions } from '../report/progress.ts';
import type { ComparedClip } from '../retrieval/clip-blocks.ts';
import { retrievalMethod } from '../retrieval/methods.ts';
import { ParallelClips } from '../retrieval/parallel-clips.ts';
import { DEFAULT_SHORTLIST } from '../retrieval/shortlist.ts';
import { areQuickExactly, retrievalStudy } from '../retrieval/study.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { hitRate, type System } from './scores.ts';

export interface RetrievedPair {
  readonly from: string;
  readonly to: string;
  /** For each sentence that both languages have: whether its translation comes first. */
  readonly hits: readonly boolean[];
}

interface RetrieveAllOptions extends Pick<WorkOptions, 'onProgress' | 'signal'>, CacheOptions {
  readonly window: WindowMode;
}

/** Each ordered pair of languages that share sentences, as `retrieve --all-pairs` compares them. */
export async function retrieveAllPairs(
  model: WhisperModel,
  clips: readonly Clip[],
  options: RetrieveAllOptions,
): Promise<RetrievedPair[]> {
  const languages = new ParallelClips(await encodeParallel(model, clips, options));
  const pairs = languages.pairs();
  const studied = await retrievalStudy(model.runtime, languages, pairs, {
    variants: [retrievalMethod('seqsim')],
    ...(!areQuickExactly(languages, pairs) && { shortlist: DEFAULT_SHORTLIST }),
  });
  return studied.map(({ from, to, variants }) => ({
    from,
    to,
    hits: variants[0]!.ranks.map((rank) => rank === 1),
  }));
}

/** Encodes the clips whose sentence another language has, too. */
async function encodeParallel(
  model: WhisperModel,
  clips: readonly Clip[],
  { onProgress, signal, ...options }: RetrieveAllOptions,
): Promise<{ clip: Clip; encoded: ComparedClip }[]> {
  const languages = new Map<string, Set<string>>();
  for (const { key, language } of clips) languages.set(key, (languages.get(key) ?? new Set()).add(language));
  const parallel = clips.filter(({ key }) => key !== '' && languages.get(key)!.size > 1);
  // Clips that cannot be read were reported before.
  return storedClips(await EncoderOutputs.open(model, options), parallel, {
    signal,
    onProgress,
    stage: 'encoding for retrieval',
  });
}

/** R@1 as a system's counts, with a pair of languages in place of a language. */
export function retrievalSystem(model: string, pairs: readonly RetrievedPair[]): System {
  const language = ({ from, to }: RetrievedPair): string => `${from}→${to}`;
  const signature = 'SeqSim of encoder outputs, the translation is the most similar of all sentences';
  return {
    model,
    prompt: '',
    clips: new Map(pairs.map((pair) => [language(pair), pair.hits.map((_, i) => String(i))])),
    counts: new Map(pairs.map((pair) => [language(pair), new Map([['r@1', hitRate(pair.hits, signature)]])])),
    notDefined: new Map(),
  };
}
