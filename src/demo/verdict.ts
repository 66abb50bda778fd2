import type { TransferGroup, TransferResult } from './results.ts';

/** chrF points that count as a gain where no confidence interval was computed. */
export const MIN_GAIN = 1;
/** BLEU below which few sentences can be used as they are, whatever the gain. */
export const USABLE_BLEU = 10;

export interface Verdict {
  words: string;
  level: 'good' | 'some' | 'none' | 'unknown';
}

/** The question that each group of test clips answers, in plain words. */
export const questions: Record<TransferGroup, string> = {
  'held-out English': 'Does it translate English sentences that it was not trained on?',
  'new language, known sentence':
    'Does it carry over to a language it was not trained on, for sentences it was trained on in English?',
  'new language, new sentence':
    'Does it carry over to a language it was not trained on, for sentences that are new in every language?',
};

/**
 * A short answer over every language and voice of one group, by fixed rules: all rows must gain chrF (see
 * {@link gained}), and all must reach {@link USABLE_BLEU} for a plain yes.
 */
export function verdict(rows: readonly TransferResult[]): Verdict {
  const measured = rows.filter(
    (row) => row.n > 0 && Number.isFinite(row.after.chrf) && Number.isFinite(row.before.chrf),
  );
  if (measured.length === 0) return { words: 'Not measured', level: 'unknown' };
  const gains = measured.filter(gained).length;
  if (gains === 0) return { words: 'No', level: 'none' };
  if (gains < measured.length)
    return { words: `Better in ${gains} of ${measured.length} tests`, level: 'some' };
  if (measured.some((row) => !(row.after.bleu >= USABLE_BLEU)))
    return { words: 'Better, still weak', level: 'some' };
  return { words: 'Yes', level: 'good' };
}

/** Whether chrF rose: by an interval that excludes zero where there is one, else by at least {@link MIN_GAIN}. */
export function gained(row: TransferResult): boolean {
  if (row.chrfGain) return row.chrfGain.low > 0;
  return row.after.chrf - row.before.chrf >= MIN_GAIN;
}
