/** Translations of a range of a manifest's rows: what a run on one machine does with all, and a worker with its share. */
import type { Clip } from '../data/clip.ts';
import type { TranslationEngine } from './engine.ts';
import { type Sentence, sentenceKey, sentencesOf } from './sentence.ts';
import { type Judged, judge, type TranslateOptions, translateSentences } from './translate-sentences.ts';

export interface LabelOptions extends TranslateOptions {
  /** Clips before each, of the same recording or session, that are given with it. */
  readonly context: number;
}

export interface LabelledRows {
  /** One a row of the range; undefined: it has a translation, no transcript, or no answer yet. */
  readonly rows: readonly (Judged | undefined)[];
  readonly unanswered: ReadonlyMap<string, string>;
  readonly stopped: boolean;
}

/**
 * Translates the transcripts of the clips from `from` up to, not including, `to`. A sentence is asked for once, however many
 * clips have it. The result depends on these rows, the context before them and the service alone.
 * @throws UserError where every request fails
 */
export async function labelRows(
  engine: TranslationEngine,
  clips: readonly Clip[],
  { from = 0, to = clips.length }: { from?: number; to?: number },
  { context, ...options }: LabelOptions,
): Promise<LabelledRows> {
  // Rows before the range are its context.
  const begin = context === 0 ? from : 0;
  const sentences = sentencesOf(clips.slice(begin, to), options.target, context).slice(from - begin);
  const answers = new Map<string, readonly string[]>();
  const { unanswered, stopped } = await translateSentences(engine, eachOnce(sentences), {
    ...options,
    keep: async (answered) => {
      await options.keep?.(answered);
      for (const one of answered) answers.set(one.key, one.answers);
    },
  });
  const rows = sentences.map((sentence) => {
    if (!sentence) return undefined;
    const key = sentenceKey(sentence);
    return judge(
      sentence,
      answers.get(key) ?? options.answered?.(key) ?? [],
      options.target,
      options.accepted,
    );
  });
  return { rows, unanswered, stopped };
}

/** The sentences without repetitions, in order of appearance. */
export function eachOnce(sentences: readonly (Sentence | undefined)[]): Sentence[] {
  const seen = new Map<string, Sentence>();
  for (const sentence of sentences) {
    if (!sentence) continue;
    const key = sentenceKey(sentence);
    if (!seen.has(key)) seen.set(key, sentence);
  }
  return [...seen.values()];
}
