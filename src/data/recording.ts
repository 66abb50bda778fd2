/** Speech of one clip: a file, or several with a short silence between, optionally augmented at random. */

import { readAudio } from '../audio/audio-file.ts';
import type { Augmentation } from '../audio/augment/augmentation.ts';
import { joinSamples } from '../audio/join-samples.ts';
import { HOP } from '../audio/log-mel.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { UserError } from '../errors.ts';
import { formatNumber } from '../report/format.ts';
import type { Clip } from './clip.ts';

/** Silence between joined recordings: shorter than a pause for breath. */
export const GAP_SECONDS = 0.2;
/** Length of Whisper's window. */
export const MAX_SECONDS = 30;

export interface Recording {
  readonly files: readonly string[];
  readonly version?: RecordingVersion | undefined;
  /** The language spoken, where a model's experts of it are to encode the recording. Default: the shared networks do. */
  readonly language?: string | undefined;
}

export interface RecordingVersion {
  readonly augmentation: Augmentation;
  /** The clip's. */
  readonly name: string;
  readonly number: number;
}

/** A recording that cannot be read: long work leaves it out. */
export class UnreadableRecording extends UserError {}

/** Called with a file that is cut off or damaged, and what is missing of it. */
export type OnDamage = (file: string, damage: string) => void;

/** Recordings that are reported by name. */
const NAMED = 3;

/** Reports recordings that are cut off or damaged: the first ones by name, then their number. */
export interface DamageReport {
  /** Reports a file once. */
  readonly add: OnDamage;
  /** Reports the number, where more were added than are named. */
  readonly end: () => void;
}

export function damageReport(onNote: ((note: string) => void) | undefined): DamageReport {
  const files = new Set<string>();
  let counted = NAMED;
  const count = (soFar: string) => {
    counted = files.size;
    onNote?.(`${formatNumber(counted)} recordings are cut off or damaged${soFar}`);
  };
  return {
    add(file, damage) {
      if (files.has(file)) return;
      files.add(file);
      if (files.size <= NAMED) onNote?.(`${file}: ${damage}`);
      else if (/^10+$/.test(String(files.size))) count(` so far, such as ${file}: ${damage}`);
    },
    end() {
      if (files.size > counted) count('');
    },
  };
}

/** What is needed of a clip to read its recording. */
export type ClipFiles = Pick<Clip, 'audio' | 'following' | 'duration'>;

/** None for text alone. */
export const clipFiles = ({ audio, following = [] }: Pick<Clip, 'audio' | 'following'>): string[] =>
  audio === '' ? [] : [audio, ...following];

/**
 * 16 kHz mono.
 * @param onDamage called with a file that is cut off or damaged; see ReadEvents
 * @throws UnreadableRecording where a file cannot be read, or several together exceed Whisper's window
 */
export async function readRecording(
  { files, version }: Recording,
  onDamage?: OnDamage,
): Promise<Float32Array> {
  const samples = await readFiles(files, onDamage).catch((error: unknown) => {
    throw error instanceof UserError ? new UnreadableRecording(error.message) : error;
  });
  return version ? version.augmentation.sound(samples, version.name, version.number) : samples;
}

async function readFiles(files: readonly string[], onDamage?: OnDamage): Promise<Float32Array> {
  const gap = new Float32Array(GAP_SECONDS * SAMPLE_RATE);
  const parts: Float32Array[] = [];
  for (const file of files) {
    if (parts.length > 0) parts.push(gap);
    parts.push(await readAudio(file, { onDamage: (damage) => onDamage?.(file, damage) }));
  }
  const samples = parts.length === 1 ? parts[0]! : joinSamples(parts);
  if (files.length > 1 && samples.length > MAX_SECONDS * SAMPLE_RATE) {
    throw new UserError(
      `${files[0]} and the ${files.length - 1} after it: found ${(samples.length / SAMPLE_RATE).toFixed(1)} s of ` +
        `sound together; expected at most ${MAX_SECONDS} s, as their "duration_s" says`,
    );
  }
  return samples;
}

/**
 * Applies the SpecAugment masks of the recording's version, in place.
 * @param samples from `readRecording`
 * @param mel log-mel of a window of them, [mel bins, frames]
 */
export function maskMel(
  { version }: Recording,
  samples: Float32Array,
  mel: Float32Array,
  melBins: number,
): void {
  if (!version) return;
  const sounding = Math.min(mel.length / melBins, Math.ceil(samples.length / HOP));
  version.augmentation.mask(mel, melBins, sounding, version.name, version.number);
}
