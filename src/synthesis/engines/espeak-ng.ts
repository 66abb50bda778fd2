/**
 * eSpeak NG, compiled to JavaScript: a hundred languages, each with many timbres. GPL-3.0: it is no dependency, but is used
 * where the user has installed it.
 */
import { pathToFileURL } from 'node:url';
import { UserError } from '../../errors.ts';
import type { EngineKind, EngineVoice, SpeechEngine } from './engine.ts';
import { installedFile } from './installed.ts';

const PACKAGE = '@echogarden/espeak-ng-emscripten';

/** Timbres that are used where none are named: two women and two men, beside the voice itself. */
const TIMBRES = ['', '+f2', '+f4', '+m3', '+m7'];
const TIMBRE_FOLDER = '/usr/share/espeak-ng-data/voices/!v';

/** Its own middle: words a minute, and pitch from 0 to 99. */
const WORDS_A_MINUTE = 165;
const MIDDLE_PITCH = 50;
/** Steps of its pitch for a factor of e: measured, an octave is about 70 of them. */
const PITCH_STEPS = 100;

/** The part of the Emscripten module in use. */
interface EspeakModule {
  readonly HEAPU8: Uint8Array;
  readonly FS: { readdir(path: string): string[] };
  readonly eSpeakNGWorker: new () => Promise<EspeakVoice> | EspeakVoice;
}
interface EspeakVoice {
  readonly samplerate: number;
  list_voices(): readonly {
    readonly identifier: string;
    readonly languages: readonly { readonly name: string }[];
  }[];
  set_voice(name: string): number;
  set_rate(wordsAMinute: number): void;
  set_pitch(pitch: number): void;
  synthesize(text: string, onSound: (samples: Int16Array | null) => void): void;
}

export const espeakNg: EngineKind = {
  name: 'espeak-ng',
  license: 'GPL-3.0, installed by hand',
  package: PACKAGE,
  rates: [0.8, 1.2],
  pitches: [0.85, 1.2],
  open: openEspeak,
};

async function openEspeak(): Promise<SpeechEngine> {
  const file = installedFile(PACKAGE);
  if (file === undefined) throw new UserError(`espeak-ng: ${PACKAGE} is not installed`);
  // It seeds its noise by the clock. This thread is the engine's alone.
  Date.now = () => 1e12;
  const { default: start } = (await import(pathToFileURL(file).href)) as {
    default: () => Promise<EspeakModule>;
  };
  const module = await start();
  const engine = await new module.eSpeakNGWorker();
  // By its file, `gmw/en-US`: of two with a language only one goes by its name.
  const voices = engine.list_voices().map(({ identifier, languages: [first] }): EngineVoice => {
    const name = identifier.slice(identifier.lastIndexOf('/') + 1);
    return { name, language: first?.name ?? name };
  });
  const timbres = new Set(module.FS.readdir(TIMBRE_FOLDER));
  // What the first sentence loads is a part of the state that every sentence begins with.
  engine.set_voice('en-us');
  engine.synthesize('a', () => {});
  const fresh = module.HEAPU8.slice();
  return {
    voices: voices.flatMap(({ name, language }) =>
      TIMBRES.map((timbre): EngineVoice => ({ name: `${name}${timbre}`, language })),
    ),
    speak: async (text, voice, { rate, pitch }) => {
      // Oscillators and noise would go on from where the sentence before left them.
      module.HEAPU8.fill(0, fresh.length);
      module.HEAPU8.set(fresh);
      const [, timbre] = voice.split('+');
      // A timbre that is not there is taken for none without a word, a language for the one before.
      if ((timbre !== undefined && !timbres.has(timbre)) || engine.set_voice(voice) !== 0)
        throw new UserError(`espeak-ng: found no voice "${voice}"`);
      engine.set_rate(Math.round(WORDS_A_MINUTE * rate));
      engine.set_pitch(Math.round(MIDDLE_PITCH + PITCH_STEPS * Math.log(pitch)));
      const pieces: Int16Array[] = [];
      engine.synthesize(text, (samples) => {
        if (samples && samples.length > 0) pieces.push(samples);
      });
      const samples = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const piece of pieces) for (const sample of piece) samples[at++] = sample / 32_768;
      return { samples, sampleRate: engine.samplerate };
    },
  };
}
