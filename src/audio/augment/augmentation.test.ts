/** Versions of a clip: made again to the bit, each its own; folders that cannot be used are told in one line. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../../errors.ts';
import { sfc32, uniform } from '../../random.ts';
import { wavBytes } from '../wav-write.ts';
import { Augmentation, type AugmentOptions } from './augmentation.ts';

const scratch = mkdtempSync(join(tmpdir(), 'augmentation-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const white = (length: number, seed: number, decay = Number.POSITIVE_INFINITY): Float32Array => {
  const random = sfc32(seed);
  return Float32Array.from({ length }, (_, i) => (uniform(random) - 0.5) * Math.exp(-i / decay));
};
function folder(name: string, files: Record<string, Uint8Array | string>): string {
  const path = join(scratch, name);
  mkdirSync(path, { recursive: true });
  for (const [file, content] of Object.entries(files)) writeFileSync(join(path, file), content);
  return path;
}
const noises = folder('noises', { 'a.wav': wavBytes(white(8000, 1)), 'b.wav': wavBytes(white(3000, 2)) });
const rooms = folder('rooms', { 'hall.wav': wavBytes(white(2000, 3, 300)) });
const options: AugmentOptions = {
  speed: [0.9, 1, 1.1],
  noise: { folder: noises, snr: [5, 20], probability: 0.5 },
  reverberation: { folder: rooms, probability: 0.5 },
  specAugment: { timeMasks: 2, timeWidth: 40, frequencyMasks: 2, frequencyWidth: 27 },
};
const speech = white(4000, 9);

test('a version is reproduced to the bit; other versions, clips and seeds differ', async () => {
  const first = await Augmentation.open(options, 1);
  const again = await Augmentation.open(options, 1);
  const other = await Augmentation.open(options, 2);
  const versions = (of: Augmentation, name: string) =>
    Promise.all(Array.from({ length: 24 }, (_, version) => of.sound(speech, name, version)));
  const made = await versions(first, 'clip.wav');
  expect(await versions(again, 'clip.wav')).toEqual(made);
  expect(await versions(first, 'other.wav')).not.toEqual(made);
  expect(await versions(other, 'clip.wav')).not.toEqual(made);
  expect(again.fingerprint).toBe(first.fingerprint);
  expect(other.fingerprint).not.toBe(first.fingerprint);
  // All speeds come, and some versions are the recording as it is.
  expect(new Set(made.map(({ length }) => length))).toEqual(new Set([4444, 4000, 3636]));
  expect(made).toContain(speech);
  expect(Math.max(...made.map(({ length }) => length))).toBeLessThanOrEqual(speech.length * first.longest);

  const masked = (version: number) => {
    const mel = new Float32Array(80 * 50).fill(1);
    first.mask(mel, 80, 50, 'clip.wav', version);
    return mel;
  };
  expect(masked(1)).toEqual(masked(1));
  expect(masked(1)).not.toEqual(masked(2));
});

test('noise comes with its probability, and one kind more leaves the others as they were', async () => {
  const only = await Augmentation.open({ noise: { folder: noises, snr: [10, 10], probability: 0.25 } }, 1);
  const both = await Augmentation.open({ ...only.options, speed: [1] }, 1);
  let noisy = 0;
  for (let version = 0; version < 400; version++) {
    const sound = await only.sound(speech, 'clip', version);
    if (sound !== speech) noisy++;
    if (version < 20) expect(await both.sound(speech, 'clip', version)).toEqual(sound);
  }
  // Three standard deviations.
  expect(Math.abs(noisy / 400 - 0.25)).toBeLessThan(0.065);
});

test('other recordings under the same names are another augmentation', async () => {
  const with_ = async (path: string) =>
    (await Augmentation.open({ noise: { folder: path, snr: [5, 20], probability: 0.5 } }, 1)).fingerprint;
  const copy = folder('copy', { 'a.wav': wavBytes(white(8000, 1)), 'b.wav': wavBytes(white(3000, 2)) });
  const other = folder('other', { 'a.wav': wavBytes(white(8000, 1)), 'b.wav': wavBytes(white(3000, 4)) });
  expect(await with_(copy)).toBe(await with_(noises));
  expect(await with_(other)).not.toBe(await with_(noises));
});

test.each([
  [
    'a folder that is not there',
    () => join(scratch, 'absent'),
    /absent: found no such folder; expected a folder of/,
  ],
  ['a file', () => join(noises, 'a.wav'), /a\.wav: found a file; expected a folder of recordings of noise/],
  ['an empty folder', () => folder('empty', {}), /empty: found no recordings; expected files such as/],
  ['not audio', () => folder('text', { 'a.wav': 'not a sound' }), /a\.wav: found .*; expected/],
  [
    'silence',
    () => folder('quiet', { 'a.wav': wavBytes(new Float32Array(99)) }),
    /a\.wav: found only silence/,
  ],
])('a folder of noise that cannot be used: %s', async (_, path, message) => {
  const noise = { folder: path(), snr: [5, 20] as const, probability: 0.5 };
  const error = await Augmentation.open({ noise }, 1).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain('\n');
});
