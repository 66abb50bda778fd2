/** How a sentence is spoken, and where: drawn by a seed, so that the same corpus can be made again. */
import { addNoise } from '../audio/augment/noise.ts';
import { reverberate } from '../audio/augment/reverberation.ts';
import { changeSpeed } from '../audio/augment/speed.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { largest } from '../extremes.ts';
import { seedOf } from '../files/fingerprint.ts';
import { below, gaussian, sfc32, uniform } from '../random.ts';
import type { Manner } from './engines/engine.ts';
import type { Voice } from './engines.ts';

/** Speed factors of engines that speak in one manner only; the pitch goes with it. */
const SPEEDS = [0.9, 1.1] as const;
/** Time in which a room's sound falls by 60 dB, seconds: from a furnished one to an office. */
const DECAY_SECONDS = [0.1, 0.4] as const;
/** Direct sound to reverberation, dB: from across the room to close by. */
const DIRECT_DB = [3, 12] as const;
/** Speech to noise, dB. */
const SNR_DB = [15, 35] as const;
/** Highest peak of a recording. */
const PEAK = 0.8;

/** Noise by its spectrum: power falls by 0, 3 or 6 dB an octave. */
const COLOURS = ['white', 'pink', 'brown'] as const;
type Colour = (typeof COLOURS)[number];

export interface VariationOptions {
  readonly seed: number;
  /** Probabilities that a recording is in a room, and that it has noise. */
  readonly rooms: number;
  readonly noise: number;
}

export interface Variation {
  readonly voice: Voice;
  readonly rate: number;
  readonly pitch: number;
  /** Undefined: none. */
  readonly room: { readonly decaySeconds: number; readonly directDb: number } | undefined;
  readonly noise: { readonly colour: Colour; readonly snrDb: number } | undefined;
  /** Of the room's echoes and of the noise. */
  readonly seed: number;
}

const between = ([low, high]: readonly [number, number], random: () => number): number =>
  low + (high - low) * uniform(random);
/** As the manifest writes it: what is drawn is what is written. */
const rounded = (value: number): number => Math.round(value * 100) / 100;

/** @param name of the recording: another one for each text and each of its recordings */
export function drawVariation(name: string, voices: readonly Voice[], options: VariationOptions): Variation {
  const random = sfc32(seedOf(JSON.stringify([options.seed, name])));
  // All are drawn, used or not: without noise the rooms stay as they are.
  // Each engine as often, though one may have forty voices and another four.
  const engines = [...new Set(voices.map(({ engine }) => engine))];
  const engine = engines[below(engines.length, random)]!;
  const own = voices.filter((one) => one.engine === engine);
  const voice = own[below(own.length, random)]!;
  const speed = rounded(between(SPEEDS, random));
  const { rates, pitches } = engine;
  const rate = rounded(between(rates ?? SPEEDS, random));
  const pitch = rounded(between(pitches ?? SPEEDS, random));
  const inRoom = uniform(random) < options.rooms;
  const room = {
    decaySeconds: rounded(between(DECAY_SECONDS, random)),
    directDb: Math.round(between(DIRECT_DB, random)),
  };
  const isNoisy = uniform(random) < options.noise;
  const noise = {
    colour: COLOURS[below(COLOURS.length, random)]!,
    snrDb: Math.round(between(SNR_DB, random)),
  };
  return {
    voice,
    rate: rates ? rate : speed,
    pitch: !pitches ? speed : voice.fixedPitch ? 1 : pitch,
    room: inRoom ? room : undefined,
    noise: isNoisy ? noise : undefined,
    seed: random(),
  };
}

/** The manner that the engine is asked for. */
export const mannerOf = ({ voice: { engine }, rate, pitch }: Variation): Manner => ({
  rate: engine.rates ? rate : 1,
  pitch: engine.pitches ? pitch : 1,
});

/**
 * Speech in its room, with its noise, at its level.
 * @param samples 16 kHz, as the engine spoke
 */
export function placed(samples: Float32Array, { voice, rate, room, noise, seed }: Variation): Float32Array {
  let sound = voice.engine.rates ? samples : changeSpeed(samples, rate);
  if (room) sound = reverberate(sound, roomResponse(room.decaySeconds, room.directDb, seed));
  if (noise) sound = addNoise(sound, colouredNoise(sound.length, noise.colour, seed + 1), noise.snrDb, 0);
  const peak = largest(sound, Math.abs);
  return peak > 0 ? sound.map((sample) => (sample * PEAK) / peak) : sound;
}

/**
 * Impulse response of a room after Polack (1988): the direct sound, then normal noise that decays exponentially.
 * @param decaySeconds time in which it falls by 60 dB
 * @param directDb power of the direct sound to that of all the rest
 */
function roomResponse(decaySeconds: number, directDb: number, seed: number): Float32Array {
  const random = sfc32(seed);
  const perSample = (3 * Math.LN10) / (decaySeconds * SAMPLE_RATE);
  const response = Float32Array.from(
    { length: Math.round(decaySeconds * SAMPLE_RATE) },
    (_, i) => gaussian(random) * Math.exp(-perSample * i),
  );
  response[0] = 0;
  let power = 0;
  for (const value of response) power += value * value;
  const gain = Math.sqrt(10 ** (-directDb / 10) / power);
  const whole = response.map((value) => gain * value);
  whole[0] = 1;
  return whole;
}

/** Noise of a colour: pink by Kellet's filter (1999), brown by a leaky sum. */
function colouredNoise(length: number, colour: Colour, seed: number): Float32Array {
  const random = sfc32(seed);
  let [b0, b1, b2, brown] = [0, 0, 0, 0];
  return Float32Array.from({ length }, () => {
    const white = gaussian(random);
    if (colour === 'white') return white;
    if (colour === 'brown') {
      brown = 0.98 * brown + white;
      return brown;
    }
    b0 = 0.99765 * b0 + white * 0.099046;
    b1 = 0.963 * b1 + white * 0.2965164;
    b2 = 0.57 * b2 + white * 1.0526913;
    return b0 + b1 + b2 + white * 0.1848;
  });
}
