/** Assigns timed words to segments: merges punctuation into words, and shortens words stretched by a pause. */
import type { AlignedWord } from './alignment.ts';
import type { Word } from './transcript.ts';

const BEFORE_A_WORD = '"\'“¿([{-';
const AFTER_A_WORD = '"\'.。,，!！?？:：”)]}、';
const SENTENCE_END = new Set('.。!！?？');

type Mutable = { -readonly [key in keyof AlignedWord]: AlignedWord[key] };

/** A segment before and after its words are known; times in seconds from the window's beginning. */
export interface TimedSegment {
  readonly start: number;
  readonly end: number;
  /** Number of text tokens, without timestamps. */
  readonly textTokens: number;
}

export interface SegmentWords {
  readonly start: number;
  readonly end: number;
  readonly words: readonly Word[];
}

/**
 * Gives each segment its words, as OpenAI's `add_word_timestamps` does.
 * @param aligned the words of all segments of the window together
 * Words do not overlap, and lie in their segment and in the window, which is not so in that program.
 * @param lastSpeech when the last word before this window ended, in seconds from the window's beginning (below 0)
 * @param duration of the window, seconds
 */
export function wordsOfSegments(
  segments: readonly TimedSegment[],
  aligned: readonly AlignedWord[],
  lastSpeech: number,
  duration: number,
): SegmentWords[] {
  const words: Mutable[] = aligned.map((word) => ({ ...word }));
  const median = Math.min(0.7, medianOf(words.map(({ start, end }) => end - start).filter((d) => d > 0)));
  const longest = 2 * median;
  if (median > 0) shortenAtSentenceEnds(words, longest);
  mergePunctuation(words);
  let next = 0;
  let spoken = lastSpeech;
  let latest = 0;
  return segments.map((segment) => {
    const own: Mutable[] = [];
    for (let tokens = 0; next < words.length && tokens < segment.textTokens; next++) {
      const word = words[next]!;
      tokens += word.tokens.length;
      if (word.text !== '') own.push(word);
    }
    let { start, end } = segment;
    const [first, second] = own;
    if (first) {
      // After a pause the first words are not longer than twice the median.
      const stretched =
        first.end - first.start > longest || (second && second.end - first.start > 2 * longest);
      if (first.end - spoken > 4 * median && stretched) {
        if (second && second.end - second.start > longest) {
          second.start = Math.max(second.end / 2, second.end - longest);
          first.end = second.start;
        }
        first.start = Math.max(0, first.end - longest);
      }
      // The segment's own times are preferred where a word at its edge is too long.
      if (start < first.end && start - 0.5 > first.start) {
        first.start = Math.max(0, Math.min(first.end - median, start));
      } else start = first.start;
      const last = own.at(-1)!;
      if (end > last.start && end + 0.5 < last.end) last.end = Math.max(last.start + median, end);
      else end = last.end;
      spoken = end;
      // The rules above may move a word over its neighbour, or out of the window.
      for (const word of own) {
        word.start = Math.min(duration, Math.max(latest, word.start));
        word.end = Math.min(duration, Math.max(word.start, word.end));
        latest = word.end;
      }
      start = first.start;
    }
    // A segment may be without a word of its own: its marks belong to the word before.
    start = Math.min(duration, own.length > 0 ? start : Math.max(start, latest));
    end = Math.max(Math.min(duration, end), start, latest);
    latest = end;
    return {
      start,
      end,
      words: own.map(({ text, start, end, probability }) => ({ text, start, end, probability })),
    };
  });
}

function medianOf(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function shortenAtSentenceEnds(words: Mutable[], longest: number): void {
  for (let i = 1; i < words.length; i++) {
    const word = words[i]!;
    if (word.end - word.start <= longest) continue;
    if (SENTENCE_END.has(word.text)) word.end = word.start + longest;
    else if (SENTENCE_END.has(words[i - 1]!.text)) word.start = word.end - longest;
  }
}

/** Merges punctuation into the adjacent word, and empties its own. */
function mergePunctuation(words: Mutable[]): void {
  const joins = (text: string, marks: string): boolean => text !== '' && marks.includes(text);
  for (let following = words.length - 1, i = following - 1; i >= 0; i--) {
    const mark = words[i]!;
    const word = words[following]!;
    if (mark.text.startsWith(' ') && joins(mark.text.trim(), BEFORE_A_WORD)) {
      word.text = mark.text + word.text;
      word.tokens = [...mark.tokens, ...word.tokens];
      Object.assign(mark, { text: '', tokens: [] });
    } else following = i;
  }
  for (let previous = 0, i = 1; i < words.length; i++) {
    const word = words[previous]!;
    const mark = words[i]!;
    if (!word.text.endsWith(' ') && joins(mark.text, AFTER_A_WORD)) {
      word.text += mark.text;
      word.tokens = [...word.tokens, ...mark.tokens];
      Object.assign(mark, { text: '', tokens: [] });
    } else previous = i;
  }
}
