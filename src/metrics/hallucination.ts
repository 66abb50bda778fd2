import { compressionRatio, MAX_COMPRESSION_RATIO } from '../files/deflate.ts';
import type { CorpusMetric } from './corpus.ts';
import { splitMixedTokens } from './word-error-rate.ts';

export interface HallucinationMarkers {
  /** Tokens of the text per token of the reference (a text against an empty reference: its token count). */
  lengthRatio: number;
  /** Number of consecutive repetitions of the most repeated n-gram (1 to 8 tokens); 1 without any, 0 when empty. */
  longestLoop: number;
  /** UTF-8 bytes per zlib byte: Whisper itself rejects a segment above 2.4. */
  compressionRatio: number;
  /** Length ratio above 2, a loop of 4 or more, or compression above 2.4. */
  suspicious: boolean;
}

const MAX_LOOP_ORDER = 8;
const MAX_LENGTH_RATIO = 2;
const MIN_LOOP = 4;

function longestLoop(tokens: readonly string[]): number {
  if (tokens.length === 0) return 0;
  let longest = 1;
  for (let order = 1; order <= MAX_LOOP_ORDER; order++) {
    // A loop of period `order` is a run in which every token equals the one `order` places before.
    let run = 0;
    for (let i = order; i < tokens.length; i++) {
      run = tokens[i] === tokens[i - order] ? run + 1 : 0;
      longest = Math.max(longest, Math.floor(run / order) + 1);
    }
  }
  return longest;
}

/**
 * Signs that a decoder ran away: text much longer than its reference, loops, text that compresses too well. They
 * point at outputs worth reading and prove nothing: "ha ha ha ha" is a loop too. Tokens are Chinese characters and
 * words of other scripts.
 */
export function hallucinationMarkers(text: string, reference: string): HallucinationMarkers {
  const tokens = splitMixedTokens(text);
  const lengthRatio = tokens.length / Math.max(1, splitMixedTokens(reference).length);
  const loop = longestLoop(tokens);
  const ratio = compressionRatio(text.trim());
  const suspicious = lengthRatio > MAX_LENGTH_RATIO || loop >= MIN_LOOP || ratio > MAX_COMPRESSION_RATIO;
  return { lengthRatio, longestLoop: loop, compressionRatio: ratio, suspicious };
}

export interface HallucinationScore {
  /** Share of suspicious outputs, 0 to 100. */
  score: number;
  /** Tokens of all outputs per token of all references. */
  lengthRatio: number;
  /** Outputs marked for each sign; one output may bear several. */
  tooLong: number;
  looping: number;
  compressible: number;
}

/** The markers over a corpus as a {@link CorpusMetric}, against the first reference. */
export const hallucination: CorpusMetric<HallucinationScore> = {
  statistics: (hypotheses, [references = []]) =>
    hypotheses.map((text, i) => {
      const reference = references[i]!;
      const markers = hallucinationMarkers(text, reference);
      return [
        1,
        Number(markers.suspicious),
        Number(markers.lengthRatio > MAX_LENGTH_RATIO),
        Number(markers.longestLoop >= MIN_LOOP),
        Number(markers.compressionRatio > MAX_COMPRESSION_RATIO),
        splitMixedTokens(text).length,
        splitMixedTokens(reference).length,
      ];
    }),
  score: (total) => {
    const [all = 0, suspicious = 0, tooLong = 0, looping = 0, compressible = 0, ours = 0, theirs = 0] = total;
    return {
      score: (100 * suspicious) / Math.max(1, all),
      lengthRatio: ours / Math.max(1, theirs),
      tooLong,
      looping,
      compressible,
    };
  },
  signature: () =>
    `share of outputs over ${MAX_LENGTH_RATIO}x as long, ${MIN_LOOP}x the same n-gram, or zlib above ${MAX_COMPRESSION_RATIO}`,
};
