import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mpg123 } from './mpg123.ts';

const bytes = (name: string): Uint8Array => readFileSync(new URL(`./fixtures/${name}`, import.meta.url));

test('an instance that decoded another file, whole or damaged, gives what a new one gives', async () => {
  const stereo = bytes('44k-stereo.mp3');
  const fresh = await mpg123();
  const expected = fresh.decode(stereo);
  expect(expected.channelData[0]!.length).toBeGreaterThan(10_000);
  fresh.free();
  const damaged = bytes('22k.mp3').slice();
  for (let at = 1000; at < damaged.length; at += 7) damaged[at]! ^= 0x5a;
  for (const other of [stereo, bytes('22k-id3.mp3'), damaged, stereo.subarray(0, stereo.length / 2)]) {
    const before = await mpg123();
    before.decode(other);
    before.free();
    const again = await mpg123();
    expect(again.decode(stereo).channelData).toEqual(expected.channelData);
    again.free();
  }
});
