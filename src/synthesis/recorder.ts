/** Makes recordings of sentences: spoken, varied, read back, and written where they are kept. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { resampled } from '../audio/resample.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { MAX_SECONDS } from '../data/recording.ts';
import { excerpt } from '../errors.ts';
import { largest } from '../extremes.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Sound } from './engines/engine.ts';
import type { Voice } from './engines.ts';
import { readBack } from './read-back.ts';
import { spokenForm } from './readable-text.ts';
import type { SpeakingThreads } from './speaking-threads.ts';
import { drawVariation, mannerOf, placed, type Variation, type VariationOptions } from './variation.ts';

/** Shorter sound is a click, not a sentence. */
const MIN_SECONDS = 0.1;
const SILENCE = 1e-4;

/** A sentence to record. */
export interface Sentence {
  /** Its number among all recordings that the texts are to have. */
  readonly row: number;
  /** Fingerprint of its text and place: voice and manner are drawn by it. */
  readonly id: string;
  readonly text: string;
}

/** What became of a recording: a line of results.jsonl. */
export interface SynthesisRecord {
  /** Its number among all that the texts are to have. */
  readonly row: number;
  /** Fingerprint of its text and place. */
  readonly id: string;
  readonly voice: string;
  readonly rate: number;
  readonly pitch: number;
  /** Seconds in which the room's sound decays by 60 dB; 0: none. */
  readonly room: number;
  /** Such as `pink 20 dB`; '': none. */
  readonly noise: string;
  readonly seconds?: number;
  /** Relative to the output, where it was kept. */
  readonly audio?: string;
  readonly transcript?: string;
  readonly characterErrorRate?: number;
  /** Why it was left out. */
  readonly dropped?: 'misread' | 'too long' | 'no sound' | 'engine failed';
}

export interface RecorderOptions extends VariationOptions {
  /** Language to speak. */
  readonly from: string;
  readonly voices: readonly Voice[];
  /** Largest character error rate of Whisper's transcript. Undefined: recordings are not read back. */
  readonly maxErrorRate: number | undefined;
  /** Folder of the recordings. */
  readonly output: string;
  /** Called with a line where a sentence cannot be spoken. */
  readonly onSkip?: ((reason: string, row: number) => void) | undefined;
}

/** A recording that is not yet read back; without samples it is left out. */
export interface Spoken {
  readonly samples?: Float32Array;
  readonly text: string;
  readonly record: SynthesisRecord;
}

/** A recording is a pure function of sentence and options: sentences in any order give the same records and files. */
export class Recorder {
  constructor(
    private readonly options: RecorderOptions,
    private readonly threads: SpeakingThreads,
    /** Reads back. */
    private readonly model: WhisperModel | undefined,
  ) {}

  async close(): Promise<void> {
    await this.threads.close();
    await this.model?.close();
  }

  speak(sentences: readonly Sentence[]): Promise<Spoken[]> {
    return Promise.all(sentences.map((sentence) => this.#speak(sentence)));
  }

  async #speak({ row, id, text }: Sentence): Promise<Spoken> {
    const { onSkip, voices } = this.options;
    const variation = drawVariation(id, voices, this.options);
    const record: SynthesisRecord = { row, id, ...described(variation) };
    let sound: Sound;
    try {
      sound = await this.threads.speak(spokenForm(text), variation.voice, mannerOf(variation));
    } catch (error) {
      onSkip?.(`${record.voice}: ${(error as Error).message}: ${excerpt(text)}`, row);
      return { text, record: { ...record, dropped: 'engine failed' } };
    }
    const spoken = resampled(sound.samples, sound.sampleRate, SAMPLE_RATE);
    const seconds = spoken.length / SAMPLE_RATE;
    if (seconds < MIN_SECONDS || largest(spoken, Math.abs) < SILENCE)
      return { text, record: { ...record, dropped: 'no sound' } };
    if (seconds > MAX_SECONDS) return { text, record: { ...record, seconds, dropped: 'too long' } };
    const samples = placed(spoken, variation);
    return { text, samples, record: { ...record, seconds: samples.length / SAMPLE_RATE } };
  }

  /** Reads the recordings of a batch back, and writes those that are kept. */
  async keep(batch: readonly Spoken[], signal?: AbortSignal): Promise<SynthesisRecord[]> {
    const { maxErrorRate, from, output } = this.options;
    const sounding = batch.flatMap(({ samples, ...spoken }) => (samples ? [{ samples, ...spoken }] : []));
    const read =
      this.model && sounding.length > 0
        ? await readBack(
            this.model,
            sounding.map(({ samples }) => samples),
            sounding.map(({ text }) => text),
            from,
            signal,
          )
        : undefined;
    const finished = new Map<number, SynthesisRecord>();
    for (const [i, { samples, record }] of sounding.entries()) {
      const checked = { ...record, ...read?.[i] };
      if (checked.characterErrorRate !== undefined && checked.characterErrorRate > maxErrorRate!) {
        finished.set(record.row, { ...checked, dropped: 'misread' });
        continue;
      }
      const bytes = wavBytes(samples);
      const name = fingerprint(bytes, 20);
      const audio = `clips/${name.slice(0, 2)}/${name.slice(2)}.wav`;
      const file = join(output, audio);
      if (!existsSync(file)) await writeWhole(file, bytes);
      finished.set(record.row, { ...checked, audio });
    }
    return batch.map(({ record }) => finished.get(record.row) ?? record);
  }
}

/** The record of a sentence whose voice failed. */
export function unspoken(
  { row, id }: Sentence,
  options: Pick<RecorderOptions, 'voices'> & VariationOptions,
): SynthesisRecord {
  return { row, id, ...described(drawVariation(id, options.voices, options)), dropped: 'engine failed' };
}

const described = ({ voice, rate, pitch, room, noise }: Variation) => ({
  voice: voice.name,
  rate,
  pitch,
  room: room?.decaySeconds ?? 0,
  noise: noise ? `${noise.colour} ${noise.snrDb} dB` : '',
});
