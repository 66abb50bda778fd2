/** One audio file on its way to a transcript: where its next window begins, and what was heard so far. */
import type { SpeechStretch } from '../speech/voice-activity.ts';
import { SAMPLE_RATE } from '../whisper/log-mel.ts';
import type { EncodedClip, WhisperModel } from '../whisper/model.ts';
import { alignWords } from './alignment.ts';
import { type Cut, cutSilence } from './cut-silence.ts';
import type { DetectedLanguage } from './detect-language.ts';
import type { DecodedWithFallback } from './fallback.ts';
import { segmentsOf } from './segments.ts';
import type { TranscribeOptions } from './transcribe-options.ts';
import type { Segment, Transcript } from './transcript.ts';
import { wordsOfSegments } from './word-timestamps.ts';

const WINDOW_SAMPLES = 30 * SAMPLE_RATE;
/** Text of earlier windows that fits before the prompt: half of the decoder's context. */
const PREVIOUS_TOKENS = 223;
/** Text drawn at a higher temperature is no good context. */
const TRUSTED_TEMPERATURE = 0.5;

export class FileTranscription {
  /** Seconds of the whole file. */
  readonly duration: number;
  readonly withTimestamps: boolean;
  readonly #cut: Cut;
  readonly #segments: Segment[] = [];
  #alternatives: Transcript['alternatives'];
  #detected: DetectedLanguage | undefined;
  /** Sample at which the next window begins. */
  #seek = 0;
  /** Tokens that following windows are told. */
  #context: number[] = [];
  /** When the last word ended, seconds. */
  #lastSpeech = 0;

  constructor(
    private readonly model: WhisperModel,
    private readonly audio: string,
    samples: Float32Array,
    stretches: readonly SpeechStretch[] | undefined,
    private readonly givenLanguage: string | undefined,
    private readonly options: TranscribeOptions,
  ) {
    this.duration = samples.length / SAMPLE_RATE;
    this.#cut = stretches ? cutSilence(samples, stretches) : { samples, originalTime: (seconds) => seconds };
    this.withTimestamps = options.timestamps ?? this.#cut.samples.length > WINDOW_SAMPLES;
    // A file without any sample is still one (silent) window, unless silence is left out.
    this.#emptyWindow = samples.length === 0 && !stretches;
  }

  #emptyWindow: boolean;

  get done(): boolean {
    return this.#seek >= this.#cut.samples.length && !this.#emptyWindow;
  }

  /** Share of the file that is done. */
  get share(): number {
    const { length } = this.#cut.samples;
    return this.done ? 1 : this.#seek / Math.max(1, length);
  }

  get language(): string | undefined {
    return this.givenLanguage ?? this.#detected?.language;
  }

  setLanguage(detected: DetectedLanguage): void {
    this.#detected = detected;
  }

  nextWindow(): Float32Array {
    return this.#cut.samples.subarray(this.#seek, this.#seek + WINDOW_SAMPLES);
  }

  prompt(): readonly number[] {
    const prompt = this.options.prompt(this.language!, this.#detected?.probabilities);
    const asked = this.withTimestamps ? this.model.tokens.withTimestamps(prompt) : prompt;
    if (!this.options.conditionOnPrevious || this.#context.length === 0) return asked;
    return [this.model.tokens.startOfPrevious, ...this.#context.slice(-PREVIOUS_TOKENS), ...asked];
  }

  /** Takes in what was decoded from the next window. */
  async add(decoded: DecodedWithFallback, clip: EncodedClip): Promise<void> {
    const { tokens } = this.model;
    const window = this.nextWindow();
    const duration = window.length / SAMPLE_RATE;
    const offset = this.#seek / SAMPLE_RATE;
    this.#emptyWindow = false;
    this.#alternatives = decoded.alternatives.map(({ text, score }) => ({ text, score }));
    if (decoded.silent) {
      this.#seek += Math.max(1, window.length);
      return;
    }
    const whole = {
      segments: [{ start: 0, end: duration, tokens: decoded.tokens, first: 0 }],
      advance: duration,
    };
    const found = this.withTimestamps ? segmentsOf(decoded.tokens, tokens.firstTimestamp, duration) : whole;
    const textOf = (ids: readonly number[]): string => tokens.decode(ids);
    // A segment without text, or without length, says nothing.
    const spoken = found.segments.filter(
      ({ start, end, tokens: ids }) => textOf(ids).trim() !== '' && (end > start || !this.withTimestamps),
    );
    let advance = found.advance;
    const words = this.options.wordTimestamps ? await this.#words(spoken, clip, offset) : undefined;
    spoken.forEach((segment, i) => {
      const timed = words?.[i] ?? segment;
      const time = (seconds: number): number => this.#cut.originalTime(offset + seconds);
      this.#segments.push({
        start: time(timed.start),
        end: Math.min(this.duration, time(timed.end)),
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
      });
    });
    const last = words?.at(-1);
    if (last) {
      this.#lastSpeech = offset + last.end;
      // Where the window was cut off, the next one begins after the last word, not in it.
      if (advance < duration && last.end > 0) advance = Math.max(advance, Math.min(last.end, duration));
    }
    this.#context.push(...spoken.flatMap(({ tokens: ids }) => ids));
    if (decoded.temperature > TRUSTED_TEMPERATURE) this.#context = [];
    // At least a step forward, or a window that says nothing would be heard for ever.
    this.#seek += Math.max(1, Math.round(advance * SAMPLE_RATE) || window.length);
  }

  async #words(
    segments: readonly { readonly start: number; readonly end: number; readonly tokens: readonly number[] }[],
    clip: EncodedClip,
    offset: number,
  ) {
    const { endOfText } = this.model.tokens;
    const textTokens = segments.map(({ tokens }) => tokens.filter((id) => id < endOfText));
    const aligned = await alignWords(this.model, clip, this.prompt(), textTokens.flat(), this.language!);
    return wordsOfSegments(
      segments.map(({ start, end }, i) => ({ start, end, textTokens: textTokens[i]!.length })),
      aligned,
      this.#lastSpeech - offset,
    );
  }

  transcript(): Transcript {
    const counted = this.#segments.reduce((sum, { tokens }) => sum + tokens.length + 1, 0);
    const total = this.#segments.reduce(
      (sum, { averageLogProbability, tokens }) => sum + averageLogProbability * (tokens.length + 1),
      0,
    );
    const single = this.#segments.length <= 1 ? this.#alternatives : undefined;
    return {
      audio: this.audio,
      language: this.language ?? 'unknown',
      ...(this.#detected && {
        languageProbability: this.#detected.probabilities.get(this.#detected.language)!,
      }),
      text: this.#segments
        .map(({ text }) => text)
        .join('')
        .trim(),
      duration: this.duration,
      averageLogProbability: counted === 0 ? 0 : total / counted,
      segments: this.#segments,
      ...(single && single.length > 0 && { alternatives: single }),
    };
  }
}
