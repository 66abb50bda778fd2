/** Measures a recording in one reading, block by block: length, speech, level, clipping, offset, damage, and what is heard. */
import { readSourceInBlocks } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { VoiceActivity } from '../audio/voice-activity.ts';
import { toPcm16 } from '../audio/wav-write.ts';
import { Fingerprint } from '../files/fingerprint.ts';

export interface SoundMeasures {
  /** Length, seconds. */
  readonly seconds: number;
  /** Of them with speech, without pauses. */
  readonly speech: number;
  /** Mean level where somebody speaks, without speech that of the whole; dB of full scale. */
  readonly level: number;
  /** Level of the loudest 32 ms, dB of full scale. */
  readonly loudest: number;
  /** Mean of the samples, of full scale. */
  readonly offset: number;
  /** Share of the samples that stand at full scale with others beside them. */
  readonly clipped: number;
  /** Most samples in a row at full scale. */
  readonly longestClip: number;
  /** What is missing of a recording that is cut off or damaged, one line. */
  readonly damage?: string;
  /** SHA-256 of the samples at 16 bits, 32 digits: the same for a recording in another lossless container. */
  readonly sound: string;
}

/** Version of the measures: raise it with every change of them. */
export const MEASURES = 1;

/** Samples of a level, 32 ms: a frame of the voice detector. */
const FRAME = 512;
/** Magnitude from which a sample counts as full scale: resampling and lossy coding move the edge of what was cut. */
const FULL_SCALE = 0.985;
/** A single sample at full scale is a peak; so many in a row were cut. */
const SHORTEST_RUN = 3;
/** Level of nothing but zeros. */
export const SILENCE_DB = -120;

const decibels = (energy: number): number =>
  energy > 0 ? Math.max(SILENCE_DB, 10 * Math.log10(energy)) : SILENCE_DB;

/** @throws UserError where the recording cannot be read */
export async function measureSound(audio: string, signal?: AbortSignal): Promise<SoundMeasures> {
  let damage: string | undefined;
  const activity = new VoiceActivity(signal);
  const hash = new Fingerprint();
  const frames: number[] = [];
  let length = 0;
  let frameEnergy = 0;
  let sum = 0;
  let clipped = 0;
  let run = 0;
  let longestClip = 0;
  const endRun = (): void => {
    if (run >= SHORTEST_RUN) clipped += run;
    longestClip = Math.max(longestClip, run);
    run = 0;
  };
  const blocks = readSourceInBlocks(audio, {
    isHeld: false,
    onDamage: (line) => {
      damage = line;
    },
    ...(signal && { signal }),
  });
  for await (const [samples] of blocks) {
    const values = samples!;
    const whole = new Int16Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      sum += value;
      frameEnergy += value * value;
      if (Math.abs(value) >= FULL_SCALE) run++;
      else if (run > 0) endRun();
      whole[i] = toPcm16(value);
      if (++length % FRAME === 0) {
        frames.push(frameEnergy / FRAME);
        frameEnergy = 0;
      }
    }
    hash.add(whole);
    await activity.add(values);
  }
  endRun();
  if (length % FRAME > 0) frames.push(frameEnergy / (length % FRAME));
  const { runs } = await activity.finish();
  let speech = 0;
  let speechEnergy = 0;
  let speechFrames = 0;
  for (const { start, end } of runs) {
    speech += Math.min(end, length) - start;
    for (let i = start / FRAME; i < Math.min(end / FRAME, frames.length); i++) {
      speechEnergy += frames[i]!;
      speechFrames++;
    }
  }
  const all = frames.reduce((total, energy) => total + energy, 0);
  const loudest = frames.reduce((most, energy) => Math.max(most, energy), 0);
  return {
    seconds: length / SAMPLE_RATE,
    speech: speech / SAMPLE_RATE,
    level: decibels(speechFrames > 0 ? speechEnergy / speechFrames : all / Math.max(1, frames.length)),
    loudest: decibels(loudest),
    offset: length > 0 ? sum / length : 0,
    clipped: length > 0 ? clipped / length : 0,
    longestClip,
    ...(damage !== undefined && { damage }),
    sound: hash.hex(32),
  };
}
