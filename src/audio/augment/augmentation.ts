/**
 * Random augmentation of recordings: speed, reverberation, noise, then masks on the log-mel. All randomness comes from
 * the seed, the clip's name and the number of the version, so that a version can be reproduced at any time.
 */
import { smallest } from '../../extremes.ts';
import { fingerprint, seedOf } from '../../files/fingerprint.ts';
import { below, sfc32, uniform } from '../../random.ts';
import { FULL_WINDOW_FRAMES, HOP } from '../log-mel.ts';
import { addNoise } from './noise.ts';
import { reverberate } from './reverberation.ts';
import { SoundFolder } from './sound-folder.ts';
import { type SpecAugmentOptions, specAugment } from './spec-augment.ts';
import { changedLength, changeSpeed } from './speed.ts';

export interface AugmentOptions {
  /** Speed factors, equally likely. */
  readonly speed?: readonly number[] | undefined;
  readonly noise?:
    | {
        readonly folder: string;
        /** Lowest and highest signal-to-noise ratio, dB; uniform between. */
        readonly snr: readonly [number, number];
        /** Probability that a version has noise. */
        readonly probability: number;
      }
    | undefined;
  /** Impulse responses of rooms. */
  readonly reverberation?: { readonly folder: string; readonly probability: number } | undefined;
  readonly specAugment?: SpecAugmentOptions | undefined;
}

export class Augmentation {
  private constructor(
    readonly options: AugmentOptions,
    readonly seed: number,
    readonly noises: SoundFolder | undefined,
    readonly rooms: SoundFolder | undefined,
  ) {}

  /** @throws UserError where a folder cannot be used */
  static async open(options: AugmentOptions, seed: number): Promise<Augmentation> {
    const { noise, reverberation } = options;
    return new Augmentation(
      options,
      seed,
      noise && (await SoundFolder.open(noise.folder, 'noise')),
      reverberation && (await SoundFolder.open(reverberation.folder, 'impulse responses')),
    );
  }

  /** Hash of everything but clip and version number; independent of paths. */
  get fingerprint(): string {
    const { speed, noise, reverberation, specAugment } = this.options;
    const settings = {
      seed: this.seed,
      speed,
      ...(noise && { noise: [this.noises!.fingerprint, noise.snr, noise.probability] }),
      ...(reverberation && { reverberation: [this.rooms!.fingerprint, reverberation.probability] }),
      specAugment,
    };
    return fingerprint(JSON.stringify(settings), 16);
  }

  /** Largest factor of the length of a recording. */
  get longest(): number {
    return 1 / smallest(this.options.speed ?? [1], Number);
  }

  /** Length of a version of a recording of so many samples. */
  lengthOf(samples: number, name: string, version: number): number {
    return changedLength(samples, this.#speedOf(samples, name, version));
  }

  /** A recording that would become longer than the window keeps its speed. */
  #speedOf(samples: number, name: string, version: number): number {
    const { speed } = this.options;
    if (!speed) return 1;
    const factor = speed[below(speed.length, this.#chance('speed', name, version))]!;
    return samples / factor <= FULL_WINDOW_FRAMES * HOP ? factor : 1;
  }

  /**
   * @param samples 16 kHz mono
   * @param name the clip's
   * @param version its number
   */
  async sound(samples: Float32Array, name: string, version: number): Promise<Float32Array> {
    const { speed, noise, reverberation } = this.options;
    let sound = samples;
    if (speed) sound = changeSpeed(sound, this.#speedOf(sound.length, name, version));
    if (reverberation) {
      const random = this.#chance('reverberation', name, version);
      if (uniform(random) < reverberation.probability) {
        sound = reverberate(sound, await this.rooms!.read(below(this.rooms!.files.length, random)));
      }
    }
    if (noise) {
      const random = this.#chance('noise', name, version);
      if (uniform(random) < noise.probability) {
        const recording = await this.noises!.read(below(this.noises!.files.length, random));
        const [low, high] = noise.snr;
        const snr = low + (high - low) * uniform(random);
        sound = addNoise(sound, recording, snr, Math.floor(uniform(random) * recording.length));
      }
    }
    return sound;
  }

  /**
   * In place.
   * @param mel [mel bins, frames]
   * @param sounding frames that come from the clip
   */
  mask(mel: Float32Array, melBins: number, sounding: number, name: string, version: number): void {
    const { specAugment: options } = this.options;
    if (options) specAugment(mel, melBins, sounding, options, this.#chance('mask', name, version));
  }

  /** Random numbers of one kind of augmentation: a further kind leaves those of the others unchanged. */
  #chance(kind: string, name: string, version: number): () => number {
    return sfc32(seedOf(JSON.stringify([this.seed, kind, name, version])));
  }
}
