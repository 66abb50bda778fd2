// Processor time of the first part of 5 s of an hour's recording, by where it stands and by format, each in a process of its own:
//   npm run build && node scripts/evidence/parts-by-offset.mjs [flac mp3 …]
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const wanted = process.argv.slice(2);
const formats = wanted.length > 0 ? wanted : ['wav', 'flac', 'mp3', 'opus', 'ogg', 'm4a', 'webm'];
const folder = mkdtempSync(join(tmpdir(), 'parts-'));
const audioFile = new URL('../../dist/audio/audio-file.js', import.meta.url).href;
/** @param {string} audio */
const cost = (audio) =>
  execFileSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `const { readAudio } = await import(${JSON.stringify(audioFile)});
      const before = process.cpuUsage();
      await readAudio(${JSON.stringify(audio)});
      const { user, system } = process.cpuUsage(before);
      console.log(((user + system) / 1e6).toFixed(2));`,
    ],
    { encoding: 'utf8' },
  ).trim();
try {
  for (const format of formats) {
    const file = join(folder, `hour.${format}`);
    const noise = 'anoisesrc=d=3600:c=pink:r=44100:a=0.3';
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', noise, '-ac', '2', file]);
    const costs = [60, 1800, 3500].map((from) => `${cost(`${file}#t=${from},${from + 5}`)} s at ${from} s`);
    console.log(`${format}: ${costs.join(', ')}`);
    rmSync(file);
  }
} finally {
  rmSync(folder, { recursive: true });
}
