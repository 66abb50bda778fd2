/** Clips as log-mel, and batches of them for a training step through the encoder. */

import { logMel } from '../audio/log-mel.ts';
import { float32, type HostTensor, int64 } from '../backend/runtime.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { largest } from '../extremes.ts';
import { FULL_WINDOW_POSITIONS, SAMPLES_PER_FRAME, type WindowMode, windowFrames } from './encoded-clip.ts';
import type { SilenceTails } from './silence-tail.ts';

export interface MelClip {
  /** Log-mel of the whole window, [mel bins, 2 · window]. */
  readonly mel: Float32Array;
  /** Encoder frames of the window. */
  readonly window: number;
  /** Encoder frames that come from the clip itself, at most `window`. */
  readonly length: number;
}

export const isMelClip = (clip: object): clip is MelClip => 'mel' in clip;

/** @param samples 16 kHz mono */
export function melClip(samples: Float32Array, melBins: number, window: WindowMode): MelClip {
  const frames = windowFrames(samples.length, window);
  return {
    mel: logMel(samples, melBins, 2 * frames),
    window: frames,
    length: Math.min(frames, Math.ceil(samples.length / SAMPLES_PER_FRAME)),
  };
}

export interface MelBatch extends Readonly<Record<string, HostTensor>> {
  /** [clips, mel bins, 2 · frames] */
  readonly mel: HostTensor;
  /** int64 [frames] */
  readonly audioPositions: HostTensor;
  /** [clips, tail frames, width]; no frames where the window reaches the end of 30 s. */
  readonly tail: HostTensor;
  /** [clips, 1, 1, frames + tail frames] */
  readonly frameBias: HostTensor;
}

/** The inputs of `silenceContext` where the encoder sees the window alone. */
export function noSilenceFeeds(
  { encoderLayers, width }: WhisperDimensions,
  clips: number,
  window: number,
): Record<string, HostTensor> {
  const nothing = float32(new Float32Array(0), [clips, 0, width]);
  const layers = Array.from({ length: encoderLayers }, (_, layer) => [`silence.${layer}`, nothing]);
  return {
    ...Object.fromEntries(layers),
    silenceBias: float32(new Float32Array(window), [1, 1, 1, window]),
  };
}

/** The inputs of `silenceContext` for clips in a window of so many frames. */
export function silenceFeeds(tails: SilenceTails, clips: number, window: number): Record<string, HostTensor> {
  const { layers, bias } = tails.inEncoder(window);
  const feeds: Record<string, HostTensor> = {};
  for (const [layer, silence] of layers.entries()) {
    const frames = new Float32Array(clips * silence.length);
    for (let clip = 0; clip < clips; clip++) frames.set(silence, clip * silence.length);
    feeds[`silence.${layer}`] = float32(frames, [clips, bias.length, tails.width]);
  }
  const scores = new Float32Array(window + bias.length);
  scores.set(bias, window);
  feeds.silenceBias = float32(scores, [1, 1, 1, scores.length]);
  return feeds;
}

/**
 * All clips get the longest one's window, as if they had been encoded in it: a fitted window ends in silence, so its
 * last log-mel frame is repeated to the longer window.
 * @param tails with them also the inputs of `silenceContext`
 */
export function melBatch(clips: readonly MelClip[], tails: SilenceTails | undefined): MelBatch {
  const window = largest(clips, (clip) => clip.window);
  const melBins = clips[0]!.mel.length / (2 * clips[0]!.window);
  const mel = new Float32Array(clips.length * melBins * 2 * window);
  clips.forEach((clip, i) => {
    const length = 2 * clip.window;
    for (let bin = 0; bin < melBins; bin++) {
      const row = clip.mel.subarray(bin * length, (bin + 1) * length);
      const start = (i * melBins + bin) * 2 * window;
      mel.set(row, start);
      mel.fill(row.at(-1)!, start + length, start + 2 * window);
    }
  });
  const tail = window < FULL_WINDOW_POSITIONS ? tails?.after(window) : undefined;
  const count = tail?.bias.length ?? 0;
  const width = tails?.width ?? 0;
  const tailFrames = new Float32Array(clips.length * count * width);
  const bias = new Float32Array(clips.length * (window + count));
  clips.forEach((_, i) => {
    if (!tail) return;
    tailFrames.set(tail.frames, i * count * width);
    bias.set(tail.bias, i * (window + count) + window);
  });
  return {
    mel: float32(mel, [clips.length, melBins, 2 * window]),
    audioPositions: int64(Array.from({ length: window }, (_, i) => i)),
    tail: float32(tailFrames, [clips.length, count, width]),
    frameBias: float32(bias, [clips.length, 1, 1, window + count]),
    ...(tails && silenceFeeds(tails, clips.length, window)),
  };
}
