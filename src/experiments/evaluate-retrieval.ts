/** R@1 between the languages of a set: does an encoder still put a sentence and its translation side by side? */

import { startProgress } from '../report/progress.ts';
import { answerRanks } from '../retrieval/recall.ts';
import { seqSimMatrix } from '../retrieval/seq-sim.ts';
import { isQuickExactly, shortlistedSeqSim } from '../retrieval/shortlist.ts';
import { encodeFiles } from '../speech/encoder-cache.ts';
import type { Clip } from '../speech/manifest.ts';
import type { EncodedClip, Window } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { hitRate, type System } from './evaluate-scores.ts';

export interface RetrievedPair {
  readonly from: string;
  readonly to: string;
  /** For each sentence that both languages have: whether its translation comes first. */
  readonly hits: readonly boolean[];
}

/** Two sentences at least must be shared, or the right one cannot be missed. */
const LEAST_SENTENCES = 2;

/** Each ordered pair of languages that share sentences; of several recordings of a sentence the first counts. */
export async function retrieveAllPairs(
  model: WhisperModel,
  clips: readonly Clip[],
  { window, cache }: { window: Window; cache: string },
): Promise<RetrievedPair[]> {
  const { runtime } = model;
  const byLanguage = new Map<string, Map<string, EncodedClip>>();
  for (const { clip, encoded } of await encodeParallel(model, clips, window, cache)) {
    const sentences = byLanguage.get(clip.language) ?? new Map<string, EncodedClip>();
    byLanguage.set(clip.language, sentences);
    if (!sentences.has(clip.key)) sentences.set(clip.key, encoded);
  }
  const pairs: RetrievedPair[] = [];
  for (const [from, sources] of [...byLanguage].sort()) {
    for (const [to, targets] of [...byLanguage].sort()) {
      const keys = [...sources.keys()].filter((key) => targets.has(key));
      if (from === to || keys.length < LEAST_SENTENCES) continue;
      const queries = keys.map((key) => sources.get(key)!);
      const candidates = keys.map((key) => targets.get(key)!);
      const similarity = isQuickExactly(queries, candidates)
        ? await seqSimMatrix(runtime, queries, candidates)
        : await shortlistedSeqSim(runtime, queries, candidates);
      const ranks = answerRanks(similarity, keys.length, keys.length, [...keys.keys()]);
      pairs.push({ from, to, hits: ranks.map((rank) => rank === 1) });
    }
  }
  return pairs;
}

/** The clips whose sentence there is in another language, too. */
async function encodeParallel(
  model: WhisperModel,
  clips: readonly Clip[],
  window: Window,
  cache: string,
): Promise<{ clip: Clip; encoded: EncodedClip }[]> {
  const languages = new Map<string, Set<string>>();
  for (const { key, language } of clips) languages.set(key, (languages.get(key) ?? new Set()).add(language));
  const parallel = clips.filter(({ key }) => key !== '' && languages.get(key)!.size > 1);
  const progress = startProgress('encoding for retrieval', parallel.length);
  const encoded = await encodeFiles(
    model,
    parallel.map(({ audio }) => audio),
    { window, cache, onProgress: (done) => progress.update(done), onError: () => {} },
  );
  progress.done();
  return parallel.flatMap((clip, i) => (encoded[i] ? [{ clip, encoded: encoded[i] }] : []));
}

/** R@1 as a system's counts, a pair of languages for a language. */
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
