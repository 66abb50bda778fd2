// Sound that is cut off or damaged says so; what is whole, or never had a length, says nothing.

import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { readChannels } from '../testing/read-channels.ts';
import { audioDuration, readAudio } from './audio-file.ts';
import { readAudioSource } from './audio-source.ts';
import { describeMissing } from './missing-sound.ts';

const FIXTURES = fileURLToPath(new URL('./fixtures/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'missing-sound-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());
const fixture = (name: string) => readFileSync(join(FIXTURES, name));

function file(name: string, ...parts: readonly (string | Uint8Array)[]): string {
  writeFileSync(
    join(folder, name),
    Buffer.concat(parts.map((part) => Buffer.from(part as string, 'latin1'))),
  );
  return join(folder, name);
}

/** What is reported of a file, and how long it is, in seconds. */
async function read(
  path: string,
): Promise<{ damage: string | undefined; seconds: number; samples: Float32Array }> {
  const reported: string[] = [];
  const samples = await readAudio(path, { onDamage: (damage) => reported.push(damage) });
  expect(reported.length).toBeLessThanOrEqual(1);
  return { damage: reported[0], seconds: samples.length / 16_000, samples };
}

/** Other bytes in the middle of those of a fixture. */
function damaged(name: string, share = 0.5, length = 60): Uint8Array {
  const bytes = Uint8Array.from(fixture(name));
  const at = Math.floor(bytes.length * share);
  for (let i = at; i < at + length; i++) bytes[i] = (bytes[i]! * 7 + 85) & 127;
  return bytes;
}

test('nothing is said of any fixture that is whole', async () => {
  vi.stubEnv('PATH', '');
  const names = readdirSync(FIXTURES, { recursive: true }).map(String);
  const recordings = names.filter(
    (name) => !/json$|^(containers|other-programs)$|ac3|wma|transport/.test(name),
  );
  expect(recordings.length).toBeGreaterThan(80);
  for (const name of recordings) expect((await read(join(FIXTURES, name))).damage, name).toBeUndefined();
}, 60_000);

describe('cut off: how much of what the header promises is there', () => {
  test.each([
    ['pcm16-16k.wav', /^cut off: 0\.\d of 0\.3 s$/],
    ['other-programs/ffmpeg-s24.w64', /^cut off: 0\.\d of 0\.3 s$/],
    ['other-programs/ffmpeg-s16.aiff', /^cut off: 0\.\d of 0\.3 s$/],
    ['other-programs/ffmpeg-mulaw.au', /^cut off: 0\.\d of 0\.3 s$/],
    ['other-programs/sox.sph', /^cut off: 0\.\d of 0\.3 s$/],
    ['speech.flac', /^cut off: 0\.\d of \d\.\d s$/],
    ['44k-stereo.mp3', /^cut off: 0\.\d of 0\.3 s$/],
    ['other-programs/lame-free-format.mp3', /^cut off: 0\.\d of 0\.\d s$/],
    // The headers say nothing of the length.
    ['other-programs/lame-no-info.mp3', /^cut off after 0\.\d s$/],
    ['other-programs/ffmpeg-chained.opus', /^cut off after 0\.\d s$/],
    ['other-programs/ffmpeg-chained.ogg', /^cut off after 0\.\d s$/],
    ['other-programs/ffmpeg-chained-flac.ogg', /^cut off after 0\.\d s$/],
    ['containers/aac-moov-first.mp4', /^cut off: 0\.\d of 1\.2 s$/],
    ['containers/aac-fragments.mp4', /^cut off after 0\.\d s$/],
    ['containers/opus.webm', /^cut off: 0\.\d of 1\.2 s$/],
    ['containers/flac.mkv', /^cut off: 0\.\d of 1\.2 s$/],
    ['containers/opus-live.webm', /^cut off after 0\.\d s$/],
    ['containers/pcm.caf', /^cut off: 0\.\d of 1\.2 s$/],
    ['containers/aac.aac', /^cut off after 0\.\d s$/],
  ])('%s', async (name, expected) => {
    const bytes = fixture(name);
    expect((await read(file('cut', bytes.subarray(0, bytes.length * 0.6)))).damage).toMatch(expected);
  });

  test('before the table of packets of CAF, without which nothing decodes', async () => {
    const bytes = fixture('containers/alac.caf');
    await expect(read(file('cut.caf', bytes.subarray(0, bytes.length * 0.6)))).rejects.toThrow(
      /found a CAF file without its table of packets \(pakt\): its recording was cut off; expected/,
    );
  });

  test('a clip that ends before is whole, one beyond the end is not', async () => {
    const bytes = fixture('pcm16-16k.wav');
    const path = file('cut.wav', bytes.subarray(0, bytes.length / 2));
    const reported: string[] = [];
    const onDamage = (damage: string) => reported.push(damage);
    await readAudio(path, { to: 0.1, onDamage });
    expect(reported).toEqual([]);
    await readAudio(path, { from: 0.1, to: 0.2, onDamage });
    await readChannels(path, { onDamage });
    await readAudioSource(new Blob([bytes.subarray(0, bytes.length / 2)]), { onDamage });
    expect(reported).toEqual(Array.from({ length: 3 }, () => 'cut off: 0.1 of 0.3 s'));
  });

  test.each([
    0, 0x7fff_f000, 0x7fff_ffff, 0xffff_fffe,
  ])('a WAV of a stream, whose data is said to have %s bytes, is whole', async (size) => {
    const bytes = Buffer.from(fixture('pcm16-16k.wav'));
    bytes.writeUInt32LE(size, 40);
    expect(await read(file('stream.wav', bytes))).toMatchObject({ damage: undefined, seconds: 0.25 });
  });
});

test('a connection that breaks is an error with one line; one that ends too early a shorter recording', async () => {
  const bytes = fixture('speech.flac');
  const answers = [
    (response: ServerResponse) => response.end(bytes.subarray(0, 9000)),
    (response: ServerResponse) => {
      response.write(bytes.subarray(0, 9000), () => setTimeout(() => response.destroy(), 50));
    },
  ];
  const server = createServer((_, response) => answers.pop()!(response)).listen(0);
  await once(server, 'listening');
  const url = new URL(`http://localhost:${(server.address() as AddressInfo).port}/talk.flac`);
  await expect(readAudioSource(url)).rejects.toThrow(
    /^http:.*talk\.flac: found a connection that broke after 9000 bytes \([^)]+\); expected the whole recording$/,
  );
  const reported: string[] = [];
  await readAudioSource(url, { onDamage: (damage) => reported.push(damage) });
  expect(reported).toEqual([expect.stringMatching(/^cut off: \d\.\d of \d\.\d s$/)]);
  server.close();
});

describe('damaged: in how many places', () => {
  test.each([
    ['speech.flac', 0.5],
    ['44k-stereo.mp3', 0.4],
    ['48k-stereo.opus', 0.5],
    ['other-programs/ffmpeg-chained-flac.ogg', 0.9],
    ['containers/aac-moov-last.m4a', 0.5],
    ['containers/flac.mp4', 0.5],
    ['containers/aac-fragments.mp4', 0.5],
    ['containers/opus-live.webm', 0.6],
    ['containers/aac.aac', 0.5],
  ] as const)('%s', async (name, share) => {
    const { damage, seconds } = await read(file('damaged', damaged(name, share, 300)));
    expect(damage).toMatch(/^damaged in [12] places?$/);
    const whole = (await read(join(FIXTURES, name))).seconds;
    // What follows is still there.
    expect(seconds).toBeGreaterThan(whole * 0.6);
  });

  test('a page of Vorbis; the only cluster of a Matroska file, of which the rest is lost', async () => {
    const ogg = file('page.ogg', damaged('other-programs/ffmpeg-chained.ogg', 0.9));
    expect(await read(ogg)).toMatchObject({ damage: 'damaged in 1 place', seconds: 0.25 });
    const { damage } = await read(file('cluster.mkv', damaged('containers/aac.mkv', 0.5, 300)));
    expect(damage).toMatch(/^damaged: nothing decodes after 0\.\d of 1\.2 s$/);
  });

  test('the first of chained Ogg streams that is cut off', async () => {
    for (const [name, seconds] of [
      ['48k-stereo.opus', 0.25],
      ['other-programs/ffmpeg-chained.ogg', 0.5],
    ] as const) {
      const bytes = fixture(name);
      const { damage, ...found } = await read(file('chained.ogg', bytes.subarray(0, -40), bytes));
      expect(damage, name).toBe('damaged in 1 place');
      expect(found.seconds, name).toBeGreaterThanOrEqual(seconds);
    }
  });

  test('of FLAC silence stands for the frames, so that later times are right', async () => {
    const whole = await read(join(FIXTURES, 'speech.flac'));
    const { samples, damage } = await read(file('damaged.flac', damaged('speech.flac')));
    expect(damage).toBe('damaged in 1 place');
    expect(samples.length).toBe(whole.samples.length);
    const differ = [...samples.keys()].filter((i) => samples[i] !== whole.samples[i]);
    expect(differ.length).toBeGreaterThan(100);
    expect(differ.every((i) => samples[i] === 0)).toBe(true);
    expect(samples.at(-1)).toBe(whole.samples.at(-1));
  });

  test('in words', () => {
    expect(describeMissing(10, {})).toBeUndefined();
    expect(describeMissing(10, { promised: 10.05 })).toBeUndefined();
    expect(describeMissing(10, { promised: 30, damaged: 2 })).toBe('damaged in 2 places');
    expect(describeMissing(10, { promised: 30, lost: true })).toBe(
      'damaged: nothing decodes after 10.0 of 30.0 s',
    );
    expect(describeMissing(10, { cut: true, damaged: 1 })).toBe('cut off after 10.0 s; damaged in 1 place');
  });
});

describe('files that were joined', () => {
  const seconds = async (path: string) => {
    const found = await read(path);
    expect(await audioDuration(path)).toBeCloseTo(found.seconds, 3);
    return found;
  };

  test('FLAC: all parts, of whichever rate and channels, whatever tags stand between and behind', async () => {
    const [one, two] = [fixture('speech.flac'), fixture('44k-stereo.flac')];
    const tag = Buffer.from('ID3\x04\0\0\0\0\0\x05aaaaa', 'latin1');
    const behind = Buffer.concat([Buffer.from('TAG'), Buffer.alloc(125)]);
    const alone = await read(join(FIXTURES, 'speech.flac'));
    const other = await read(join(FIXTURES, '44k-stereo.flac'));
    for (const parts of [
      [one, two],
      [one, tag, two, behind],
      [one, behind, two],
    ]) {
      const { samples, damage } = await seconds(file('joined.flac', ...parts));
      expect(damage).toBeUndefined();
      expect(samples.subarray(0, alone.samples.length)).toEqual(alone.samples);
      expect(samples.subarray(alone.samples.length)).toEqual(other.samples);
    }
    expect((await seconds(file('twice.flac', one, one))).samples.length).toBe(2 * alone.samples.length);
    for (const behindOf of [behind, tag, Buffer.alloc(1000), Buffer.from('anything')]) {
      expect((await seconds(file('behind.flac', one, behindOf))).samples).toEqual(alone.samples);
    }
  });

  test('FLAC whose header says another length than it has is read to its end', async () => {
    const bytes = Buffer.from(fixture('speech.flac'));
    const { samples } = await read(join(FIXTURES, 'speech.flac'));
    for (const total of [0, 1000]) {
      bytes.writeUInt32BE(total, 22);
      expect((await seconds(file('total.flac', bytes))).samples).toEqual(samples);
    }
    bytes.writeUInt32BE(160_000, 22);
    expect((await seconds(file('total.flac', bytes))).damage).toMatch(/^cut off: \d\.\d of \d+\.\d s$/);
  });

  test('raw AAC: all parts', async () => {
    const bytes = fixture('containers/aac.aac');
    const alone = await read(join(FIXTURES, 'containers/aac.aac'));
    const joined = await seconds(file('joined.aac', bytes, bytes));
    expect(joined.seconds).toBeCloseTo(2 * alone.seconds, 3);
    expect(joined.damage).toBeUndefined();
  });

  test.each([
    'pcm16-16k.wav',
    'other-programs/ffmpeg-rf64.wav',
    'other-programs/ffmpeg-s24.w64',
    'other-programs/ffmpeg-s16.aiff',
    'other-programs/ffmpeg-mulaw.au',
    'containers/aac-moov-first.mp4',
    'containers/aac-moov-last.m4a',
    'containers/pcm.caf',
    'containers/alac.caf',
  ])('%s: the first part, and a line', async (name) => {
    const bytes = fixture(name);
    const alone = await read(join(FIXTURES, name));
    const { damage, samples } = await read(file('joined', bytes, bytes));
    expect(damage).toBe('another file is joined to it, which is not read');
    expect(samples).toEqual(alone.samples);
  });

  test.each([
    'containers/opus.webm',
    'containers/opus-live.webm',
    'containers/flac.mkv',
    'containers/recorder.webm',
    'containers/recorder-opus.mp4',
    '44k-stereo.mp3',
    'other-programs/ffmpeg-chained-flac.ogg',
  ])('%s: all parts', async (name) => {
    const bytes = fixture(name);
    const alone = await read(join(FIXTURES, name));
    const joined = await seconds(file('joined', bytes, bytes));
    expect(joined.damage).toBeUndefined();
    // Of the second part the priming of its codec stays.
    expect(Math.abs(joined.seconds - 2 * alone.seconds)).toBeLessThan(0.1);
  });

  test('a count of frames in an MP3 that is wrong costs no sound', async () => {
    const bytes = Buffer.from(fixture('44k-stereo.mp3'));
    const count = bytes.indexOf('Info') >= 0 ? bytes.indexOf('Info') : bytes.indexOf('Xing');
    const frames = bytes.readUInt32BE(count + 8);
    for (const wrong of [frames - 5, frames + 100]) {
      bytes.writeUInt32BE(wrong, count + 8);
      const { damage, seconds: length } = await read(file('count.mp3', bytes));
      expect(length).toBeGreaterThanOrEqual(0.25);
      expect(damage).toBeUndefined();
    }
  });
});

describe.skipIf(process.platform === 'win32')('ffmpeg', () => {
  const bin = join(folder, 'bin');
  const wav = JSON.stringify(join(FIXTURES, 'float-16k.wav'));
  const program = (script: string) => {
    mkdirSync(bin, { recursive: true });
    writeFileSync(join(bin, 'ffmpeg'), `#!${process.execPath}\nconst fs = require('node:fs');\n${script}`);
    chmodSync(join(bin, 'ffmpeg'), 0o755);
    vi.stubEnv('PATH', `${bin}${delimiter}${process.env.PATH}`);
  };
  const wma = join(FIXTURES, 'containers/wma.wma');

  test('what it complains of is said', async () => {
    program(
      `fs.writeSync(2, '[wmav2 @ 0x12] Input packet size too small\\n'); fs.writeSync(1, fs.readFileSync(${wav}));`,
    );
    expect((await read(wma)).damage).toBe('damaged: ffmpeg says "Input packet size too small"');
  });

  test('ended by a signal after some sound it is an error, not a shorter recording', async () => {
    program(
      `fs.writeSync(1, fs.readFileSync(${wav}).subarray(0, 8000)); process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 1e5);`,
    );
    await expect(read(wma)).rejects.toThrow(/WMA or ASF file.*ended by SIGTERM/);
  });

  test('a signal stops it, and it has a process group of its own', async () => {
    const started = join(folder, 'started');
    program(`
      fs.writeSync(1, fs.readFileSync(${wav}));
      const group = fs.readFileSync('/proc/self/stat', 'latin1').split(') ')[1].split(' ')[2];
      fs.writeFileSync(${JSON.stringify(started)}, process.pid + ' ' + group);
      setTimeout(() => {}, 1e6);
    `);
    const stop = new AbortController();
    const reading = readAudioSource(wma, { signal: stop.signal });
    const failed = expect(reading).rejects.toThrow('enough');
    await vi.waitFor(() => expect(existsSync(started) && readFileSync(started, 'utf8')).toMatch(/ /), 10_000);
    const [pid, group] = readFileSync(started, 'utf8').split(' ').map(Number);
    expect(group).toBe(pid);
    stop.abort(new Error('enough'));
    await failed;
    await vi.waitFor(() => expect(() => process.kill(pid!, 0)).toThrow('ESRCH'), 10_000);
  });
});
