/** Degraded recordings: noise at several ratios, reverberation of several lengths. */
import { basename } from 'node:path';
import { addNoise } from '../../audio/augment/noise.ts';
import { reverberate } from '../../audio/augment/reverberation.ts';
import type { SoundFolder } from '../../audio/augment/sound-folder.ts';
import { seedOf } from '../../files/fingerprint.ts';
import { sfc32 } from '../../random.ts';
import { exponentialImpulse, whiteNoise } from './synthetic-sounds.ts';

/** A kind of degradation at one strength. */
export interface Condition {
  readonly kind: 'noise' | 'reverberation';
  /** Signal-to-noise ratio in dB, or RT60 in seconds; for a folder of impulse responses, undefined. */
  readonly strength: number | undefined;
}

/**
 * Degrades a clip. Random draws depend on the file's name and the seed alone: a clip gets the same noise in every run and
 * at every strength.
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
