import { UserError } from '../errors.ts';
import { trim, WHITESPACE } from '../language/whitespace.ts';
import { type CorpusMetric, type Statistics, sumStatistics, tokenNumbering } from './corpus.ts';

export interface ErrorRate {
  /** Errors per reference token: 0.25 is 25 %, and it can exceed 1. */
  rate: number;
  hits: number;
  substitutions: number;
  deletions: number;
  insertions: number;
}

/** Tokens × tokens: beyond this a "sentence" is a whole book and its alignment would not fit in memory. */
const MAX_CELLS = 400_000_000;

const SEVERAL_SPACES = new RegExp(`[${WHITESPACE}]{2,}`, 'gu');

/** jiwer's default words: only blanks and runs of white space separate them, a single tab or U+3000 does not. */
export function splitJiwerWords(text: string): string[] {
  return trim(text.replace(SEVERAL_SPACES, ' '))
    .split(' ')
    .filter((word) => word !== '');
}

/** jiwer's default characters: code points of the stripped text, blanks within it included. */
export function splitCharacters(text: string): string[] {
  return Array.from(trim(text));
}

/**
 * Tokens of the mixed error rate used for Mandarin–English code-switching: each Chinese character, and each word
 * of other scripts, lowercased. Punctuation and symbols are dropped as nobody speaks them; an apostrophe or
 * hyphen inside a word stays.
 */
export function splitMixedTokens(text: string): string[] {
  const token =
    /\p{Script=Han}|(?:(?!\p{Script=Han})[\p{L}\p{M}\p{N}])+(?:['’-](?:(?!\p{Script=Han})[\p{L}\p{M}\p{N}])+)*/gu;
  return text.normalize('NFKC').toLowerCase().match(token) ?? [];
}

interface EditCounts {
  hits: number;
  substitutions: number;
  deletions: number;
  insertions: number;
}

/**
 * One optimal alignment, from its end to its beginning. Several alignments can have the same number of errors; this takes
 * the one that RapidFuzz (below jiwer) takes: equal ends are cut off first, then, walking back from the end, deletion is
 * preferred where it is on a cheapest path, then insertion if its cell is cheaper than the diagonal one.
 * @param onEdit called with each edit, and the numbers of reference and hypothesis tokens before it
 */
function alignTokens(
  reference: readonly string[],
  hypothesis: readonly string[],
  onEdit: (edit: keyof EditCounts, reference: number, hypothesis: number) => void,
): void {
  const idOf = tokenNumbering();
  let from = Int32Array.from(reference, idOf);
  let to = Int32Array.from(hypothesis, idOf);
  let prefix = 0;
  while (prefix < from.length && prefix < to.length && from[prefix] === to[prefix]) prefix++;
  [from, to] = [from.subarray(prefix), to.subarray(prefix)];
  let suffix = 0;
  while (suffix < from.length && suffix < to.length && from.at(-1 - suffix) === to.at(-1 - suffix)) suffix++;
  const [n, m] = [from.length - suffix, to.length - suffix];
  if (n * m > MAX_CELLS) {
    throw new UserError(
      `A reference of ${reference.length} tokens against a hypothesis of ${hypothesis.length} is too long to align: give one sentence per line.`,
    );
  }

  // Column by column of the hypothesis; per cell, whether the cost falls or rises along the reference.
  const steps = new Int8Array(n * m);
  let column = Int32Array.from({ length: n + 1 }, (_, i) => i);
  for (let j = 1; j <= m; j++) {
    const next = new Int32Array(n + 1);
    next[0] = j;
    for (let i = 1; i <= n; i++) {
      const diagonal = column[i - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next[i] = Math.min(diagonal, column[i]! + 1, next[i - 1]! + 1);
      steps[(j - 1) * n + i - 1] = next[i]! - next[i - 1]!;
    }
    column = next;
  }

  for (let k = suffix; k > 0; k--) onEdit('hits', prefix + n + k - 1, prefix + m + k - 1);
  let [i, j] = [n, m];
  while (i > 0 && j > 0) {
    if (steps[(j - 1) * n + i - 1] === 1) {
      i--;
      onEdit('deletions', prefix + i, prefix + j);
      continue;
    }
    j--;
    if (j > 0 && steps[(j - 1) * n + i - 1] === -1) {
      onEdit('insertions', prefix + i, prefix + j);
      continue;
    }
    i--;
    onEdit(from[i] === to[j] ? 'hits' : 'substitutions', prefix + i, prefix + j);
  }
  while (i > 0) onEdit('deletions', prefix + --i, prefix);
  while (j > 0) onEdit('insertions', prefix, prefix + --j);
  for (let k = prefix; k > 0; k--) onEdit('hits', k - 1, k - 1);
}

/** Counts of one optimal alignment. */
export function countEdits(reference: readonly string[], hypothesis: readonly string[]): EditCounts {
  const counts = { hits: 0, substitutions: 0, deletions: 0, insertions: 0 };
  alignTokens(reference, hypothesis, (edit) => {
    counts[edit]++;
  });
  return counts;
}

/**
 * Cuts a text where the sentences of its reference end, at as few errors as without the cuts (Matusov et al. 2005,
 * mwerSegmenter): sentences of a long recording can then be drawn for an interval.
 * @returns as many texts as there are references
 */
export function cutLikeReferences(references: readonly string[], hypothesis: string): string[] {
  const sentences = references.map(splitJiwerWords);
  const sentenceOf = sentences.flatMap((words, sentence) => words.map(() => sentence));
  const words = splitJiwerWords(hypothesis);
  const cut: string[][] = references.map(() => []);
  alignTokens(sentences.flat(), words, (edit, at, word) => {
    if (edit === 'deletions') return;
    // What is inserted belongs to the sentence before it.
    const sentence = sentenceOf[edit === 'insertions' ? Math.max(0, at - 1) : at] ?? 0;
    cut[sentence]!.push(words[word]!);
  });
  return cut.map((own) => own.reverse().join(' '));
}

/** Error counts, a row per sentence: [hits, substitutions, deletions, insertions]. */
function errorStatistics(
  hypotheses: readonly string[],
  references: readonly string[],
  split: (text: string) => string[],
): number[][] {
  if (hypotheses.length !== references.length) {
    throw new UserError(`There are ${hypotheses.length} hypotheses but ${references.length} references.`);
  }
  return hypotheses.map((hypothesis, sentence) => {
    const counts = countEdits(split(references[sentence]!), split(hypothesis));
    return [counts.hits, counts.substitutions, counts.deletions, counts.insertions];
  });
}

/** Error rate of summed counts: all errors over all reference tokens. */
function errorRateFromStatistics(total: Statistics): ErrorRate {
  const [hits = 0, substitutions = 0, deletions = 0, insertions = 0] = total;
  // Without any reference token the rate is the number of insertions, as jiwer has it.
  const tokens = Math.max(1, hits + substitutions + deletions);
  const rate = (substitutions + deletions + insertions) / tokens;
  return { rate, hits, substitutions, deletions, insertions };
}

const errorRateOf =
  (split: (text: string) => string[]) =>
  (hypotheses: readonly string[], references: readonly string[]): ErrorRate =>
    errorRateFromStatistics(sumStatistics(errorStatistics(hypotheses, references, split)));

/**
 * Word error rate over a corpus, equal to `jiwer.process_words` (4.0); normalise the texts before.
 * @throws UserError when the counts of sentences differ, or a line is too long to align
 */
export const wordErrorRate = errorRateOf(splitJiwerWords);

/** Character error rate over a corpus, equal to `jiwer.process_characters` (4.0): blanks count as characters. */
export const characterErrorRate = errorRateOf(splitCharacters);

/**
 * Mixed error rate (Chinese characters, words of other scripts) over a corpus; see {@link splitMixedTokens}. Not
 * jiwer's "MER", which is the match error rate.
 */
export const mixedErrorRate = errorRateOf(splitMixedTokens);

const ERROR_UNITS = {
  wer: { split: splitJiwerWords, name: 'words between blanks', ignoresCase: false },
  cer: { split: splitCharacters, name: 'characters, blanks included', ignoresCase: false },
  mer: { split: splitMixedTokens, name: 'Chinese characters and words of other scripts', ignoresCase: true },
};

/** An error rate as a {@link CorpusMetric} in percent, against the first reference. */
export function errorMetric(
  kind: keyof typeof ERROR_UNITS,
  { lowercase = false }: { lowercase?: boolean } = {},
): CorpusMetric<{ score: number } & Omit<ErrorRate, 'rate'>> {
  const { split, name, ignoresCase } = ERROR_UNITS[kind];
  const tokens = (text: string) => split(lowercase ? text.toLowerCase() : text);
  return {
    statistics: (hypotheses, [references = []]) => errorStatistics(hypotheses, references, tokens),
    score: (total) => {
      const { rate, ...counts } = errorRateFromStatistics(total);
      return { score: 100 * rate, ...counts };
    },
    signature: () => `${name}${lowercase || ignoresCase ? ', lowercased' : ''}`,
  };
}
