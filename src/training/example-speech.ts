/** Speech of training examples, read or encoded when a batch needs it: encoder outputs or log-mels, optionally augmented. */
import { basename } from 'node:path';
import type { Augmentation } from '../audio/augment/augmentation.ts';
import type { Clip } from '../data/clip.ts';
import { clipFiles, damageReport, maskMel, type Recording, readRecording } from '../data/recording.ts';
import { type EncoderOutputs, HELD_WITHOUT } from '../features/encoder-outputs.ts';
import {
  type EncodedClip,
  SAMPLES_PER_FRAME,
  type WindowMode,
  windowFrames,
} from '../whisper/encoded-clip.ts';
import type { Lazy, ReadyClip } from '../whisper/lazy.ts';
import { type MelClip, melClip } from '../whisper/mel-batch.ts';

/** A clip whose length is known: it decides in which batch the clip comes. */
export interface MeasuredClip<C extends Clip = Clip> {
  readonly clip: C;
  /** At 16 kHz. */
  readonly samples: number;
}

export interface ClipSpeech<C extends Clip = Clip> {
  readonly clip: C;
  readonly encoded: Lazy<ReadyClip>;
  /** What is heard at a visit. */
  readonly recordingAt: (visit: number) => Recording;
}

/** Speech that is encoded once. */
export interface EncodedSpeech<C extends Clip = Clip> extends ClipSpeech<C> {
  readonly recording: Recording;
  readonly encoded: Lazy<EncodedClip>;
}

/** A version of a clip, named after the file without its folder, so that a corpus can be moved. */
function recordingOf(clip: Clip, augmentation: Augmentation | undefined, number: number): Recording {
  const name = basename(clip.audio);
  return { files: clipFiles(clip), version: augmentation && { augmentation, name, number } };
}

/**
 * Encoder outputs. With augmentation each clip has several versions, each encoded once.
 * @param copies number of versions
 */
export function encodedSpeech<C extends Clip>(
  outputs: EncoderOutputs,
  clips: readonly MeasuredClip<C>[],
  { copies = 1, augmentation }: { copies?: number; augmentation?: Augmentation | undefined } = {},
): EncodedSpeech<C>[] {
  return clips.flatMap(({ clip, samples }) =>
    Array.from({ length: copies }, (_, number) => {
      const recording = recordingOf(clip, augmentation, number);
      const length = augmentation ? augmentation.lengthOf(samples, basename(clip.audio), number) : samples;
      return { clip, recording, encoded: outputs.lazy(recording, length), recordingAt: () => recording };
    }),
  );
}

export interface MelSpeechOptions {
  readonly window: WindowMode;
  readonly augmentation?: Augmentation | undefined;
  /** Log-mels held in memory, bytes; the rest is computed again when a batch needs it. Default: 1 GB. */
  readonly maxBytes?: number | undefined;
  /** Called with a line for recordings that are cut off or damaged. */
  readonly onNote?: ((note: string) => void) | undefined;
}

/** Log-mels; with augmentation a new version at each visit. */
export function melSpeech<C extends Clip>(
  melBins: number,
  clips: readonly MeasuredClip<C>[],
  { window, augmentation, maxBytes = HELD_WITHOUT, onNote }: MelSpeechOptions,
): ClipSpeech<C>[] {
  let bytes = 0;
  const onDamage = damageReport(onNote).add;
  return clips.map(({ clip, samples }) => {
    const frames = windowFrames(Math.ceil(samples * (augmentation?.longest ?? 1)), window);
    let held: MelClip | undefined;
    const recordingAt = (visit: number) => recordingOf(clip, augmentation, visit);
    const read = async (visit = 0): Promise<MelClip> => {
      if (held) return held;
      const recording = recordingAt(visit);
      const sound = await readRecording(recording, onDamage);
      const version = melClip(sound, melBins, window);
      maskMel(recording, sound, version.mel, melBins);
      if (!augmentation && bytes < maxBytes) {
        held = version;
        bytes += version.mel.byteLength;
      }
      return version;
    };
    return {
      clip,
      recordingAt,
      encoded: { window: frames, length: Math.min(frames, Math.ceil(samples / SAMPLES_PER_FRAME)), read },
    };
  });
}
