/** A corpus of synthetic speech made of text alone: spoken, varied, read back, and listed in a manifest. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { abortable } from '../abort.ts';
import { resampled } from '../audio/resample.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { wavBytes } from '../audio/wav-write.ts';
import { defaultThreads } from '../backend/threads.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { modelFingerprint } from '../checkpoint/model-fingerprint.ts';
import { type CorpusClip, writeManifest } from '../data/manifest-write.ts';
import { MAX_SECONDS } from '../data/recording.ts';
import { excerpt, UserError } from '../errors.ts';
import { largest } from '../extremes.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { lockFolder } from '../files/lock.ts';
import { namesIn } from '../files/read.ts';
import { ResumableLines } from '../files/resumable-lines.ts';
import { removeLeftovers, writeWhole } from '../files/write-whole.ts';
import type { WorkOptions } from '../report/progress.ts';
import { WhisperModel } from '../whisper/model.ts';
import type { Sound } from './engines/engine.ts';
import { chooseVoices, engineVersions, type Voice } from './engines.ts';
import { readBack } from './read-back.ts';
import { spokenForm } from './readable-text.ts';
import { checkSettings } from './settings.ts';
import { SpeakingThreads } from './speaking-threads.ts';
import { type SpokenText, textsToSpeak } from './spoken-texts.ts';
import { reasonsIn, SynthesisCounts, type SynthesisSummary } from './summary.ts';
import { drawVariation, mannerOf, placed, type Variation, type VariationOptions } from './variation.ts';

/**
 * Recordings that are read back together. Batches begin at its multiples, also in a resumed run: a text is always decoded
 * beside the same others, and so comes out the same.
 */
const RECORDINGS_PER_BATCH = 32;
/** Shorter sound is a click, not a sentence. */
const MIN_SECONDS = 0.1;
const SILENCE = 1e-4;

export interface SynthesisOptions extends VariationOptions, WorkOptions {
  /** Manifest of texts, `.tsv`, `.csv` or `.jsonl`: `text` or `text_<from>`, and translations. */
  readonly pairs: string;
  /** Language to speak. */
  readonly from: string;
  /** Languages that each text must have a translation in. Default: none, and all that there are are kept. */
  readonly to?: readonly string[] | undefined;
  /** Folder of recordings, results and manifest. */
  readonly output: string;
  /** Voices, or engines with all of theirs. Default: all that are installed. */
  readonly voices?: readonly string[] | undefined;
  /** The user's own engines (engines/command.ts). */
  readonly commands?: readonly string[] | undefined;
  /** Texts at most: a sample by the seed. Default: all. */
  readonly limit?: number | undefined;
  /** Recordings of each text, each with a voice, manner and room of its own. Default 1. */
  readonly perText?: number | undefined;
  /** Largest character error rate of Whisper's transcript. Undefined: recordings are not read back. */
  readonly maxErrorRate: number | undefined;
  /** The model that reads back. Default: the embedded Whisper base. */
  readonly model?: string | undefined;
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

interface Spoken {
  readonly samples?: Float32Array;
  readonly record: SynthesisRecord;
}

/**
 * Recordings to make, and what makes them. Each is a pure function of the options and its number: batches in any order give
 * the same records and files.
 */
export class Synthesis {
  private constructor(
    private readonly options: SynthesisOptions,
    readonly texts: readonly SpokenText[],
    /** Texts that are not spoken, by reason. */
    readonly skipped: ReadonlyMap<string, number>,
    readonly voices: readonly Voice[],
    /** All that the recordings depend on beside their texts. */
    readonly settings: Readonly<Record<string, unknown>>,
    private readonly threads: SpeakingThreads,
    private readonly model: WhisperModel | undefined,
  ) {}

  /** @throws UserError where there is no voice, no text, or no model */
  static async open(options: SynthesisOptions): Promise<Synthesis> {
    const { from, to, perText = 1, maxErrorRate, seed, rooms, noise } = options;
    const { texts, skipped } = await textsToSpeak(options);
    const threads = new SpeakingThreads(defaultThreads());
    let model: WhisperModel | undefined;
    try {
      const voices = await chooseVoices(from, options.voices, options.commands ?? [], (engine) =>
        threads.voices(engine),
      );
      const check = maxErrorRate === undefined ? undefined : (options.model ?? embeddedModel);
      if (check !== undefined) {
        model = await WhisperModel.load(check, { compute: 'auto' });
        model.tokens.language(from);
      }
      const settings = {
        ...{ from, to, perText, seed, rooms, noise, maxErrorRate },
        voices: voices.map(({ name, command }) => (command === '' ? name : `${name}: ${command}`)),
        engines: engineVersions(voices),
        model: check === undefined ? undefined : await modelFingerprint(check),
      };
      return new Synthesis(options, texts, skipped, voices, settings, threads, model);
    } catch (error) {
      await threads.close();
      await model?.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.threads.close();
    await this.model?.close();
  }

  /** Recordings of all texts. */
  get count(): number {
    return this.texts.length * (this.options.perText ?? 1);
  }

  textOf(row: number): SpokenText {
    return this.texts[Math.floor(row / (this.options.perText ?? 1))]!;
  }

  idOf(row: number): string {
    const { text, occurrence } = this.textOf(row);
    return fingerprint(JSON.stringify([text, occurrence, row % (this.options.perText ?? 1)]), 16);
  }

  /**
   * Makes the batches of recordings that begin at these rows; kept recordings are written into the output.
   * @returns the records of each batch, in turn; the next one is spoken while one is read back
   */
  async *batches(starts: readonly number[], end: number): AsyncGenerator<SynthesisRecord[]> {
    const rowsFrom = (start: number): number[] =>
      Array.from({ length: Math.min(RECORDINGS_PER_BATCH, end - start) }, (_, i) => start + i);
    const speakBatch = (start: number | undefined) => {
      const spoken =
        start === undefined ? undefined : Promise.all(rowsFrom(start).map((row) => this.#speak(row)));
      // It is awaited later, maybe never.
      spoken?.catch(() => {});
      return spoken;
    };
    let next = speakBatch(starts[0]);
    for (let i = 0; next !== undefined; i++) {
      const spoken = await next;
      this.options.signal?.throwIfAborted();
      next = speakBatch(starts[i + 1]);
      yield await this.#keep(spoken);
    }
  }

  async #speak(row: number): Promise<Spoken> {
    const { onSkip } = this.options;
    const id = this.idOf(row);
    const { text } = this.textOf(row);
    const variation = drawVariation(id, this.voices, this.options);
    const record: SynthesisRecord = { row, id, ...described(variation) };
    let sound: Sound;
    try {
      sound = await this.threads.speak(spokenForm(text), variation.voice, mannerOf(variation));
    } catch (error) {
      onSkip?.(`${record.voice}: ${(error as Error).message}: ${excerpt(text)}`);
      return { record: { ...record, dropped: 'engine failed' } };
    }
    const spoken = resampled(sound.samples, sound.sampleRate, SAMPLE_RATE);
    const seconds = spoken.length / SAMPLE_RATE;
    if (seconds < MIN_SECONDS || largest(spoken, Math.abs) < SILENCE)
      return { record: { ...record, dropped: 'no sound' } };
    if (seconds > MAX_SECONDS) return { record: { ...record, seconds, dropped: 'too long' } };
    const samples = placed(spoken, variation);
    return { samples, record: { ...record, seconds: samples.length / SAMPLE_RATE } };
  }

  /** Reads the recordings of a batch back, and writes those that are kept. */
  async #keep(batch: readonly Spoken[]): Promise<SynthesisRecord[]> {
    const { maxErrorRate, from, output, signal } = this.options;
    const sounding = batch.flatMap(({ samples, record }) => (samples ? [{ samples, record }] : []));
    const read =
      this.model && sounding.length > 0
        ? await readBack(
            this.model,
            sounding.map(({ samples }) => samples),
            sounding.map(({ record }) => this.textOf(record.row).text),
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

  /** The manifest's row of a recording that was kept. */
  clipOf(record: SynthesisRecord): CorpusClip {
    const { text, key, set, translations } = this.textOf(record.row);
    const { voice, rate, pitch, room, noise, characterErrorRate: errors } = record;
    return {
      audio: join(this.options.output, record.audio!),
      language: this.options.from,
      ...{ set, key, text, translations, duration: record.seconds! },
      other: {
        synthetic: voice.split('/')[0]!,
        ...{ voice, rate: String(rate), pitch: String(pitch) },
        room: room === 0 ? '' : `${room} s`,
        noise,
        cer: errors === undefined ? '' : errors.toFixed(3),
      },
    };
  }
}

/** Makes a corpus, or what an earlier run left of it. @throws UserError */
export function synthesise(options: SynthesisOptions): Promise<SynthesisSummary> {
  return abortable(options.signal, () => lockFolder(options.output, () => inFolder(options), options));
}

async function inFolder(options: SynthesisOptions): Promise<SynthesisSummary> {
  const { output, limit, perText = 1, onProgress, signal } = options;
  const synthesis = await Synthesis.open(options);
  try {
    await checkSettings(join(output, 'settings.json'), synthesis.settings);
    // Of a run that was killed.
    const clips = join(output, 'clips');
    for (const name of await namesIn(clips)) await removeLeftovers(join(clips, name));
    const all = synthesis.count;
    const count = Math.min(all, (limit ?? all) * perText);
    const results = await ResumableLines.open<SynthesisRecord>(join(output, 'results.jsonl'), {
      resume: true,
      start: '{"row":',
      expected: 'results of synthesise',
      keyOf: ({ row }) => String(row),
      keep: ({ row, id, audio }) =>
        row < all && synthesis.idOf(row) === id && (audio === undefined || existsSync(join(output, audio))),
    });
    const isMade = (start: number): boolean => {
      for (let row = start; row < Math.min(count, start + RECORDINGS_PER_BATCH); row++)
        if (!results.has(String(row))) return false;
      return true;
    };
    const starts = batchStarts(count).filter((start) => !isMade(start));
    const missing = starts.reduce((sum, start) => sum + Math.min(RECORDINGS_PER_BATCH, count - start), 0);
    let done = count - missing;
    const progress = (): void => {
      onProgress?.({ stage: 'synthesising', done, total: count, resumed: count - missing });
    };
    if (missing > 0) progress();
    for await (const batch of synthesis.batches(starts, count)) {
      signal?.throwIfAborted();
      await results.addAll(batch);
      done += batch.length;
      progress();
    }
    await results.order(Array.from({ length: count }, (_, row) => String(row)));
    const counts = new SynthesisCounts(synthesis.voices.map(({ name }) => name));
    for (const record of results.slice(0, count)) counts.add(record);
    const manifest = join(output, 'manifest.tsv');
    const summary = counts.summary(manifest, synthesis.skipped);
    if (summary.kept === 0)
      throw new UserError(
        `${output}: found no recording to keep of ${count}; left out: ${reasonsIn(summary.dropped)}`,
      );
    const kept = function* (): Generator<CorpusClip> {
      for (const record of results.slice(0, count))
        if (record.audio !== undefined) yield synthesis.clipOf(record);
    };
    await writeManifest(manifest, kept());
    return summary;
  } finally {
    await synthesis.close();
  }
}

const batchStarts = (count: number): number[] =>
  Array.from({ length: Math.ceil(count / RECORDINGS_PER_BATCH) }, (_, i) => i * RECORDINGS_PER_BATCH);

const described = ({ voice, rate, pitch, room, noise }: Variation) => ({
  voice: voice.name,
  rate,
  pitch,
  room: room?.decaySeconds ?? 0,
  noise: noise ? `${noise.colour} ${noise.snrDb} dB` : '',
});
