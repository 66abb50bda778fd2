/**
 * Cuts a recording in its pauses into pieces that are decoded together, each in a window of its own length (as WhisperX,
 * Bain et al. 2023, cuts and merges what voice activity detection finds).
 */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { SpeechStretch } from '../audio/voice-activity.ts';
import type { Samples } from './recording.ts';
import { type Piece, type Region, speechSeconds } from './speech-regions.ts';
import { quietestCut, WINDOW_SAMPLES } from './split-long-audio.ts';

/**
 * A pause is chosen within the longest piece, and after the shortest. Longer pieces are no faster, and of two sentences that are
 * nearly the same Whisper drops one now and then: in 13 minutes of French 27 words were missing, with pieces of 11 s 45, with
 * 15 s 60, in windows of 30 s 51 (docs/lab/benchmarks.md).
 */
const SHORTEST = 3 * SAMPLE_RATE;
const LONGEST = 8 * SAMPLE_RATE;
/** A shorter pause may be within a word. */
const SHORTEST_PAUSE = 0.2 * SAMPLE_RATE;
/** What follows a pause is no piece of its own where it is shorter. */
const SHORTEST_REST = SAMPLE_RATE;
/** What is spoken without a pause is one piece up to this length, which is held in memory: 8 MB. */
const LONGEST_SPEECH = 120 * SAMPLE_RATE;

/**
 * The middle of the longest pause between two samples, or of the first; undefined where nobody pauses.
 * @param runs of speech, in order
 */
export function longestPause(
  runs: readonly SpeechStretch[],
  from: number,
  to: number,
  which: 'longest' | 'first' = 'longest',
): number | undefined {
  let cut: number | undefined;
  let longest = SHORTEST_PAUSE;
  for (let i = 0; i + 1 < runs.length; i++) {
    const [begin, end] = [runs[i]!.end, runs[i + 1]!.start];
    const middle = Math.round((begin + end) / 2);
    if (middle < from || end - begin < longest) continue;
    if (middle > to) break;
    // Of equal ones the last: fewer pieces.
    longest = end - begin;
    cut = middle;
    if (which === 'first') break;
  }
  return cut;
}

/**
 * Regions in pieces, cut in their pauses. Where nobody pauses for a window of Whisper's length, a piece is longer: it is decoded in
 * windows that each begin where the last sentence of the one before ended, since the quietest place may be within a word. Shorter
 * windows are cut there all the same.
 */
export async function* spokenPieces(
  samples: Samples,
  regions: readonly Region[],
  {
    stretches,
    runs,
  }: { readonly stretches: readonly SpeechStretch[]; readonly runs: readonly SpeechStretch[] },
  window = WINDOW_SAMPLES,
): AsyncGenerator<Piece, void, undefined> {
  for (const { start, end, speech: spoken } of regions) {
    for (let begin = start; begin < end || begin === start; ) {
      const last = end - SHORTEST_REST;
      let cut = longestPause(runs, begin + SHORTEST, Math.min(begin + LONGEST, last));
      if (cut === undefined && end - begin > LONGEST)
        cut = longestPause(runs, begin + LONGEST, Math.min(begin + window, last));
      if (cut === undefined && end - begin > window) {
        const longest = spoken && window === WINDOW_SAMPLES ? LONGEST_SPEECH : window;
        cut = longestPause(runs, begin + window, Math.min(begin + longest, last), 'first');
        if (cut === undefined && end - begin > longest) {
          const from = begin + longest - window;
          cut = from + quietestCut(await samples.read(from, from + window));
        }
      }
      const to = cut ?? end;
      const speech = spoken ? speechSeconds(stretches, begin, to) : 0;
      yield { samples: await samples.read(begin, to), begin, spoken, speech };
      begin = to;
      if (to === end) break;
    }
  }
}
