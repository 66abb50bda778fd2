// Damaged files in containers: samples or one line, soon, in little memory.
//   npm run fuzz:containers: 10,000 of each kind, FUZZ_KIND only one of them ("CAF"); FUZZ_SEED repeats one
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test, vi } from 'vitest';
import { UserError } from '../../errors.ts';
import { decodeAudio } from '../decode-audio.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/containers/', import.meta.url));
const FILES = Number(process.env.FUZZ_FILES ?? 100);
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 1);
const MAX_MS = 2000;
const MAX_BYTES = 200 * 2 ** 20;

const KINDS: Readonly<Record<string, readonly string[]>> = {
  MP4: [
    'aac-moov-last.m4a',
    'aac-moov-first.mp4',
    'alac.m4a',
    'opus.mp4',
    'mp3.mp4',
    'flac.mp4',
    'pcm.mov',
    'video.mp4',
    'aac.3gp',
    'he-aac.m4a',
    'he-aac-v2.mov',
  ],
  'MP4 in fragments': ['aac-fragments.mp4', 'aac-dash.mp4', 'recorder-opus.mp4'],
  'WebM and Matroska': [
    'opus.webm',
    'opus-live.webm',
    'vorbis.webm',
    'aac.mkv',
    'mp3.mkv',
    'flac.mkv',
    'float.mkv',
    'video.webm',
    'recorder.webm',
    'recorder-video.webm',
  ],
  CAF: ['pcm.caf', 'alac.caf', 'mulaw.caf'],
  AAC: ['aac.aac', 'he-aac-v2.aac'],
};

/** Whole numbers below a limit, the same for the same seed. */
function generator(seed: number): (limit: number) => number {
  let state = Math.imul(seed, 2654435761) >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Changes bits, bytes, lengths and the order of pieces: in the head, in the index at the end, or anywhere. */
function damaged(original: Uint8Array, random: (limit: number) => number): Buffer {
  let bytes = Buffer.from(original);
  const region = random(3);
  for (let times = 1 + random(5); times > 0; times--) {
    const { length } = bytes;
    const at =
      region === 0
        ? random(length)
        : region === 1
          ? random(Math.min(700, length))
          : Math.max(0, length - 1 - random(3000));
    const piece = random(100);
    switch (random(6)) {
      case 0:
        bytes[at]! ^= 1 << random(8);
        break;
      case 1:
        bytes[at] = [0, 255, random(256)][random(3)]!;
        break;
      case 2: // a length, a number of entries, a time
        if (at + 4 <= length)
          bytes.writeUInt32BE([0, 1, 0xffff_ffff, 0x7fff_ffff, random(2 ** 32)][random(5)]!, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + piece)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at + piece), bytes.subarray(at)]);
        break;
      case 5:
        if (random(4) === 0) bytes = bytes.subarray(0, Math.max(1, at));
        break;
    }
    if (bytes.length === 0) return Buffer.from([0]);
  }
  return bytes;
}

const { FUZZ_KIND } = process.env;

test.each(Object.entries(KINDS).filter(([kind]) => FUZZ_KIND === undefined || FUZZ_KIND === kind))(
  '%s: bits, lengths and pieces changed',
  async (kind, names) => {
    const spoken = (['log', 'warn', 'error'] as const).map((name) =>
      vi.spyOn(console, name).mockImplementation(() => {}),
    );
    const contents = names.map((name) => ({ name, bytes: readFileSync(join(FIXTURES, name)) }));
    const worst = { ms: 0, bytes: 0, decoded: 0 };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + FILES; seed++) {
      const random = generator(seed);
      const { name, bytes } = contents[random(contents.length)]!;
      const input = damaged(bytes, random);
      const what = `${kind}: ${name}, FUZZ_SEED=${seed}`;
      // Of the processor: other programs may have it meanwhile.
      const [started, before] = [process.cpuUsage(), process.memoryUsage().rss];
      const result = await decodeAudio(
        'fuzzed',
        (async function* () {
          yield input;
        })(),
        input.length,
      ).catch((error: unknown) => error);
      const { user, system } = process.cpuUsage(started);
      const ms = (user + system) / 1000;
      const grown = process.memoryUsage().rss - before;
      if (ms > MAX_MS || grown > MAX_BYTES) writeFileSync(join(tmpdir(), 'fuzzed'), input);
      expect(ms, what).toBeLessThan(MAX_MS);
      expect(grown, what).toBeLessThan(MAX_BYTES);
      [worst.ms, worst.bytes] = [Math.max(worst.ms, ms), Math.max(worst.bytes, grown)];
      if (result instanceof Float32Array) {
        worst.decoded++;
        expect(result.length, what).toBeGreaterThan(0);
      } else {
        expect(result, what).toBeInstanceOf(UserError);
        expect((result as Error).message, what).toMatch(/^fuzzed: found [^\n]+; expected [^\n]+$/);
      }
      for (const spy of spoken) expect(spy, what).not.toHaveBeenCalled();
    }
    vi.restoreAllMocks();
    if (process.env.FUZZ_FILES) {
      const megabytes = Math.round(worst.bytes / 2 ** 20);
      console.log(
        `${kind}: ${FILES} files, ${worst.decoded} decode, at most ${Math.round(worst.ms)} ms, ${megabytes} MiB`,
      );
    }
    // Some damage does not matter.
    expect(worst.decoded).toBeGreaterThan(0);
  },
  3_600_000,
);
