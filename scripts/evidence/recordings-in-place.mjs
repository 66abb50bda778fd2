/**
 * What recordings in place cost, in seconds of the processor: clips of a long recording in order and shuffled, against decoding
 * all of it, and the index of a tar of a million members.
 *   node scripts/evidence/recordings-in-place.mjs TALK.wav TALK.mp3 …
 */
import { mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { audioDuration, readAudio } from '../../dist/audio/audio-file.js';
import { partReference } from '../../dist/audio/audio-reference.js';
import { tarIndex } from '../../dist/files/tar.js';
import { sfc32, shuffle } from '../../dist/random.js';

const CLIP_SECONDS = 5;
const MEMBERS = 1_000_000;
const LOOKUPS = 1000;

/** Seconds of the processor. */
async function cost(work) {
  const begun = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
}
const megabytes = () => Math.round(process.memoryUsage.rss() / 1e6);

for (const talk of process.argv.slice(2)) {
  const seconds = await audioDuration(talk);
  const clips = Array.from({ length: Math.floor(seconds / CLIP_SECONDS) }, (_, i) =>
    partReference(talk, { from: i * CLIP_SECONDS, to: (i + 1) * CLIP_SECONDS }),
  );
  const read = async (list) => {
    for (const clip of list) await readAudio(clip);
  };
  const last = await cost(() => read(clips.slice(-1)));
  const inOrder = await cost(() => read(clips));
  const shuffled = await cost(() => read(shuffle([...clips], sfc32(1))));
  const whole = await cost(() => readAudio(talk));
  console.log(
    `${talk.split('/').at(-1)}: ${(seconds / 60).toFixed(1)} min; whole ${whole.toFixed(2)} s; the last clip first ${last.toFixed(2)} s, ` +
      `then ${clips.length} clips in order ${inOrder.toFixed(2)} s, shuffled ${shuffled.toFixed(2)} s; ${megabytes()} MB of memory`,
  );
}

const folder = mkdtempSync(join(tmpdir(), 'in-place-'));
try {
  const file = join(folder, 'million.tar');
  const handle = openSync(file, 'w');
  const piece = [];
  for (let i = 0; i < MEMBERS; i++) {
    const header = Buffer.alloc(1024);
    header.write(`clips/${i}.flac`);
    header.write('0000644\0', 100);
    header.write('00000000005\0', 124);
    header.write('ustar\u000000', 257);
    header.write('0', 156);
    header.fill(' ', 148, 156);
    header.write(`${header.subarray(0, 512).reduce((sum, byte) => sum + byte, 0).toString(8).padStart(6, '0')}\0 `, 148);
    header.write('audio', 512);
    if (piece.push(header) === 8192 || i === MEMBERS - 1) writeSync(handle, Buffer.concat(piece.splice(0)));
  }
  const before = megabytes();
  let index;
  const made = await cost(async () => {
    index = await tarIndex(file);
  });
  const found = await cost(async () => {
    for (let i = 0; i < LOOKUPS; i++) await index.find(`clips/${(i * 7919) % MEMBERS}.flac`);
  });
  console.log(
    `a tar of ${index.members} members: index in ${made.toFixed(1)} s, ${megabytes() - before} MB more memory; a member in ${((1000 * found) / LOOKUPS).toFixed(2)} ms`,
  );
} finally {
  rmSync(folder, { recursive: true });
}
