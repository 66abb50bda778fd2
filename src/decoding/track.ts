/** Transcription in progress of a recording, or of one of its channels: its parts, which come while it is read. */

import type { AudioSource } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { PADDING, type SpeechStretch } from '../audio/voice-activity.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { cutSilence } from './cut-silence.ts';
import { keptLanguage, type WindowKey } from './kept-window.ts';
import { type FileFacts, type Part, PartTranscription, type WindowOptions } from './part-transcription.ts';
import type { Samples, ScannedTrack } from './recording.ts';
import { spokenPieces } from './speech-pieces.ts';
import {
  isLong,
  type Piece,
  piecesOf,
  type Region,
  speechRegions,
  speechSeconds,
  windowsToAsk,
} from './speech-regions.ts';
import { WINDOW_SAMPLES } from './split-long-audio.ts';
import { type Pause, pausesOf } from './spoken-times.ts';
import type { WindowFile } from './window-file.ts';

/** Windows that each have a language are shorter: fewer have two. */
const LANGUAGE_WINDOW_SAMPLES = 15 * SAMPLE_RATE;

export interface TrackOptions extends WindowOptions {
  readonly skipSilence: boolean;
  /** Of several channels, times follow voice activity, so that segments merge in the order of speech. */
  readonly channels: 'mix' | 'separate' | undefined;
  readonly kept: Pick<WindowFile, 'get' | 'add'> | undefined;
}

/** Audio that is transcribed for itself: of a recording, or of a channel. Its parts come while it is read. */
export class Track<Audio extends AudioSource> {
  readonly file: FileFacts<Audio>;
  readonly parts: PartTranscription[] = [];
  /** Whether no part follows. */
  planned = false;
  readonly length: number;
  readonly #pieces: AsyncGenerator<LazyPiece, void, undefined>;
  readonly #close: () => Promise<void>;
  readonly #originalTime: (seconds: number) => number;
  readonly #stretches: readonly SpeechStretch[];
  readonly #runs: readonly SpeechStretch[];
  readonly #pauses: readonly Pause[] | undefined;

  constructor(
    private readonly model: WhisperModel,
    { audio, language }: { readonly audio: Audio; readonly language: string | undefined },
    track: ScannedTrack,
    private readonly options: TrackOptions,
  ) {
    const { skipSilence, conditionOnPrevious, languagePerWindow } = options;
    const opened = () => {
      const samples = track.open();
      const whole = { samples, originalTime: same, cutRuns: (runs: readonly SpeechStretch[]) => runs };
      return skipSilence ? cutSilence(samples, track.stretches) : whole;
    };
    const { samples, originalTime, cutRuns } = opened();
    this.length = samples.length;
    this.#originalTime = originalTime;
    this.#runs = track.runs;
    this.#stretches = skipSilence ? [{ start: -PADDING, end: this.length + PADDING }] : track.stretches;
    const regions = skipSilence ? [{ start: 0, end: this.length, speech: true }] : speechRegions(track);
    const longest = languagePerWindow ? LANGUAGE_WINDOW_SAMPLES : WINDOW_SAMPLES;
    const long = isLong(regions);
    this.#pauses = long ? pausesOf(track.runs) : undefined;
    const speech = { stretches: this.#stretches, runs: cutRuns(track.runs) };
    const pieces = (samples: Samples) =>
      long && options.batched
        ? spokenPieces(samples, regions, speech, longest)
        : piecesOf(samples, regions, this.#stretches, longest);
    const sound = long ? track.sound : undefined;
    this.file = {
      ...{ audio, language, long, duration: track.length / SAMPLE_RATE },
      spoken: speechSeconds(this.#stretches, 0, this.length) > 0,
      // Pieces are other windows than those of a run that was not batched.
      sound: sound && options.batched ? `${sound} in pieces` : sound,
      languageWindows: () => windowsToAsk(() => opened().samples, pieces),
    };
    // With previous text as context, windows must be decoded in order.
    const inOrder = conditionOnPrevious && !languagePerWindow;
    const nothing = skipSilence && this.length === 0;
    this.#pieces = nothing ? none() : inOrder ? wholeRegions(samples, regions) : readable(pieces(samples));
    this.#close = () => samples.close();
  }

  /** The parts that are not done, in order. */
  async *unfinished(): AsyncGenerator<PartTranscription, void, undefined> {
    for (let i = 0; ; i++) {
      const part = this.parts[i] ?? (await this.#next());
      if (!part) return;
      if (!part.done) yield part;
    }
  }

  async #next(): Promise<PartTranscription | undefined> {
    if (this.planned) return undefined;
    const { value, done } = await this.#pieces.next();
    if (done) {
      this.planned = true;
      await this.close();
      return undefined;
    }
    const { begin, length, read, spoken } = value;
    const place = { part: this.parts.length, begin };
    const part = new PartTranscription(
      this.model,
      this.file,
      {
        ...{ length, read },
        originalTime: (seconds: number) => this.#originalTime(begin / SAMPLE_RATE + seconds),
        speech: (from: number, to: number) =>
          spoken ? speechSeconds(this.#stretches, begin + from, begin + to) : 0,
        runs: this.options.channels === 'separate' ? this.#runs : undefined,
        pauses: this.#pauses,
        previous: this.parts.at(-1),
      },
      place,
      this.options,
    );
    this.parts.push(part);
    addKept(this.file, part, this.options);
    return part;
  }

  /** Closes the source. */
  close(): Promise<void> {
    return this.#close();
  }
}

const same = (seconds: number): number => seconds;

/** A part of a track that is read when it is needed. */
interface LazyPiece extends Pick<Part, 'length' | 'read'>, Pick<Piece, 'begin' | 'spoken'> {}

async function* none(): AsyncGenerator<never, void, undefined> {}

async function* readable(pieces: AsyncIterable<Piece>): AsyncGenerator<LazyPiece, void, undefined> {
  for await (const { samples, begin, spoken } of pieces) {
    const read = async (from: number, to: number) => samples.subarray(from, to);
    yield { begin, spoken, length: samples.length, read };
  }
}

async function* wholeRegions(
  samples: Samples,
  regions: readonly Region[],
): AsyncGenerator<LazyPiece, void, undefined> {
  for (const { start, end, speech } of regions) {
    const read = (from: number, to: number) => samples.read(start + from, start + to);
    yield { begin: start, spoken: speech, length: end - start, read };
  }
}

/** Adds the windows of an earlier run. */
function addKept(file: FileFacts, part: PartTranscription, { kept }: TrackOptions): void {
  while (!part.done) {
    const key = keyOf(part);
    const found = key && kept?.get(key);
    if (!found) return;
    if (found.detected) {
      file.detected = keptLanguage(found.detected);
      file.language = found.detected.language;
    }
    part.add(found.result);
  }
}

/** Where the next window of a part is kept. */
export function keyOf({ file: { audio, sound }, place, windows }: PartTranscription): WindowKey | undefined {
  if (typeof audio !== 'string' || sound === undefined) return undefined;
  return { audio, sound, part: place.part, window: windows };
}
