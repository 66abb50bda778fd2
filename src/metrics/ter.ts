import { smallest } from '../extremes.ts';
import { trimEnd } from '../language/whitespace.ts';
import { BeamEditDistance, DELETE, INSERT, KEEP } from './beam-edit-distance.ts';
import {
  type CorpusMetric,
  corpusScore,
  referencesBySentence,
  SACREBLEU_VERSION,
  type Statistics,
  tokenNumbering,
} from './corpus.ts';
import { type TerTokenizerOptions, tokenizeForTer } from './ter-tokenizer.ts';

// Tercom's limits, the last one sacreBLEU's own.
const MAX_SHIFT_SIZE = 10;
const MAX_SHIFT_DISTANCE = 50;
const MAX_SHIFT_CANDIDATES = 1000;

export interface TerScore {
  /** Edits per 100 reference tokens; above 100 when there are more edits than tokens. Lower is better. */
  score: number;
}

/** sacreBLEU's signature, e.g. `nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0`. */
export function terSignature(referenceCount: number, options: TerTokenizerOptions = {}): string {
  const { normalized, noPunctuation, asianSupport, caseSensitive } = options;
  return (
    `nrefs:${referenceCount}|case:${caseSensitive ? 'mixed' : 'lc'}|tok:tercom|norm:${normalized ? 'yes' : 'no'}` +
    `|punct:${noPunctuation ? 'no' : 'yes'}|asian:${asianSupport ? 'yes' : 'no'}|version:${SACREBLEU_VERSION}`
  );
}

/** Position of each reference token in the hypothesis, and the tokens of either side that are not kept. */
function alignment(trace: readonly number[]) {
  const hypothesisAt: number[] = [];
  const hypothesisWrong: boolean[] = [];
  const referenceWrong: boolean[] = [];
  for (const op of trace) {
    if (op !== INSERT) hypothesisWrong.push(op !== KEEP);
    if (op !== DELETE) {
      referenceWrong.push(op !== KEEP);
      hypothesisAt.push(hypothesisWrong.length - 1);
    }
  }
  return { hypothesisAt, hypothesisWrong, referenceWrong };
}

/** Equal runs of tokens: every length from 1 up to the longest or {@link MAX_SHIFT_SIZE}, in Tercom's order. */
function* matchingRuns(hypothesis: Int32Array, reference: Int32Array): Generator<[number, number, number]> {
  for (let h = 0; h < hypothesis.length; h++) {
    const last = Math.min(reference.length - 1, h + MAX_SHIFT_DISTANCE);
    for (let r = Math.max(0, h - MAX_SHIFT_DISTANCE); r <= last; r++) {
      for (let length = 0; length < MAX_SHIFT_SIZE; length++) {
        if (h + length >= hypothesis.length || r + length >= reference.length) break;
        if (hypothesis[h + length] !== reference[r + length]) break;
        yield [h, r, length + 1];
      }
    }
  }
}

/** The tokens with the run `[start, start + length)` moved to before position `target`. */
function shifted(tokens: Int32Array, start: number, length: number, target: number): Int32Array {
  const moved = tokens.slice();
  // Inside or after the run the target has moved with it; sacreBLEU counts it from the run's start then.
  const to = Math.min(target > start + length ? target - length : target, tokens.length - length);
  if (to < start) moved.copyWithin(to + length, to, start);
  else moved.copyWithin(start, start + length, to + length);
  moved.set(tokens.subarray(start, start + length), to);
  return moved;
}

/** Prefix sums, so that errors in a run are counted without walking it. */
function countsBefore(wrong: readonly boolean[]): Int32Array {
  const counts = new Int32Array(wrong.length + 1);
  wrong.forEach((isWrong, i) => {
    counts[i + 1] = counts[i]! + (isWrong ? 1 : 0);
  });
  return counts;
}

/** Tries shifts and keeps the one that saves most edits; ties go to the longest, then first, then nearest target. */
function bestShift(distances: BeamEditDistance, reference: Int32Array, triedBefore: number) {
  const tokens = distances.base;
  const before = distances.baseDistance;
  const { hypothesisAt, hypothesisWrong, referenceWrong } = alignment(distances.baseTrace());
  const wrongHere = countsBefore(hypothesisWrong);
  const wrongThere = countsBefore(referenceWrong);
  let tried = triedBefore;
  let best: { gain: number; length: number; start: number; target: number; tokens: Int32Array } | undefined;
  for (const [start, refStart, length] of matchingRuns(tokens, reference)) {
    // Move only wrong tokens, and only to places where the reference is not matched yet.
    if (wrongHere[start] === wrongHere[start + length]) continue;
    if (wrongThere[refStart] === wrongThere[refStart + length]) continue;
    const current = hypothesisAt[refStart]!;
    if (start <= current && current < start + length) continue;

    let previousTarget = -1;
    for (let offset = -1; offset < length; offset++) {
      const beside = refStart + offset;
      if (beside >= hypothesisAt.length) break;
      const target = beside === -1 ? 0 : hypothesisAt[beside]! + 1;
      if (target === previousTarget) continue;
      previousTarget = target;
      const candidate = shifted(tokens, start, length, target);
      const gain = before - distances.distance(candidate, Math.min(start, target));
      tried++;
      const order = best && [
        gain - best.gain,
        length - best.length,
        best.start - start,
        best.target - target,
      ];
      if (!order || (order.find((difference) => difference !== 0) ?? 0) > 0) {
        best = { gain, length, start, target, tokens: candidate };
      }
    }
    if (tried >= MAX_SHIFT_CANDIDATES) break;
  }
  return { best, tried };
}

/** Edits (shifts included) from a hypothesis to one reference. */
function countEdits(hypothesis: readonly string[], referenceTokens: readonly string[]): number {
  if (referenceTokens.length === 0) return hypothesis.length;
  const idOf = tokenNumbering();
  const reference = Int32Array.from(referenceTokens, idOf);
  const distances = new BeamEditDistance(Int32Array.from(hypothesis, idOf), reference);
  let shifts = 0;
  let tried = 0;
  while (true) {
    const shift = bestShift(distances, reference, tried);
    tried = shift.tried;
    // As sacreBLEU: the shift found when the limit is reached is not taken.
    if (tried >= MAX_SHIFT_CANDIDATES || !shift.best || shift.best.gain <= 0) break;
    shifts++;
    distances.setBase(shift.best.tokens);
  }
  return shifts + distances.baseDistance;
}

/**
 * Sufficient statistics of TER, a row per sentence: [fewest edits over the references, mean reference length].
 * @throws UserError when the streams differ in length
 */
export function terStatistics(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: TerTokenizerOptions = {},
): number[][] {
  const tokens = (line: string) => tokenizeForTer(trimEnd(line), options);
  // sacreBLEU tokenizes references twice, which shows with `normalized`: "mother's." becomes "mother 's ." there.
  const twice = (line: string) => tokens(tokens(line).join(' '));
  const bySentence = referencesBySentence(hypotheses, references);
  return hypotheses.map((line, i) => {
    const hypothesis = tokens(line);
    const referenceTokens = bySentence[i]!.map(twice);
    const lengths = referenceTokens.reduce((sum, reference) => sum + reference.length, 0);
    const edits = referenceTokens.map((reference) => countEdits(hypothesis, reference));
    return [smallest(edits, Number), lengths / referenceTokens.length];
  });
}

/** TER of summed statistics. Edits against empty references count as 100. */
export function terFromStatistics(total: Statistics): TerScore {
  const [edits, length] = [total[0]!, total[1]!];
  return { score: 100 * (length > 0 ? edits / length : edits > 0 ? 1 : 0) };
}

/** TER as a {@link CorpusMetric}. */
export const ter = (options: TerTokenizerOptions = {}): CorpusMetric<TerScore> => ({
  statistics: (hypotheses, references) => terStatistics(hypotheses, references, options),
  score: terFromStatistics,
  signature: (referenceCount) => terSignature(referenceCount, options),
});

/**
 * Corpus translation edit rate (Snover et al., 2006), equal to sacreBLEU's `corpus_ter`. For Chinese give
 * `{ normalized: true, asianSupport: true }`, or a whole sentence is one token.
 * @param references reference streams, each with one line per hypothesis
 * @throws UserError when there is nothing to score or the streams differ in length
 */
export const corpusTer = (
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: TerTokenizerOptions = {},
) => corpusScore(ter(options), hypotheses, references);
