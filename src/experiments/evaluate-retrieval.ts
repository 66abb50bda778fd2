/** R@1 between the languages of a set: does an encoder still put a sentence and its translation side by side? */
import { answerRanks } from '../retrieval/recall.ts';
import { seqSimMatrix } from '../retrieval/seq-sim.ts';
import { isQuickExactly, shortlistedSeqSim } from '../retrieval/shortlist.ts';
import type { Clip } from '../speech/manifest.ts';
import type { EncodedClip, WhisperModel } from '../whisper/model.ts';

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
  { runtime }: WhisperModel,
  clips: readonly { readonly clip: Clip; readonly encoded: EncodedClip }[],
  onProgress?: (pairs: number) => void,
): Promise<RetrievedPair[]> {
  const byLanguage = new Map<string, Map<string, EncodedClip>>();
  for (const { clip, encoded } of clips) {
    if (clip.key === '') continue;
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
      onProgress?.(pairs.length);
    }
  }
  return pairs;
}
