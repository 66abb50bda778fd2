/** Recordings made worse: noise at falling ratios, rooms that ring longer. */
import { basename } from 'node:path';
import { addNoise } from '../../audio/augment/noise.ts';
import { reverberate } from '../../audio/augment/reverberation.ts';
import type { SoundFolder } from '../../audio/augment/sound-folder.ts';
import { seedOf } from '../../files/fingerprint.ts';
import { sfc32 } from '../../random.ts';
import { exponentialImpulse, whiteNoise } from './synthetic-sounds.ts';

/** A kind of damage at one strength. */
export interface Condition {
  readonly kind: 'noise' | 'reverberation';
  /** Signal-to-noise ratio in dB, or RT60 in seconds; for a folder of impulse responses, undefined. */
  readonly strength: number | undefined;
}

/**
 * The clip as this condition has it. What is drawn depends on the file's name and the seed alone: a clip is damaged alike
 * whatever else is asked, and at every strength by the same noise.
 * @param folder of noises or impulse responses; undefined: white noise, exponential decay
 */
export async function degraded(
  samples: Float32Array,
  file: string,
  { kind, strength }: Condition,
  { seed, folder }: { seed: number; folder: SoundFolder | undefined },
): Promise<Float32Array> {
  const own = seedOf(`${basename(file)}\n${seed}`);
  const random = sfc32(own);
  const drawn = folder && (await folder.read(random() % folder.files.length));
  if (kind === 'reverberation') return reverberate(samples, drawn ?? exponentialImpulse(strength!, own));
  const offset = drawn ? random() % drawn.length : 0;
  return addNoise(samples, drawn ?? whiteNoise(Math.max(1, samples.length), own), strength!, offset);
}
