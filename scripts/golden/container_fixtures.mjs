// Small recordings in containers, by ffmpeg and by MediaRecorder in Chromium, and what ffmpeg decodes of them:
//   node scripts/golden/container_fixtures.mjs
// Made with ffmpeg 5.1.9 and the Chromium at CHROMIUM (default: /usr/bin/chromium), driven by playwright-core 1.64.1.
// Written: src/audio/fixtures/containers/* and src/audio/golden/containers.json.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = join(root, 'src/audio/fixtures/containers');
const clip = join(root, 'samples/gcompris/fr/maze.opus');
mkdirSync(out, { recursive: true });
/** Those of he_aac.sh stay. */
const own = () => readdirSync(out).filter((name) => !name.startsWith('he-aac'));
for (const name of own()) rmSync(join(out, name));

/** @param {readonly string[]} args */
const ffmpeg = (args) => execFileSync('ffmpeg', ['-nostdin', '-v', 'error', '-y', ...args], { maxBuffer: 1e9 });
const sound = ['-ss', '0.3', '-t', '1.2', '-i', clip];
const picture = ['-f', 'lavfi', '-i', 'testsrc=d=1.2:s=16x16:r=5'];
const plain = ['-fflags', '+bitexact', '-flags:a', '+bitexact'];
/** @type {Record<string, string[]>} */
const files = {
  'aac-moov-last.m4a': [...sound, '-ar', '44100', '-c:a', 'aac', '-b:a', '32k'],
  'aac-moov-first.mp4': [...sound, '-ar', '16000', '-c:a', 'aac', '-b:a', '24k', '-movflags', '+faststart'],
  'aac-fragments.mp4': [...sound, '-ar', '16000', '-c:a', 'aac', '-b:a', '24k', '-movflags', '+empty_moov+default_base_moof', '-frag_duration', '300000'],
  'aac-dash.mp4': [...sound, '-ar', '16000', '-c:a', 'aac', '-b:a', '24k', '-movflags', '+dash+delay_moov+frag_keyframe'],
  'aac.aac': [...sound, '-ar', '24000', '-c:a', 'aac', '-b:a', '24k'],
  'aac.mkv': [...sound, '-ar', '22050', '-c:a', 'aac', '-b:a', '24k'],
  'video.mp4': [...picture, ...sound, '-c:v', 'mpeg4', '-ar', '16000', '-c:a', 'aac', '-b:a', '24k'],
  'video.webm': [...picture, ...sound, '-c:v', 'libvpx', '-c:a', 'libopus', '-b:a', '16k', '-map', '0:v', '-map', '1:a'],
  'alac.m4a': [...sound, '-ar', '8000', '-c:a', 'alac'],
  'alac.caf': [...sound, '-ar', '8000', '-c:a', 'alac'],
  'opus.webm': [...sound, '-c:a', 'libopus', '-b:a', '16k'],
  'opus-live.webm': [...sound, '-c:a', 'libopus', '-b:a', '16k', '-live', '1'],
  'opus.mp4': [...sound, '-c:a', 'libopus', '-b:a', '16k'],
  'vorbis.webm': [...sound, '-ar', '16000', '-c:a', 'libvorbis', '-q:a', '0'],
  'mp3.mp4': [...sound, '-ar', '16000', '-c:a', 'libmp3lame', '-b:a', '24k'],
  'mp3.mkv': [...sound, '-ar', '16000', '-c:a', 'libmp3lame', '-b:a', '24k'],
  'flac.mkv': [...sound, '-ar', '8000', '-c:a', 'flac'],
  'flac.mp4': [...sound, '-ar', '8000', '-c:a', 'flac', '-strict', '-2'],
  'pcm.mov': [...sound, '-ar', '8000', '-c:a', 'pcm_s16be'],
  'pcm24-stereo.mov': [...sound, '-t', '0.5', '-ar', '8000', '-ac', '2', '-c:a', 'pcm_s24le'],
  'float.mkv': [...sound, '-t', '0.5', '-ar', '8000', '-c:a', 'pcm_f32le'],
  'pcm.caf': [...sound, '-ar', '8000', '-c:a', 'pcm_s16le'],
  'mulaw.caf': [...sound, '-ar', '8000', '-c:a', 'pcm_mulaw'],
  'aac-late.mp4': ['-itsoffset', '0.5', '-t', '0.6', ...sound.slice(-2), ...picture, '-c:v', 'mpeg4', '-ar', '16000', '-c:a', 'aac', '-b:a', '24k', '-map', '1:v', '-map', '0:a'],
  'ac3.mp4': [...sound, '-ar', '32000', '-c:a', 'ac3', '-b:a', '32k'],
  'aac.3gp': [...sound, '-ar', '8000', '-c:a', 'aac', '-b:a', '12k', '-f', '3gp'],
  'wma.wma': [...sound, '-ar', '16000', '-c:a', 'wmav2', '-b:a', '24k'],
  'transport-stream': [...sound, '-ar', '16000', '-c:a', 'aac', '-b:a', '24k', '-f', 'mpegts'],
};
for (const [name, args] of Object.entries(files)) ffmpeg([...args, '-map_metadata', '-1', ...plain, join(out, name)]);

// What a web page records: no length, no index, sizes that were never filled in.
const wav = ffmpeg([...sound, '-ar', '48000', '-ac', '1', '-f', 'wav', 'pipe:1']).toString('base64');
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'] });
const page = await browser.newPage();
/** @type {[string, string, boolean][]} */
const recordings = [
  ['recorder.webm', 'audio/webm;codecs=opus', false],
  ['recorder-pcm.webm', 'audio/webm;codecs=pcm', false],
  ['recorder-video.webm', 'video/webm;codecs=vp8,opus', true],
  ['recorder-opus.mp4', 'audio/mp4;codecs=opus', false],
  ['recorder-aac.mp4', 'audio/mp4;codecs=mp4a.40.2', false],
];
for (const [name, type, withPicture] of recordings) {
  const recorded = await page.evaluate(
    async ({ data, mimeType, picture }) => {
      if (!MediaRecorder.isTypeSupported(mimeType)) return null;
      const context = new AudioContext({ sampleRate: 48_000 });
      const bytes = await (await fetch(`data:audio/wav;base64,${data}`)).arrayBuffer();
      const source = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(bytes) });
      const target = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
      source.connect(target);
      const canvas = document.createElement('canvas');
      canvas.width = canvas.height = 16;
      canvas.getContext('2d').fillRect(0, 0, 8, 8);
      const tracks = picture ? [...canvas.captureStream(5).getTracks(), ...target.stream.getTracks()] : target.stream.getTracks();
      const recorder = new MediaRecorder(new MediaStream(tracks), { mimeType, audioBitsPerSecond: 24_000 });
      const parts = [];
      recorder.ondataavailable = (event) => parts.push(event.data);
      const stopped = new Promise((resolve) => (recorder.onstop = resolve));
      recorder.start(100);
      source.start();
      await new Promise((resolve) => setTimeout(resolve, mimeType.includes('pcm') ? 120 : picture ? 700 : 1300));
      recorder.stop();
      await stopped;
      const all = new Uint8Array(await new Blob(parts).arrayBuffer());
      return Array.from(all);
    },
    { data: wav, mimeType: type, picture: withPicture },
  );
  console.log(name, recorded ? `${recorded.length} bytes` : 'not recorded by this Chromium');
  if (recorded) writeFileSync(join(out, name), Uint8Array.from(recorded));
}
await browser.close();

// Every 200th sample, of 16 bits, of ffmpeg's decode: its rate and channels, the mean of which is taken here.
const golden = own().map((name) => {
  const probe = execFileSync('ffprobe', ['-v', 'error', '-select_streams', 'a:0', '-show_entries', 'stream=codec_name,sample_rate,channels', '-of', 'csv=p=0', join(out, name)]).toString().trim();
  const [codec, ...numbers] = probe.split(',');
  const [rate, channels] = numbers.map(Number);
  // ffmpeg's own decoder of Opus has another delay at low rates.
  const decoder = codec === 'opus' ? ['-c:a', 'libopus'] : [];
  const pcm = ffmpeg([...decoder, '-i', join(out, name), '-map', '0:a:0', '-f', 'f32le', 'pipe:1']);
  const samples = new Float32Array(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.length));
  const frames = samples.length / channels;
  const values = [];
  for (let i = 0; i < frames; i += 200) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += samples[i * channels + c];
    values.push(Math.round((sum / channels) * 32768));
  }
  return { name, rate, frames, values };
});
const version = execFileSync('ffmpeg', ['-version']).toString().split('\n')[0].split(' Copyright')[0];
const rows = golden.map((row) => `    ${JSON.stringify(row)}`).join(',\n');
writeFileSync(join(root, 'src/audio/golden/containers.json'), `{\n  "madeBy": ${JSON.stringify(version)},\n  "every": 200,\n  "files": [\n${rows}\n  ]\n}\n`);
