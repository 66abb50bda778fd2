/** Encoder outputs of a clip, and its window. */

import { FULL_WINDOW_FRAMES } from '../audio/log-mel.ts';
import { float16ToFloat32 } from '../half-precision.ts';

/** Samples of one encoder frame: 16 kHz audio, 50 Hz frames. */
export const SAMPLES_PER_FRAME = 320;
export const FULL_WINDOW_POSITIONS = FULL_WINDOW_FRAMES / 2;
/**
 * Padding after the clip in a fitted window: one second. Shortest window: three. With half a second 3 of 107
 * English sentences looped, with a second one; single words in a window of a second were misread twice as often as in
 * one of three (docs/lab/benchmarks.md).
 */
const FIT_MARGIN_FRAMES = 50;
const SHORTEST_FIT_FRAMES = 160;
/** Fitted windows are multiples of this, so that clips of similar length share an encoder run. */
const FIT_STEP = 16;

/** `full`: 30 s, as Whisper was trained. `fit`: the clip and a second, followed by the short silence tail. */
export type WindowMode = 'fit' | 'full';

export interface EncodedClip {
  /** Encoder output of the whole window, [window, width]; as float16 bits where many clips are kept. */
  readonly frames: Float32Array | Uint16Array;
  /** Frames of the window. */
  readonly window: number;
  /** Frames that come from the clip itself, ceil(samples / 320), at most `window`. */
  readonly length: number;
  readonly width: number;
}

/** What the decoder gets where it goes on from a text: no speech. In a batch the silence tail follows. */
export function withoutSpeech(width: number): EncodedClip {
  return { frames: new Float32Array(0), window: 0, length: 0, width };
}

/** The clip's frames as float32, [window, width]. */
export function frameValues({ frames }: EncodedClip): Float32Array {
  return frames instanceof Uint16Array ? float16ToFloat32(frames) : frames;
}

export function windowFrames(samples: number, window: WindowMode): number {
  if (window === 'full') return FULL_WINDOW_POSITIONS;
  const needed = Math.ceil(samples / SAMPLES_PER_FRAME) + FIT_MARGIN_FRAMES;
  const fit = Math.max(SHORTEST_FIT_FRAMES, Math.ceil(needed / FIT_STEP) * FIT_STEP);
  return Math.min(FULL_WINDOW_POSITIONS, fit);
}
