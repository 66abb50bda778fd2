/** Long recordings for the benches, made of the sentences in samples/: with pauses, with music in the middle, without pauses. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { readAudio } from '../src/audio/audio-file.ts';
import { joinSamples } from '../src/audio/join-samples.ts';
import { SAMPLE_RATE } from '../src/audio/sample-rate.ts';
import { VoiceActivity } from '../src/audio/voice-activity.ts';
import { wavBytes } from '../src/audio/wav-write.ts';
import { sfc32, uniform } from '../src/random.ts';
import type { BenchOptions } from './options.ts';
import { inRepository } from './result.ts';
import { sentences } from './speech.ts';

/** Silence between the sentences. */
const PAUSE = 0.5 * SAMPLE_RATE;
/** Sentences before the music, and after it. */
const AROUND_MUSIC = 10;
const MUSIC_SECONDS = 60;
/** Sentences of the recording without a pause: more than 30 s of speech. */
const WITHOUT_PAUSE = 14;
/** Sentences that follow each other without a pause fade into each other. */
const FADE = 0.01 * SAMPLE_RATE;

export interface LongRecording {
  readonly name: string;
  readonly file: string;
  readonly language: string;
  readonly seconds: number;
  readonly sentences: readonly {
    readonly audio: string;
    readonly text: string;
    /** Where it is spoken in the recording, seconds: the first and the last sound of it. */
    readonly start: number;
    readonly end: number;
  }[];
  /** Where nobody speaks: music, seconds. */
  readonly music?: { readonly start: number; readonly end: number };
}

export const RECORDINGS: Record<
  string,
  { readonly about: string; readonly make: (options: Pick<BenchOptions, 'music'>) => Promise<LongRecording> }
> = {
  en: { about: 'all English sentences, with pauses of half a second', make: () => joined('en') },
  fr: { about: 'all French sentences', make: () => joined('fr') },
  ca: { about: 'all Catalan sentences', make: () => joined('ca') },
  music: { about: `English sentences around ${MUSIC_SECONDS} s of music`, make: aroundMusic },
  'no-pause': { about: 'English sentences, all silence taken out', make: withoutPauses },
};

async function joined(language: string): Promise<LongRecording> {
  return await written(language, language, await sentences(language), (samples) => [
    samples,
    new Float32Array(PAUSE),
  ]);
}

async function aroundMusic({ music: file }: Pick<BenchOptions, 'music'>): Promise<LongRecording> {
  const played =
    file === undefined ? synthesized(MUSIC_SECONDS) : repeated(await readAudio(file), MUSIC_SECONDS);
  const clips = await sentences('en', 2 * AROUND_MUSIC);
  let music: LongRecording['music'];
  const recording = await written('music', 'en', clips, (samples, i, at) => {
    if (i + 1 !== AROUND_MUSIC) return [samples, new Float32Array(PAUSE)];
    const start = (at + samples.length + PAUSE) / SAMPLE_RATE;
    music = { start, end: start + MUSIC_SECONDS };
    return [samples, new Float32Array(PAUSE), played, new Float32Array(PAUSE)];
  });
  return { ...recording, music: music! };
}

async function withoutPauses(): Promise<LongRecording> {
  const clips = await sentences('en', WITHOUT_PAUSE);
  return await written('no-pause', 'en', clips, async (samples) => {
    const activity = new VoiceActivity();
    await activity.add(samples);
    const { runs } = await activity.finish();
    // Each run fades in and out: none begins with a click.
    return runs.map(({ start, end }) => {
      const run = samples.slice(Math.max(0, start - FADE), Math.min(samples.length, end + FADE));
      for (let i = 0; i < FADE && i < run.length / 2; i++) {
        run[i]! *= i / FADE;
        run[run.length - 1 - i]! *= i / FADE;
      }
      return run;
    });
  });
}

async function written(
  name: string,
  language: string,
  clips: Awaited<ReturnType<typeof sentences>>,
  partsOf: (samples: Float32Array, i: number, at: number) => Float32Array[] | Promise<Float32Array[]>,
): Promise<LongRecording> {
  const all: Float32Array[] = [];
  const list: LongRecording['sentences'][number][] = [];
  let at = 0;
  for (const [i, { audio, text }] of clips.entries()) {
    const samples = await readAudio(audio);
    const parts = await partsOf(samples, i, at);
    const [first, last] = loudSpan(parts[0] === samples ? samples : joinSamples(parts));
    list.push({ audio, text, start: (at + first) / SAMPLE_RATE, end: (at + last) / SAMPLE_RATE });
    all.push(...parts);
    at += lengthOf(parts);
  }
  mkdirSync(inRepository('out/bench'), { recursive: true });
  const file = inRepository(`out/bench/long-${name}.wav`);
  writeFileSync(file, wavBytes(joinSamples(all)));
  return { name, file, language, seconds: at / SAMPLE_RATE, sentences: list };
}

const lengthOf = (parts: readonly Float32Array[]): number =>
  parts.reduce((sum, { length }) => sum + length, 0);

const LOUDNESS_FRAME = 0.02 * SAMPLE_RATE;
/** Of the loudest frame's mean amplitude: −32 dB. */
const LOUD = 0.025;

/** From the first loud frame to the last, in samples. */
function loudSpan(samples: Float32Array): [first: number, last: number] {
  const levels: number[] = [];
  for (let at = 0; at < samples.length; at += LOUDNESS_FRAME) {
    const frame = samples.subarray(at, at + LOUDNESS_FRAME);
    levels.push(Math.sqrt(frame.reduce((sum, value) => sum + value ** 2, 0) / frame.length));
  }
  const least = LOUD * Math.max(...levels);
  const isLoud = (level: number): boolean => level >= least;
  return [levels.findIndex(isLoud) * LOUDNESS_FRAME, (levels.findLastIndex(isLoud) + 1) * LOUDNESS_FRAME];
}

/** Sound from its beginning, again and again where it is shorter. */
function repeated(samples: Float32Array, seconds: number): Float32Array {
  return Float32Array.from({ length: seconds * SAMPLE_RATE }, (_, i) => samples[i % samples.length]!);
}

const BEAT = 0.5 * SAMPLE_RATE;
/** Chords of four beats, semitones above A (110 Hz): A minor, F, C, G. */
const CHORDS = [
  [0, 12, 15, 19],
  [-4, 8, 12, 15],
  [3, 10, 15, 19],
  [-2, 10, 14, 17],
];

/** Plucked chords, a melody of their notes, a bass and a beat of noise: music as a synthesiser plays it. */
function synthesized(seconds: number): Float32Array {
  const random = sfc32(17);
  const samples = new Float32Array(seconds * SAMPLE_RATE);
  const pluck = (at: number, frequency: number, length: number, loudness: number): void => {
    for (let i = 0; i < length && at + i < samples.length; i++) {
      const time = i / SAMPLE_RATE;
      let tone = 0;
      for (let partial = 1; partial <= 6; partial++)
        tone += Math.sin(2 * Math.PI * partial * frequency * time) / partial ** 1.5;
      samples[at + i]! += loudness * tone * Math.min(1, time / 0.01) * Math.exp(-3 * time);
    }
  };
  const noise = (at: number, length: number, loudness: number): void => {
    for (let i = 0; i < length && at + i < samples.length; i++)
      samples[at + i]! += loudness * (2 * uniform(random) - 1) * Math.exp((-6 * i) / length);
  };
  const note = (semitones: number): number => 110 * 2 ** (semitones / 12);
  for (let beat = 0; beat * BEAT < samples.length; beat++) {
    const at = beat * BEAT;
    const chord = CHORDS[Math.floor(beat / 4) % CHORDS.length]!;
    pluck(at, note(chord[0]!) / 2, BEAT, 0.12);
    if (beat % 4 === 0) for (const tone of chord) pluck(at, note(tone), 4 * BEAT, 0.06);
    for (const half of [0, BEAT / 2])
      pluck(at + half, 2 * note(chord[1 + Math.floor(3 * uniform(random))]!), BEAT, 0.08);
    noise(at, 0.05 * SAMPLE_RATE, 0.05);
    if (beat % 2 === 1) noise(at, 0.15 * SAMPLE_RATE, 0.12);
  }
  return samples;
}
