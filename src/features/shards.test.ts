/** The cache on disk: what was written whole is read back, and nothing else, whatever happened to the process or the files. */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { wavBytes } from '../audio/wav-write.ts';
import { crc32, crc32ByTable } from '../files/crc32.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { pseudo, writeTinyModel } from '../testing/tiny-model.ts';
import { type EncodedClip, frameValues } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { byteSize } from './byte-size.ts';
import { CacheRoom } from './cache-room.ts';
import { EncoderOutputs, type EncoderOutputsOptions, encodingName } from './encoder-outputs.ts';
import { RecordingMemo } from './recording-memo.ts';
import { HEADER_BYTES, Shards } from './shards.ts';

const scratch = mkdtempSync(join(tmpdir(), 'shards-'));
const folderOf = (name: string): string => join(scratch, name);
let model: WhisperModel;
beforeAll(async () => {
  await writeTinyModel(folderOf('model'));
  model = await WhisperModel.load(folderOf('model'), { threads: 1 });
});
afterAll(async () => {
  await model.close();
  rmSync(scratch, { recursive: true, force: true });
});

const key = (i: number): string => fingerprint(`key ${i}`, 32);
const record = (i: number, bytes = 100 + i) => ({
  key: key(i),
  about: Uint8Array.of(i),
  payload: new Uint8Array(bytes).fill(i),
});
const whole = async (shards: Shards, i: number, bytes = 100 + i): Promise<boolean> => {
  const found = await shards.read(key(i));
  return found !== undefined && found.about[0] === i && found.payload.equals(record(i, bytes).payload);
};
const filesOf = (folder: string, ending: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(folder, name));
/** As if the process that wrote the shards had ended. */
const ofEnded = (folder: string): void => {
  for (const path of [...filesOf(folder, '.shard'), ...filesOf(folder, '.index')])
    renameSync(path, path.replace(`-${process.pid}-`, '-999999999-'));
};

test('records come back from a folder that several have written, each in shards of its own', async () => {
  const folder = folderOf('several');
  const first = await Shards.open(folder);
  const second = await Shards.open(folder);
  await Promise.all([first.add([record(1), record(2)]), second.add([record(3)]), first.add([record(4)])]);
  await first.add([{ key: key(5), about: Uint8Array.of(5) }]);
  expect(filesOf(folder, '.shard')).toHaveLength(2);
  expect(first.about(key(3))).toBeUndefined();
  const third = await Shards.open(folder);
  expect(third.size).toBe(5);
  for (const i of [1, 2, 3, 4]) expect(await whole(third, i)).toBe(true);
  expect((await third.read(key(5)))?.payload.length).toBe(0);
  expect(await third.read(key(6))).toBeUndefined();
});

test('an index that is missing, cut off or damaged is made again from the shard; a torn end is ignored', async () => {
  const folder = folderOf('damage');
  await (await Shards.open(folder)).add(Array.from({ length: 9 }, (_, i) => record(i, 30_000)));
  const [shard, index] = [filesOf(folder, '.shard')[0]!, filesOf(folder, '.index')[0]!];
  const [bytes, headers] = [readFileSync(shard), readFileSync(index)];
  const count = async () => {
    const shards = await Shards.open(folder);
    for (let i = 0; i < shards.size; i++) expect(await whole(shards, i, 30_000)).toBe(true);
    return shards.size;
  };
  rmSync(index);
  expect(await count()).toBe(9);
  for (const damaged of [
    headers.subarray(0, 200),
    Buffer.from(headers).fill(7, 100, 130),
    Buffer.from('text'),
  ]) {
    writeFileSync(index, damaged);
    expect(await count()).toBe(9);
  }
  // The next run finds it as it was.
  ofEnded(folder);
  expect(await count()).toBe(9);
  expect(readFileSync(filesOf(folder, '.index')[0]!).equals(headers)).toBe(true);
  const ended = filesOf(folder, '.shard')[0]!;
  for (const cut of [1, 29_999, 30_000, 30_001, 30_000 + HEADER_BYTES - 1]) {
    writeFileSync(ended, bytes);
    truncateSync(ended, bytes.length - cut);
    expect(await count()).toBe(8);
  }
  writeFileSync(ended, bytes);
  appendFileSync(ended, new Uint8Array(1000));
  expect(await count()).toBe(9);
});

test('a damaged record counts as missing, wherever the damage is; the others stay', async () => {
  const folder = folderOf('flipped');
  await (await Shards.open(folder)).add([record(1), record(2), record(3)]);
  const shard = filesOf(folder, '.shard')[0]!;
  const bytes = readFileSync(shard);
  const second = HEADER_BYTES + 101;
  for (const place of [second + HEADER_BYTES, second + HEADER_BYTES + 50, second + HEADER_BYTES + 101]) {
    const damaged = Buffer.from(bytes);
    damaged[place]! ^= 1;
    writeFileSync(shard, damaged);
    const shards = await Shards.open(folder);
    expect([await whole(shards, 1), await shards.read(key(2)), await whole(shards, 3)]).toEqual([
      true,
      undefined,
      true,
    ]);
    await shards.add([record(2)]);
    expect(await whole(shards, 2)).toBe(true);
    rmSync(filesOf(folder, '.shard')[1]!);
    rmSync(filesOf(folder, '.index')[1]!);
  }
});

test('a process that is killed while it writes leaves a cache that is read and goes on', async () => {
  const folder = folderOf('killed');
  const built = (name: string) => new URL(`../../dist/features/${name}`, import.meta.url).href;
  const program = `
    const { Shards } = await import(${JSON.stringify(built('shards.js'))});
    const { fingerprint } = await import(${JSON.stringify(built('../files/fingerprint.js'))});
    const shards = await Shards.open(${JSON.stringify(folder)});
    console.log(shards.size);
    for (let i = shards.size; ; i++) await shards.add([{
      key: fingerprint('key ' + i, 32), about: Uint8Array.of(i), payload: new Uint8Array(200_000).fill(i),
    }]);`;
  let before = -1;
  for (let kill = 0; kill < 4; kill++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, 40 + 23 * kill));
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    const shards = await Shards.open(folder);
    expect(shards.size).toBeGreaterThan(before);
    before = shards.size;
  }
  const shards = await Shards.open(folder);
  for (let i = 0; i < Math.min(shards.size, 256); i++) expect(await whole(shards, i, 200_000)).toBe(true);
});

test('a limit drops the oldest shards whole, never one that is in use; beyond it nothing is written', async () => {
  const cache = folderOf('limited');
  const folder = join(cache, 'encoder');
  const roomOf = (limit: number) => {
    const lines: string[] = [];
    return { room: new CacheRoom(cache, limit, () => lines.push('full')), lines };
  };
  for (let run = 0; run < 3; run++) {
    const shards = await Shards.open(folder);
    await shards.add([record(2 * run, 10_000), record(2 * run + 1, 10_000)]);
    ofEnded(folder);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { room, lines } = roomOf(70_000);
  const shards = await Shards.open(folder, { room });
  expect(await whole(shards, 2, 10_000)).toBe(true);
  // Of the first run and the third, which nothing was read from, the first is the older.
  expect(await shards.add([record(6, 10_000)])).toBe(true);
  const left = await Shards.open(folder);
  expect([0, 1, 2, 3, 4, 5, 6].filter((i) => left.about(key(i)))).toEqual([2, 3, 4, 5, 6]);
  expect(await shards.read(key(0))).toBeUndefined();
  for (let i = 7; i < 12; i++) await shards.add([record(i, 10_000)]);
  expect(lines).toEqual(['full']);
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  expect(bytes).toBeLessThanOrEqual(70_000);
  // A run that still writes keeps what it writes.
  const other = await Shards.open(folder, { room: roomOf(15_000).room });
  expect(await other.add([record(20, 10_000)])).toBe(false);
});

const recording = (name: string) => ({ files: [folderOf(name)] });
const outputsOf = (cache: string, own: Partial<EncoderOutputsOptions> = {}) =>
  EncoderOutputs.open(model, { window: 'fit', cache: folderOf(cache), maxBytes: 0, ...own });
/** How many clips a reading had to encode. */
async function encodings(outputs: EncoderOutputs, names: readonly string[]): Promise<number> {
  const before = model.encode;
  let count = 0;
  model.encode = (clips, ...rest) => {
    count += clips.length;
    return before.call(model, clips, ...rest);
  };
  try {
    const found = await outputs.read(names.map(recording));
    expect(found.every((one) => one !== undefined)).toBe(true);
  } finally {
    model.encode = before;
  }
  return count;
}

test('outputs follow the content of a recording: moved and copied files are known, changed ones are not', async () => {
  writeFileSync(folderOf('a.wav'), wavBytes(pseudo(8000, 1, 0.8)));
  writeFileSync(folderOf('b.wav'), wavBytes(pseudo(8000, 2, 0.8)));
  expect(await encodings(await outputsOf('moving'), ['a.wav', 'b.wav', 'a.wav'])).toBe(3);
  copyFileSync(folderOf('a.wav'), folderOf('c.wav'));
  mkdirSync(folderOf('sub'));
  renameSync(folderOf('b.wav'), folderOf('sub/b.wav'));
  expect(await encodings(await outputsOf('moving'), ['a.wav', 'c.wav', 'sub/b.wav'])).toBe(0);
  // As many bytes.
  const { atime, mtimeMs } = statSync(folderOf('c.wav'));
  writeFileSync(folderOf('c.wav'), wavBytes(pseudo(8000, 3, 0.8)));
  utimesSync(folderOf('c.wav'), atime, new Date(mtimeMs + 1000));
  expect(await encodings(await outputsOf('moving'), ['a.wav', 'c.wav'])).toBe(1);
  const kinds = await Promise.all([
    outputsOf('moving', { window: 'full' }),
    outputsOf('moving', { cacheDtype: 'int8' }),
  ]);
  for (const other of kinds) expect(await encodings(other, ['a.wav'])).toBe(1);
  // A joined recording is another one, and its order counts.
  const { memo } = await outputsOf('moving');
  const [a, c] = ['a.wav', 'c.wav'].map(folderOf) as [string, string];
  const keys = await Promise.all([[a], [c], [a, c], [c, a], [a, a]].map((files) => memo.keyOf({ files })));
  expect(new Set(keys).size).toBe(5);
});

test('files are not read again for what is known of them', async () => {
  const file = folderOf('known.wav');
  writeFileSync(file, wavBytes(pseudo(8000, 4, 0.8)));
  utimesSync(file, 1e9, 1e9);
  const first = await RecordingMemo.open(folderOf('memo'));
  const [length, content] = [await first.samplesOf(file), await first.keyOf({ files: [file] })];
  await first.flush();
  const { atime, mtime, size } = statSync(file);
  writeFileSync(file, new Uint8Array(size));
  utimesSync(file, atime, mtime);
  const second = await RecordingMemo.open(folderOf('memo'));
  expect([await second.samplesOf(file), await second.keyOf({ files: [file] })]).toEqual([length, content]);
  utimesSync(file, atime, new Date(mtime.getTime() + 5000));
  await expect(second.samplesOf(file)).rejects.toThrow(/known\.wav: /);
  expect(await second.keyOf({ files: [file] })).not.toBe(content);
});

test('int8 outputs are within half a step of a frame’s largest value, and take half the space', async () => {
  writeFileSync(folderOf('d.wav'), wavBytes(pseudo(16_000, 5, 0.8)));
  const [exact] = await (await outputsOf('int8', { cacheDtype: 'float16' })).read([recording('d.wav')]);
  const [rounded] = await (await outputsOf('int8', { cacheDtype: 'int8' })).read([recording('d.wav')]);
  const [values, near] = [frameValues(exact!), frameValues(rounded!)];
  const { width } = exact as EncodedClip;
  for (let start = 0; start < values.length; start += width) {
    const most = values.subarray(start, start + width).reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    for (let i = start; i < start + width; i++)
      expect(Math.abs(values[i]! - near[i]!)).toBeLessThanOrEqual(most * (0.5 / 127 + 1 / 1024));
  }
  const folder = join(folderOf('int8'), await encodingName(model, 'fit'));
  const size = (of: string) => statSync(filesOf(of, '.shard')[0]!).size;
  // A scale for each frame: a quarter of the tiny width.
  expect(size(`${folder}-int8`)).toBeLessThan(0.7 * size(folder));
});

test('checksums are those of gzip, and sizes are read as people write them', () => {
  const bytes = Buffer.from('123456789');
  expect([crc32(bytes), crc32ByTable(bytes)]).toEqual([0xcbf43926, 0xcbf43926]);
  expect(['40GB', '1.5 tb', '500MB', '7b'].map(byteSize)).toEqual([40e9, 1.5e12, 5e8, 7]);
  expect(['40', 'GB', '0GB', '-1GB', '4 pounds'].map(byteSize)).toEqual(new Array(5).fill(undefined));
});
