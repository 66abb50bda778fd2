/** Speech of training examples: encoder outputs computed once, or log-mels, optionally augmented. */
import { basename } from 'node:path';
import type { Augmentation } from '../audio/augment/augmentation.ts';
import type { Clip } from '../data/clip.ts';
import { clipFiles, maskMel, type Recording, readRecording } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { encodeRecordings } from '../features/encoder-cache.ts';
import { SAMPLES_PER_FRAME, type WindowMode, windowFrames } from '../whisper/encoded-clip.ts';
import type { Lazy, ReadyClip } from '../whisper/lazy.ts';
import { type MelClip, melClip } from '../whisper/mel-batch.ts';
import type { WhisperModel } from '../whisper/model.ts';

export interface SpeechOptions {
  readonly window: WindowMode;
  readonly augmentation?: Augmentation | undefined;
  /** Limit of speech held in memory; the rest is read again when a batch needs it. */
  readonly maxBytes: number;
  readonly onProgress: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
  /** Reports a clip that cannot be read, in one line. */
  readonly onSkipped: (message: string) => void;
}

export interface ClipSpeech<C extends Clip = Clip> {
  readonly clip: C;
  readonly encoded: ReadyClip | Lazy<ReadyClip>;
}

/** A version of a clip, named after the file without its folder, so that a corpus can be moved. */
function recordingOf(clip: Clip, augmentation: Augmentation | undefined, number: number): Recording {
  const name = basename(clip.audio);
  return { files: clipFiles(clip), version: augmentation && { augmentation, name, number } };
}

/**
 * Encoder outputs, cached or computed now. With augmentation each clip has several versions.
 * @param copies number of versions
 */
export async function encodedSpeech<C extends Clip>(
  model: WhisperModel,
  clips: readonly C[],
  copies: number,
  {
    window,
    cache,
    augmentation,
    maxBytes,
    onProgress,
    signal,
    onSkipped,
  }: SpeechOptions & { readonly cache: string },
): Promise<ClipSpeech<C>[]> {
  const versions = clips.flatMap((clip) => Array.from({ length: copies }, (_, number) => ({ clip, number })));
  const recordings = versions.map(({ clip, number }) => recordingOf(clip, augmentation, number));
  const failed = new Set<string>();
  const encoded = await encodeRecordings(model, recordings, {
    window,
    cache,
    maxBytes,
    onProgress,
    signal,
    onError: (file, error) => {
      if (!failed.has(file)) onSkipped(error.message);
      failed.add(file);
    },
  });
  return versions.flatMap(({ clip }, i) => (encoded[i] ? [{ clip, encoded: encoded[i] }] : []));
}

/** Log-mels; with augmentation a new version at each visit. */
export async function melSpeech<C extends Clip>(
  model: WhisperModel,
  clips: readonly C[],
  { window, augmentation, maxBytes, onProgress, signal, onSkipped }: SpeechOptions,
): Promise<ClipSpeech<C>[]> {
  const { melBins } = model.dimensions;
  const speech: ClipSpeech<C>[] = [];
  let held = 0;
  for (const [i, clip] of clips.entries()) {
    signal?.throwIfAborted();
    try {
      const samples = await readRecording({ files: clipFiles(clip) });
      const read = async (visit = 0): Promise<MelClip> => {
        const recording = recordingOf(clip, augmentation, visit);
        const augmented = await readRecording(recording);
        const version = melClip(augmented, melBins, window);
        maskMel(recording, augmented, version.mel, melBins);
        return version;
      };
      if (augmentation || held >= maxBytes) {
        const frames = windowFrames(Math.ceil(samples.length * (augmentation?.longest ?? 1)), window);
        const length = Math.min(frames, Math.ceil(samples.length / SAMPLES_PER_FRAME));
        speech.push({ clip, encoded: { window: frames, length, read } });
      } else {
        const encoded = melClip(samples, melBins, window);
        held += encoded.mel.byteLength;
        speech.push({ clip, encoded });
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      onSkipped(error.message);
    }
    onProgress(i + 1);
  }
  return speech;
}
