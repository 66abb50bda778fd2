/**
 * AlignAtt (Papi et al. 2023, arXiv 2305.11408; for Whisper Macháček and Polák 2025, arXiv 2506.17077): a token is written
 * where the frame that it attends to most is not among the last ones heard, since more sound could change it.
 */
import { attendedFrames } from '../decoding/alignment.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { steadyWords } from './growing-text.ts';

export interface AlignAttSettings {
  /** Encoder frames (50 a second) at the end of what was heard: a token that attends there is not written yet. */
  readonly frames: number;
  /** A token that attends so many frames before the one before it has lost the thread: neither it nor what follows is written. */
  readonly rewind: number;
}

/**
 * Number of tokens of a hypothesis that are written now: whole words, characters in scripts without spaces.
 * @param prompt of the text
 * @param given the tokens between the prompt and the hypothesis
 */
export async function attendedTokens(
  model: WhisperModel,
  clip: EncodedClip,
  next: readonly number[],
  { prompt, given }: { readonly prompt: readonly number[]; readonly given: readonly number[] },
  { frames, rewind }: AlignAttSettings,
): Promise<number> {
  const words = steadyWords(next, model.tokens);
  if (words.length === 0) return 0;
  const { rows } = await attendedFrames(model, clip, next, { prompt, given });
  const limit = clip.length - frames;
  let written = 0;
  let before = 0;
  for (const { tokens } of words) {
    for (let i = 0; i < tokens.length; i++) {
      const frame = mostAttended(rows[written + i]!);
      if (frame >= limit || frame < before - rewind) return written;
      before = frame;
    }
    written += tokens.length;
  }
  return written;
}

/** The index of the largest value. */
export function mostAttended(row: Float32Array): number {
  let best = 0;
  for (let frame = 1; frame < row.length; frame++) if (row[frame]! > row[best]!) best = frame;
  return best;
}
