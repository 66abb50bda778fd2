/** Transcription in progress of an audio file, or a part of it: where its next window begins, and the segments so far. */

import type { AudioSource } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { EncodedClip, WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { alignWords } from './alignment.ts';
import type { Cut } from './cut-silence.ts';
import type { DetectedLanguage } from './detect-language.ts';
import type { DecodedWithFallback } from './fallback.ts';
import { MAX_CONTEXT_TOKENS, type PromptOf } from './prompt-choice.ts';
import { segmentsOf } from './segments.ts';
import { WINDOW_SAMPLES } from './split-long-audio.ts';
import type { Segment, Transcript } from './transcript.ts';
import { wordsOfSegments } from './word-timestamps.ts';

/** Text sampled at a higher temperature is not used as context. */
const TRUSTED_TEMPERATURE = 0.5;

/** Properties of a whole file. */
export interface FileFacts<Audio extends AudioSource = AudioSource> {
  readonly audio: Audio;
  /** Seconds. */
  readonly duration: number;
  /** Whether it is longer than a window. */
  readonly long: boolean;
  /** The language spoken, once known. */
  language: string | undefined;
  detected?: DetectedLanguage;
}

/** Options of every window. */
export interface WindowOptions {
  readonly prompt: PromptOf;
  readonly window: WindowMode;
  readonly words: boolean;
  /** Default: for audio longer than a window, which needs them. */
  readonly timestamps: boolean | undefined;
  readonly conditionOnPrevious: boolean;
}

/** What a window adds to its part, and where the next one begins: plain values, which a file keeps exactly. */
export interface WindowResult {
  readonly segments: readonly Segment[];
  /** First sample of the next window, in the part. */
  readonly next: number;
  /** End of the last word so far, in seconds from the part's beginning. */
  readonly lastSpeech: number;
  /** Whether the text so far may be the context of the next window. */
  readonly trusted: boolean;
  readonly alternatives?: Transcript['alternatives'];
}

export class PartTranscription {
  readonly segments: Segment[] = [];
  readonly withTimestamps: boolean;
  readonly window: WindowMode;
  alternatives: Transcript['alternatives'];
  /** Number of windows so far. */
  windows = 0;
  /** First sample of the next window. */
  #seek = 0;
  /** Tokens of the previous text for the next window. */
  #context: number[] = [];
  /** End of the last word, seconds. */
  #lastSpeech = 0;

  /** @param part samples, and the mapping of their times to the file's */
  constructor(
    private readonly model: WhisperModel,
    readonly file: FileFacts,
    private readonly part: Cut,
    /** First sample of the part, in the file. */
    private readonly begin: number,
    private readonly options: WindowOptions,
  ) {
    this.withTimestamps = options.timestamps ?? file.long;
    // The rest of a long file may be a second: too short for a fitted window with timestamps.
    this.window = file.long ? 'full' : options.window;
  }

  get done(): boolean {
    // A file without samples is one (silent) window.
    return this.windows > 0 && this.#seek >= this.part.samples.length;
  }

  /** Share of the audio that is done. */
  get share(): number {
    return this.done ? 1 : this.#seek / Math.max(1, this.part.samples.length);
  }

  /** First sample of the next window, in the file: the same whatever it is decoded together with. */
  get position(): number {
    return this.begin + this.#seek;
  }

  nextWindow(): Float32Array {
    return this.part.samples.subarray(this.#seek, this.#seek + WINDOW_SAMPLES);
  }

  prompt(): readonly number[] {
    const prompt = this.options.prompt(this.file.language!, this.file.detected?.probabilities);
    const full = this.withTimestamps ? this.model.tokens.withTimestamps(prompt) : prompt;
    if (!this.options.conditionOnPrevious || this.#context.length === 0) return full;
    const { startOfPrevious, startOfTranscript } = this.model.tokens;
    const begin = Math.max(0, full.lastIndexOf(startOfTranscript));
    // The user's text precedes each window.
    const given = full.slice(0, begin).filter((id) => id !== startOfPrevious);
    const room = Math.max(0, MAX_CONTEXT_TOKENS - given.length);
    const context = this.#context.slice(Math.max(0, this.#context.length - room));
    return [startOfPrevious, ...given, ...context, ...full.slice(begin)];
  }

  /** The decoded text of the next window, with times. */
  async result(decoded: DecodedWithFallback, clip: EncodedClip): Promise<WindowResult> {
    const { tokens } = this.model;
    const window = this.nextWindow();
    const duration = window.length / SAMPLE_RATE;
    const offset = this.#seek / SAMPLE_RATE;
    const alternatives = decoded.alternatives.map(({ text, score }) => ({ text, score }));
    if (decoded.silent) {
      const next = this.#seek + Math.max(1, window.length);
      return { segments: [], next, lastSpeech: this.#lastSpeech, trusted: true, alternatives };
    }
    const whole = {
      segments: [{ start: 0, end: duration, tokens: decoded.tokens, first: 0 }],
      advance: duration,
    };
    const found = this.withTimestamps ? segmentsOf(decoded.tokens, tokens.firstTimestamp, duration) : whole;
    const textOf = (ids: readonly number[]): string => tokens.decode(ids);
    // Skip segments without text or duration, and those that begin after the audio's end.
    const spoken = found.segments.filter(
      ({ start, end, tokens: ids }) =>
        textOf(ids).trim() !== '' && (!this.withTimestamps || (end > start && start < duration)),
    );
    let advance = found.advance;
    const words = this.options.words ? await this.#words(spoken, clip, offset) : undefined;
    const segments = spoken.map((segment, i): Segment => {
      const timed = words?.[i] ?? segment;
      const time = (seconds: number): number => this.part.originalTime(offset + seconds);
      return {
        start: time(timed.start),
        end: Math.min(this.file.duration, time(timed.end)),
        text: textOf(segment.tokens),
        tokens: segment.tokens,
        logProbabilities: decoded.logProbabilities.slice(
          segment.first,
          segment.first + segment.tokens.length,
        ),
        averageLogProbability: decoded.averageLogProbability,
        compressionRatio: decoded.compressionRatio,
        noSpeechProbability: decoded.noSpeechProbability,
        temperature: decoded.temperature,
        ...(words && {
          words: words[i]!.words.map((word) => ({ ...word, start: time(word.start), end: time(word.end) })),
        }),
      };
    });
    const last = words?.at(-1);
    // After a cut-off window the next one begins after the last word, not in it.
    if (last && advance < duration && last.end > 0) advance = Math.max(advance, Math.min(last.end, duration));
    return {
      segments,
      // Always advance, or a window without text would be decoded forever.
      next: this.#seek + Math.max(1, Math.round(advance * SAMPLE_RATE) || window.length),
      lastSpeech: last ? offset + last.end : this.#lastSpeech,
      trusted: decoded.temperature <= TRUSTED_TEMPERATURE,
      alternatives,
    };
  }

  /** Adds the result of the next window, decoded now or by an earlier run. */
  add({ segments, next, lastSpeech, trusted, alternatives }: WindowResult): void {
    this.windows++;
    for (const segment of segments) {
      this.segments.push(segment);
      for (const token of segment.tokens) this.#context.push(token);
    }
    if (!trusted) this.#context = [];
    this.#seek = next;
    this.#lastSpeech = lastSpeech;
    this.alternatives = alternatives;
  }

  async #words(
    segments: readonly { readonly start: number; readonly end: number; readonly tokens: readonly number[] }[],
    clip: EncodedClip,
    offset: number,
  ) {
    const { endOfText } = this.model.tokens;
    const textTokens = segments.map(({ tokens }) => tokens.filter((id) => id < endOfText));
    const aligned = await alignWords(this.model, clip, this.prompt(), textTokens.flat(), this.file.language!);
    return wordsOfSegments(
      segments.map(({ start, end }, i) => ({ start, end, textTokens: textTokens[i]!.length })),
      aligned,
      this.#lastSpeech - offset,
    );
  }
}

/** The transcript of a file from its parts, all done. */
export function joined<Audio extends AudioSource>(
  file: FileFacts<Audio>,
  parts: readonly PartTranscription[],
): Transcript<Audio> {
  const segments = parts.flatMap((part) => part.segments);
  const counted = segments.reduce((sum, { tokens }) => sum + tokens.length + 1, 0);
  const total = segments.reduce(
    (sum, { averageLogProbability, tokens }) => sum + averageLogProbability * (tokens.length + 1),
    0,
  );
  const alternatives = segments.length <= 1 ? parts.flatMap((part) => part.alternatives ?? []) : [];
  return {
    audio: file.audio,
    language: file.language ?? 'unknown',
    ...(file.detected && { languageProbability: file.detected.probabilities.get(file.detected.language)! }),
    text: segments
      .map(({ text }) => text)
      .join('')
      .trim(),
    duration: file.duration,
    averageLogProbability: counted === 0 ? 0 : total / counted,
    segments,
    ...(alternatives.length > 0 && { alternatives }),
  };
}
