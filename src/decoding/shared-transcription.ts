/**
 * Transcribes recordings that several ask for at the same time, each with options of its own: windows of different ones share
 * encoder runs and batches. A group takes as long as a person hardly notices; then whoever was served least has
 * the first window of the next one. So a sentence is done while an hour-long recording is, and who comes meanwhile joins the
 * next group.
 */

import { abortable } from '../abort.ts';
import type { AudioSource } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { UserError } from '../errors.ts';
import { smallest } from '../extremes.ts';
import { placesBy } from '../lists.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { BegunRecording, type FileToTranscribe } from './begun-recording.ts';
import { FRAMES_PER_BATCH } from './decode-clips.ts';
import { mayShareBatch, type Plan, planOf, type TranscribeFilesOptions } from './plan.ts';
import { MAX_HELD } from './recording.ts';
import type { Transcript } from './transcript.ts';
import { decodeGroup, framesOf, type NextWindow, nextGroup, type Turn } from './window-groups.ts';

/** A group is kept so small that it takes about as long, by the rate of those before it. */
const GROUP_MS = 400;
const MOST_WINDOWS = 32;
/** A full window, or five sentences: one such window is the least that can be decoded anyway. */
const LEAST_FRAMES = 1500;
/** Share of the newest group in the measured rate. */
const NEWEST = 0.3;

/** Recordings read at the same time; who reads more than a minute gives its place to others. */
const READERS = 2;
const LONG_READ_SECONDS = 60;
/** Reading keeps the thread busy that a group needs between its steps: after so long it waits for the group's end. */
const READ_MS = 100;
/** Seconds of samples that are held at most, 64 kB each; recordings of more than two minutes are read again instead. */
const MOST_HELD_SECONDS = 1800;

/** A group that was decoded. */
export interface DecodedGroup {
  readonly windows: number;
  /** Seconds of audio in them. */
  readonly seconds: number;
  readonly milliseconds: number;
}

export interface SharedOptions extends Omit<TranscribeFilesOptions, 'windows' | 'onProgress'> {
  /** Called once the recording was read, with its seconds. */
  readonly onBegun?: ((seconds: number) => void) | undefined;
}

/** A recording that is being transcribed, for somebody who waits. */
interface Asked {
  readonly recording: BegunRecording;
  readonly options: SharedOptions;
  /** Frames decoded of it, and what the least served of the others had when it came. */
  served: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class SharedTranscription {
  readonly #asked = new Map<BegunRecording, Asked>();
  #running = false;
  /** The group that is being decoded. */
  #group: Promise<void> | undefined;
  /** Frames decoded in a millisecond. */
  #rate: number | undefined;
  #readers = 0;
  #heldSeconds = 0;
  readonly #toRead: (() => void)[] = [];

  /**
   * @param beforeGroup awaited before each group: others may compute first
   * @param onGroup called after each
   */
  constructor(
    private readonly beforeGroup: () => Promise<void> | undefined,
    private readonly onGroup: (group: DecodedGroup) => void,
  ) {}

  /** @throws UserError where the recording cannot be read, or an option does not fit the model */
  transcribe<Audio extends AudioSource>(
    model: WhisperModel,
    file: FileToTranscribe<Audio>,
    options: SharedOptions,
  ): Promise<Transcript<Audio>> {
    return abortable(options.signal, async () => {
      const recording = await this.#begin(model, file, options);
      const held = recording.length <= MAX_HELD ? recording.duration : 0;
      this.#heldSeconds += held;
      try {
        options.onBegun?.(recording.duration);
        await this.#done(recording, options);
        const result = recording.result();
        if ('error' in result) throw new UserError(result.error);
        return result;
      } finally {
        this.#heldSeconds -= held;
        this.#letRead();
        await recording.close();
      }
    });
  }

  #done(recording: BegunRecording, options: SharedOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const least = smallest(this.#asked.values(), ({ served }) => served);
      const served = Number.isFinite(least) ? least : 0;
      this.#asked.set(recording, { recording, options, served, resolve, reject });
      void this.#run();
    });
  }

  /** Reads a recording for the first time, when it is its turn. */
  async #begin<Audio extends AudioSource>(
    model: WhisperModel,
    file: FileToTranscribe<Audio>,
    options: SharedOptions,
  ): Promise<BegunRecording<Audio>> {
    await new Promise<void>((resolve) => {
      this.#toRead.push(resolve);
      this.#letRead();
    });
    let reading = true;
    const endOfReading = () => {
      if (reading) this.#readers--;
      reading = false;
      this.#letRead();
    };
    let plan: Plan | undefined;
    try {
      options.signal?.throwIfAborted();
      let begun = performance.now();
      const onRead = async (_: AudioSource, seconds: number): Promise<void> => {
        if (seconds > LONG_READ_SECONDS) endOfReading();
        if (performance.now() - begun < READ_MS) return;
        await this.#group;
        begun = performance.now();
      };
      plan = await planOf(model, { ...options, onRead });
      return await BegunRecording.begin(file, plan);
    } finally {
      endOfReading();
      await plan?.speakers?.embedder.close();
    }
  }

  #letRead(): void {
    while (this.#toRead.length > 0 && this.#readers < READERS && this.#heldSeconds < MOST_HELD_SECONDS) {
      this.#readers++;
      this.#toRead.shift()!();
    }
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#asked.size > 0) {
        await this.beforeGroup();
        await this.#nextGroup();
      }
    } finally {
      this.#running = false;
    }
  }

  async #nextGroup(): Promise<void> {
    for (const [recording, { options, reject }] of this.#asked) {
      if (!options.signal?.aborted) continue;
      this.#asked.delete(recording);
      reject(options.signal.reason);
    }
    const [first, ...others] = [...this.#asked.values()].sort((a, b) => a.served - b.served);
    if (!first) return;
    const { plan } = first.recording;
    const together = [first, ...others.filter(({ recording }) => mayShareBatch(plan, recording.plan))];
    const frames = Math.max(LEAST_FRAMES, (this.#rate ?? 0) * GROUP_MS);
    const group = await nextGroup(leastServedFirst(together), {
      windows: MOST_WINDOWS,
      frames: Math.min(frames, FRAMES_PER_BATCH),
    }).catch((error: unknown) => {
      for (const { recording, reject } of together) {
        this.#asked.delete(recording);
        reject(error);
      }
      return [];
    });
    this.#group = this.#decode(group);
    await this.#group;
    this.#group = undefined;
    // Of one that can be read no more there is no window.
    await this.#report(new Set(group.map(({ recording }) => recording)).add(first.recording));
  }

  /** Where a group fails, its recordings are decoded one by one: others do not fail with one of them. */
  async #decode(group: readonly NextWindow[]): Promise<void> {
    if (group.length === 0) return;
    const frames = group.map(({ part }) => framesOf(part));
    const started = performance.now();
    const byRecording = placesBy(group, ({ recording }) => recording);
    try {
      await decodeGroup(group);
    } catch (error) {
      for (const [recording, places] of byRecording) {
        if (byRecording.size > 1) await this.#decode(places.map((i) => group[i]!));
        else this.#asked.get(recording)?.reject(error);
      }
      if (byRecording.size === 1) this.#asked.delete(group[0]!.recording);
      return;
    }
    const milliseconds = performance.now() - started;
    const sumOf = (places: Iterable<number>) => [...places].reduce((sum, i) => sum + frames[i]!, 0);
    for (const [recording, places] of byRecording) {
      const asked = this.#asked.get(recording);
      if (asked) asked.served += sumOf(places);
    }
    const rate = sumOf(frames.keys()) / milliseconds;
    this.#rate = this.#rate === undefined ? rate : (1 - NEWEST) * this.#rate + NEWEST * rate;
    const samples = group.reduce((sum, { samples }) => sum + samples.length, 0);
    this.onGroup({ windows: group.length, seconds: samples / SAMPLE_RATE, milliseconds });
  }

  /** Tells those who asked for these recordings what is new, and ends those of which all is done. */
  async #report(recordings: Iterable<BegunRecording>): Promise<void> {
    for (const recording of recordings) {
      const asked = this.#asked.get(recording);
      if (!asked) continue;
      try {
        const { done } = await recording.unfinished().next();
        recording.reportSegments(asked.options.onSegment);
        if (!done) continue;
        asked.resolve();
      } catch (error) {
        asked.reject(error);
      }
      this.#asked.delete(recording);
    }
  }
}

/** The parts of all, one at a time of whoever was served least, those of this group counted. */
async function* leastServedFirst(all: readonly Asked[]): AsyncGenerator<Turn, void, undefined> {
  const waiting = all.map(({ recording, served }) => ({ recording, served, parts: recording.unfinished() }));
  while (waiting.length > 0) {
    let least = waiting[0]!;
    for (const one of waiting) if (one.served < least.served) least = one;
    const { value: part } = await least.parts.next();
    if (part) {
      least.served += framesOf(part);
      yield { recording: least.recording, part };
    } else waiting.splice(waiting.indexOf(least), 1);
  }
}
