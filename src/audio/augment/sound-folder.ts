/** A folder of recordings for augmentation: noises, or impulse responses. */
import { stat } from 'node:fs/promises';
import { UserError } from '../../errors.ts';
import { Fingerprint } from '../../files/fingerprint.ts';
import { readAudio } from '../audio-file.ts';
import { recordingsIn } from '../recordings-in.ts';
import { power } from './noise.ts';

/** Limit of decoded sounds kept in memory; others are read again when they are drawn. */
const KEPT_BYTES = 256e6;

export class SoundFolder {
  readonly #kept = new Map<string, Float32Array>();

  private constructor(
    readonly files: readonly string[],
    /** Of all samples, in the files' order. */
    readonly fingerprint: string,
  ) {}

  /**
   * Reads every recording once, so that unusable ones are found before long work begins.
   * @param purpose for messages: "noise"
   * @throws UserError naming folder or file
   */
  static async open(path: string, purpose: string): Promise<SoundFolder> {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isDirectory()) {
      const what = found ? 'a file' : 'no such folder';
      throw new UserError(`${path}: found ${what}; expected a folder of recordings of ${purpose}`);
    }
    const { recordings: files } = await recordingsIn(path);
    const hash = new Fingerprint();
    const kept = new Map<string, Float32Array>();
    let bytes = 0;
    for (const file of files) {
      const samples = await readAudio(file);
      if (power(samples) === 0) throw new UserError(`${file}: found only silence; expected ${purpose}`);
      hash.add(samples);
      bytes += samples.byteLength;
      if (bytes <= KEPT_BYTES) kept.set(file, samples);
    }
    const folder = new SoundFolder(files, hash.hex(16));
    for (const [file, samples] of kept) folder.#kept.set(file, samples);
    return folder;
  }

  /** 16 kHz mono */
  async read(index: number): Promise<Float32Array> {
    const file = this.files[index]!;
    return this.#kept.get(file) ?? readAudio(file);
  }
}
