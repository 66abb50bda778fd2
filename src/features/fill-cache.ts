/** Fills the cache with the encoder outputs of clips. */
import { type ClipFiles, clipFiles, type Recording } from '../data/recording.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import { type WindowMode, windowFrames } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type CacheOptions, EncoderOutputs } from './encoder-outputs.ts';
import { recordingLengths } from './recording-lengths.ts';

export interface FilledCache {
  /** Clips whose outputs are in the cache, and those that could not be read. */
  readonly clips: number;
  readonly failed: number;
  /** Of all windows together. */
  readonly frames: number;
}

type FillOptions = { readonly window: WindowMode } & CacheOptions & WorkOptions;

/** Clips that can be read, by their headers, and the cache that is to have their outputs. */
interface Fillable {
  readonly outputs: EncoderOutputs;
  readonly readable: readonly { readonly recording: Recording }[];
}

/**
 * Reads lengths, and tells what the outputs that the cache lacks will take.
 * @throws UserError where the disk has no room
 */
export async function fillable(
  model: WhisperModel,
  clips: readonly ClipFiles[],
  { window, onProgress, onSkip, onNote, signal, ...options }: FillOptions,
): Promise<Fillable> {
  const outputs = await EncoderOutputs.open(model, { window, maxBytes: 0, onNote, ...options });
  const lengths = await recordingLengths(outputs.memo, clips, {
    onProgress: stageProgress({ onProgress }, 'reading lengths', clips.length),
    onSkip,
    signal,
  });
  const readable = clips.flatMap((clip, i) => {
    const samples = lengths[i];
    if (samples === undefined) return [];
    return [{ recording: { files: clipFiles(clip) }, encoded: { window: windowFrames(samples, window) } }];
  });
  const room = await outputs.checkRoom(readable);
  if (room !== undefined) onNote?.(room);
  return { outputs, readable };
}

/** @throws UserError where the disk has no room */
export async function fillCache(
  model: WhisperModel,
  clips: readonly ClipFiles[],
  options: FillOptions,
): Promise<FilledCache> {
  const { onProgress, onSkip, signal } = options;
  const { outputs, readable } = await fillable(model, clips, options);
  let filled = 0;
  let frames = 0;
  const recordings = readable.map(({ recording }) => recording);
  await outputs.fill(recordings, {
    signal,
    onProgress: stageProgress({ onProgress }, 'encoding', recordings.length),
    onError: (_, error) => onSkip?.(error.message),
    onShape: (shape) => {
      filled++;
      frames += shape.window;
    },
  });
  return { clips: filled, failed: clips.length - filled, frames };
}
