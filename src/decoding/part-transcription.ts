/** Transcription in progress of an audio file, or a part of it: where its next window begins, and the segments so far. */

import type { AudioSource } from '../audio/audio-source.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import type { SpeechStretch } from '../audio/voice-activity.ts';
import type { SpansOf } from '../language/spans.ts';
import type { EncodedClip, WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { alignWords } from './alignment.ts';
import type { DetectedLanguage } from './detect-language.ts';
import type { DecodedWithFallback } from './fallback.ts';
import { joinedTexts } from './joined-texts.ts';
import { withSpans } from './language-spans.ts';
import { MAX_CONTEXT_TOKENS, type PromptOf } from './prompt-choice.ts';
import { segmentsOf } from './segments.ts';
import { isDoubtful, type Piece } from './speech-regions.ts';
import { WINDOW_SAMPLES } from './split-long-audio.ts';
import { betweenPauses, type Pause, spokenTimes } from './spoken-times.ts';
import { textOfTokens } from './text-of-tokens.ts';
import { type Segment, type Transcript, UNKNOWN_LANGUAGE } from './transcript.ts';
import { wordsOfSegments } from './word-timestamps.ts';

/** Text sampled at a higher temperature is not used as context. */
const TRUSTED_TEMPERATURE = 0.5;

/** Properties of a whole file. */
export interface FileFacts<Audio extends AudioSource = AudioSource> {
  readonly audio: Audio;
  /** Seconds. */
  readonly duration: number;
  /** Whether what is spoken is longer than a window. */
  readonly long: boolean;
  /** The language spoken, once known. */
  language: string | undefined;
  detected?: DetectedLanguage;
  /** Whether somebody speaks. */
  readonly spoken: boolean;
  /** Reads the windows of which the language is asked. */
  readonly languageWindows: () => Promise<readonly Piece[]>;
  /** Fingerprint of the samples, where its windows are kept for a later run. */
  readonly sound?: string | undefined;
}

/** A part of a file. */
export interface Part {
  /** Number of samples. */
  readonly length: number;
  /** Samples of the part from `from` to `to`. */
  readonly read: (from: number, to: number) => Promise<Float32Array>;
  /** Maps seconds in the part to seconds in the file. */
  readonly originalTime: (seconds: number) => number;
  /** Seconds of speech between two samples of the part. */
  readonly speech: (from: number, to: number) => number;
  /** Runs of speech in the file, where the times of segments follow them. */
  readonly runs?: readonly SpeechStretch[] | undefined;
  /** Pauses in the file's speech, where timestamps that stand near one follow them. */
  readonly pauses?: readonly Pause[] | undefined;
  /** The part whose text is the context of the first window. */
  readonly previous?: PartTranscription | undefined;
}

/** Options of every window. */
export interface WindowOptions {
  readonly prompt: PromptOf;
  /** English first: the token before the text in the target language. */
  readonly separator?: number | undefined;
  readonly window: WindowMode;
  readonly words: boolean;
  /** Default: for audio longer than a window, which needs them. */
  readonly timestamps: boolean | undefined;
  readonly conditionOnPrevious: boolean;
  /** Whether a long recording is cut into pieces that each fit a window of their own length. */
  readonly batched: boolean;
  /** Whether each window's language is detected. */
  readonly languagePerWindow: boolean;
  /** Spans of languages in a text, where segments tell them. */
  readonly spansOf?: SpansOf | undefined;
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

/** A segment's tokens; times in seconds from the window's beginning. */
interface TimedTokens {
  readonly start: number;
  readonly end: number;
  readonly tokens: readonly number[];
  readonly english?: readonly number[] | undefined;
}

export class PartTranscription {
  readonly segments: Segment[] = [];
  readonly withTimestamps: boolean;
  readonly window: WindowMode;
  alternatives: Transcript['alternatives'];
  /** Number of windows so far. */
  windows = 0;
  /** Language of the next window, where each has its own. */
  windowLanguage: DetectedLanguage | undefined;
  /** First sample of the next window. */
  #seek = 0;
  private readonly part: Omit<Part, 'read'>;
  /** None any more when all is done: the samples are freed. */
  #read: Part['read'] | undefined;
  /** Tokens of the previous text for the next window. */
  #context: number[] = [];
  /** End of the last word, seconds. */
  #lastSpeech = 0;

  constructor(
    private readonly model: WhisperModel,
    readonly file: FileFacts,
    part: Part,
    /** Number of the part, and its first sample in the file. */
    readonly place: { readonly part: number; readonly begin: number },
    private readonly options: WindowOptions,
  ) {
    this.withTimestamps = options.timestamps ?? file.long;
    const { read, ...others } = part;
    this.#read = read;
    this.part = others;
    // The rest of a long file may be a second: too short for a fitted window with timestamps.
    this.window = file.long && !options.batched ? 'full' : options.window;
  }

  get done(): boolean {
    // A file without samples is one (silent) window.
    return this.windows > 0 && this.#seek >= this.part.length;
  }

  /** Samples that are done. */
  get samplesDone(): number {
    return Math.min(this.#seek, this.part.length);
  }

  /** First sample of the next window, in the file: the same whatever it is decoded together with. */
  get position(): number {
    return this.place.begin + this.#seek;
  }

  /** Seconds of speech in the next window. */
  get speech(): number {
    return this.part.speech(this.#seek, this.#seek + WINDOW_SAMPLES);
  }

  /** The language spoken in the next window, once known. */
  get language(): string | undefined {
    return this.windowLanguage?.language ?? this.file.language;
  }

  /** Number of samples of the next window. */
  get nextLength(): number {
    return Math.min(WINDOW_SAMPLES, this.part.length - this.#seek);
  }

  nextWindow(): Promise<Float32Array> {
    return this.#read!(this.#seek, this.#seek + this.nextLength);
  }

  prompt(): readonly number[] {
    const { probabilities } = this.windowLanguage ?? this.file.detected ?? {};
    const prompt = this.options.prompt(this.language!, probabilities);
    const full = this.withTimestamps ? this.model.tokens.withTimestamps(prompt) : prompt;
    const context = this.#textBefore();
    if (!this.options.conditionOnPrevious || context.length === 0) return full;
    const { startOfPrevious, startOfTranscript } = this.model.tokens;
    const begin = Math.max(0, full.lastIndexOf(startOfTranscript));
    // The user's text precedes each window.
    const given = full.slice(0, begin).filter((id) => id !== startOfPrevious);
    const room = Math.max(0, MAX_CONTEXT_TOKENS - given.length);
    return [
      startOfPrevious,
      ...given,
      ...context.slice(Math.max(0, context.length - room)),
      ...full.slice(begin),
    ];
  }

  /** Tokens of the text so far. */
  #textBefore(): readonly number[] {
    return this.windows > 0 || !this.part.previous ? this.#context : this.part.previous.#textBefore();
  }

  /** The decoded text of the next window, with times. */
  async result(decoded: DecodedWithFallback, clip: EncodedClip): Promise<WindowResult> {
    const { tokens } = this.model;
    const length = this.nextLength;
    const duration = length / SAMPLE_RATE;
    const offset = this.#seek / SAMPLE_RATE;
    const alternatives = decoded.alternatives.map(({ text, score }) => ({ text, score }));
    const unspoken = this.speech === 0 && isDoubtful(decoded);
    if (decoded.silent || unspoken) {
      const next = this.#seek + Math.max(1, length);
      return { segments: [], next, lastSpeech: this.#lastSpeech, trusted: true };
    }
    const whole = {
      segments: [{ start: 0, end: duration, tokens: decoded.tokens, first: 0 }],
      advance: duration,
    };
    const found = this.withTimestamps ? segmentsOf(decoded.tokens, tokens.firstTimestamp, duration) : whole;
    // Its timestamps are those of the text in the target language.
    const english = decoded.englishTokens && this.#englishOf(decoded.englishTokens, duration);
    const textOf = (ids: readonly number[]): string => textOfTokens(tokens, ids);
    // Skip segments without text or duration, and those that begin after the audio's end.
    const spoken = found.segments
      .map((segment, i) => ({ ...segment, english: english?.[i] }))
      .filter(
        ({ start, end, tokens: ids }) =>
          textOf(ids).trim() !== '' && (!this.withTimestamps || (end > start && start < duration)),
      );
    let advance = found.advance;
    const words = this.options.words ? await this.#words(spoken, clip, offset, duration) : undefined;
    const timed = spoken.map((segment, i): Segment => {
      const { start, end } = words?.[i] ?? segment;
      // Whisper may end a text in the silence that follows the window.
      const time = (seconds: number): number => this.part.originalTime(offset + Math.min(duration, seconds));
      return {
        start: time(start),
        end: Math.min(this.file.duration, time(end)),
        text: textOf(segment.tokens),
        ...(segment.english && { english: textOf(segment.english) }),
        tokens: segment.tokens,
        logProbabilities: decoded.logProbabilities.slice(
          segment.first,
          segment.first + segment.tokens.length,
        ),
        averageLogProbability: decoded.averageLogProbability,
        compressionRatio: decoded.compressionRatio,
        noSpeechProbability: decoded.noSpeechProbability,
        temperature: decoded.temperature,
        ...(this.options.languagePerWindow && { language: this.language! }),
        ...(words && {
          [segment.english ? 'englishWords' : 'words']: words[i]!.words.map((word) => ({
            ...word,
            start: time(word.start),
            end: Math.min(this.file.duration, time(word.end)),
          })),
        }),
      };
    });
    const { runs, pauses } = this.part;
    const { spansOf } = this.options;
    // Times of words are nearer to them than pauses.
    const paused = pauses && !words ? betweenPauses(timed, pauses, this.file.duration) : timed;
    const moved = runs ? paused.map((segment) => spokenTimes(segment, runs)) : paused;
    const segments = spansOf ? moved.map((segment) => withSpans(segment, spansOf)) : moved;
    const last = words?.at(-1);
    // After a cut-off window the next one begins after the last word, not in it.
    if (last && advance < duration && last.end > 0) advance = Math.max(advance, Math.min(last.end, duration));
    return {
      segments,
      // Always advance, or a window without text would be decoded forever.
      next: this.#seek + Math.max(1, Math.round(advance * SAMPLE_RATE) || length),
      lastSpeech: last ? offset + last.end : this.#lastSpeech,
      trusted: decoded.temperature <= TRUSTED_TEMPERATURE,
      alternatives,
    };
  }

  /** English tokens of each segment. */
  #englishOf(tokens: readonly number[], duration: number): (readonly number[])[] {
    if (!this.withTimestamps) return [tokens];
    return segmentsOf(tokens, this.model.tokens.firstTimestamp, duration).segments.map(
      ({ tokens }) => tokens,
    );
  }

  /** Adds the result of the next window, decoded now or by an earlier run. */
  add({ segments, next, lastSpeech, trusted, alternatives }: WindowResult): void {
    this.windows++;
    for (const segment of segments) {
      this.segments.push(segment);
      // The prompt of English first continues with an English text.
      const { english, tokens } = segment;
      const context = english === undefined ? tokens : this.model.tokens.encode(english);
      for (const token of context) this.#context.push(token);
    }
    if (!trusted) this.#context = [];
    this.#seek = next;
    this.#lastSpeech = lastSpeech;
    this.alternatives = alternatives;
    if (this.done) this.#read = undefined;
  }

  async #words(segments: readonly TimedTokens[], clip: EncodedClip, offset: number, duration: number) {
    const isText = (id: number): boolean => this.model.tokens.isText(id);
    // English first: the half that hears.
    const model = this.options.separator === undefined ? this.model : await this.model.englishHalf();
    const textTokens = segments.map(({ tokens, english = tokens }) => english.filter(isText));
    const aligned = await alignWords(model, clip, textTokens.flat(), { prompt: this.prompt() });
    return wordsOfSegments(
      segments.map(({ start, end }, i) => ({ start, end, textTokens: textTokens[i]!.length })),
      aligned,
      this.#lastSpeech - offset,
      duration,
    );
  }
}

/**
 * The transcript of a file from its parts, all done.
 * @param spaced whether texts of segments that have no space before them are parted by one: Whisper's have it themselves
 */
export function joined<Audio extends AudioSource>(
  file: FileFacts<Audio>,
  parts: readonly PartTranscription[],
  spaced: boolean,
): Transcript<Audio> {
  const segments = parts.flatMap((part) => part.segments);
  const counted = segments.reduce((sum, { tokens }) => sum + tokens.length + 1, 0);
  const total = segments.reduce(
    (sum, { averageLogProbability, tokens }) => sum + averageLogProbability * (tokens.length + 1),
    0,
  );
  const whole = (textOf: (segment: Segment) => string, spaced: boolean): string =>
    joinedTexts(segments.map(textOf), spaced);
  const { language, probability } = languageOf(file, segments);
  const alternatives = segments.length <= 1 ? parts.flatMap((part) => part.alternatives ?? []) : [];
  return {
    audio: file.audio,
    language,
    ...(probability !== undefined && { languageProbability: probability }),
    text: whole(({ text }) => text, spaced),
    ...(segments.some(({ english }) => english !== undefined) && {
      english: whole(({ english = '' }) => english, true),
    }),
    duration: file.duration,
    averageLogProbability: counted === 0 ? 0 : total / counted,
    segments,
    ...(alternatives.length > 0 && { alternatives }),
  };
}

/** The language of a file: given or detected; that of most of the time, where each window has its own. */
function languageOf(
  { language, detected, spoken }: FileFacts,
  segments: readonly Segment[],
): { language: string; probability?: number } {
  const seconds = new Map<string, number>();
  for (const segment of segments) {
    if (segment.language === undefined) continue;
    seconds.set(segment.language, (seconds.get(segment.language) ?? 0) + segment.end - segment.start);
  }
  if (seconds.size > 0) {
    return { language: [...seconds].reduce((best, each) => (each[1] > best[1] ? each : best))[0] };
  }
  if (!detected) return { language: language ?? UNKNOWN_LANGUAGE };
  // Detected where nobody speaks, and no text: nothing is known.
  if (!spoken && segments.length === 0) return { language: UNKNOWN_LANGUAGE };
  return { language: detected.language, probability: detected.probabilities.get(detected.language)! };
}
