/** A corpus of synthetic speech made of text alone: spoken, varied, read back, and listed in a manifest. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { abortable } from '../abort.ts';
import { defaultThreads } from '../backend/threads.ts';
import { embeddedModel } from '../checkpoint/embedded.ts';
import { modelFingerprint } from '../checkpoint/model-fingerprint.ts';
import { type CorpusClip, writeManifest } from '../data/manifest-write.ts';
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { lockFolder } from '../files/lock.ts';
import { namesIn } from '../files/read.ts';
import { ResumableLines } from '../files/resumable-lines.ts';
import { removeLeftovers } from '../files/write-whole.ts';
import type { WorkOptions } from '../report/progress.ts';
import { WhisperModel } from '../whisper/model.ts';
import { chooseVoices, engineVersions, type Voice } from './engines.ts';
import { Recorder, type RecorderOptions, type Sentence, type SynthesisRecord } from './recorder.ts';
import { checkSettings } from './settings.ts';
import { SpeakingThreads } from './speaking-threads.ts';
import { type SpokenText, textsToSpeak } from './spoken-texts.ts';
import { reasonsIn, SynthesisCounts, type SynthesisSummary } from './summary.ts';
import type { VariationOptions } from './variation.ts';

/**
 * Recordings that are read back together. Batches begin at its multiples, also in a resumed run: a text is always decoded
 * beside the same others, and so comes out the same.
 */
const RECORDINGS_PER_BATCH = 32;
/** In the output: what recordings depend on. */
export const SETTINGS_FILE = 'settings.json';

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
  /** Makes recordings in other processes, such as `recordedOnWorkers`. Default: all are made in this one. */
  readonly elsewhere?: RecordElsewhere | undefined;
}

/** What a batch needs that is made elsewhere. */
export interface BatchesElsewhere {
  /** Folder of the model that reads back. */
  readonly model: string;
  readonly options: Omit<RecorderOptions, 'onSkip'>;
  readonly batches: readonly (readonly Sentence[])[];
  /** Batches that are not needed. */
  readonly known: (batch: number) => boolean;
}

/** Records of the batches that are needed, in their order. */
export type RecordElsewhere = (job: BatchesElsewhere, work: WorkOptions) => AsyncIterable<SynthesisRecord[]>;

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
    private readonly recorder: Recorder,
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
      if (check !== undefined) model = await readBackModel(check, from);
      const settings = {
        ...{ from, to, perText, seed, rooms, noise, maxErrorRate },
        voices: voices.map(({ name, command }) => (command === '' ? name : `${name}: ${command}`)),
        engines: engineVersions(voices),
        model: check === undefined ? undefined : await modelFingerprint(check),
      };
      const recorder = new Recorder({ ...options, voices }, threads, model);
      return new Synthesis(options, texts, skipped, voices, settings, recorder);
    } catch (error) {
      await threads.close();
      await model?.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.recorder.close();
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

  #batch(start: number, end: number): Sentence[] {
    return Array.from({ length: Math.min(RECORDINGS_PER_BATCH, end - start) }, (_, i) => {
      const row = start + i;
      return { row, id: this.idOf(row), text: this.textOf(row).text };
    });
  }

  /**
   * Makes the batches of recordings that begin at these rows; kept recordings are written into the output.
   * @returns the records of each batch, in turn; the next one is spoken while one is read back
   */
  async *batches(starts: readonly number[], end: number): AsyncGenerator<SynthesisRecord[]> {
    const { signal } = this.options;
    const speakBatch = (start: number | undefined) => {
      const spoken = start === undefined ? undefined : this.recorder.speak(this.#batch(start, end));
      // It is awaited later, maybe never.
      spoken?.catch(() => {});
      return spoken;
    };
    let next = speakBatch(starts[0]);
    for (let i = 0; next !== undefined; i++) {
      const spoken = await next;
      signal?.throwIfAborted();
      next = speakBatch(starts[i + 1]);
      yield await this.recorder.keep(spoken, signal);
    }
  }

  /** The same, by other processes. */
  batchesElsewhere(
    elsewhere: RecordElsewhere,
    starts: readonly number[],
    end: number,
  ): AsyncIterable<SynthesisRecord[]> {
    const { from, maxErrorRate, output, seed, rooms, noise, model = embeddedModel } = this.options;
    const { onNote, onSkip, signal, onProgress } = this.options;
    const needed = new Set(starts);
    return elsewhere(
      {
        model,
        options: { from, maxErrorRate, output, seed, rooms, noise, voices: this.voices },
        batches: batchStarts(end).map((start) => this.#batch(start, end)),
        known: (batch) => !needed.has(batch * RECORDINGS_PER_BATCH),
      },
      { onNote, onSkip, signal, onProgress },
    );
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
    await checkSettings(join(output, SETTINGS_FILE), synthesis.settings);
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
    if (missing > 0 && !options.elsewhere) progress();
    const { elsewhere } = options;
    const made = elsewhere
      ? synthesis.batchesElsewhere(elsewhere, starts, count)
      : synthesis.batches(starts, count);
    for await (const batch of made) {
      signal?.throwIfAborted();
      await results.addAll(batch);
      done += batch.length;
      if (!elsewhere) progress();
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

/** Loads the model that reads back. @throws UserError where it has no token for the language */
export async function readBackModel(directory: string, language: string): Promise<WhisperModel> {
  const model = await WhisperModel.load(directory, { compute: 'auto' });
  try {
    model.tokens.language(language);
    return model;
  } catch (error) {
    await model.close();
    throw error;
  }
}
