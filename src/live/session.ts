/**
 * Live decoding of a stream: an utterance is decoded again as it grows, and what a policy finds stable is committed, which
 * never changes. Decoding goes on after the committed tokens, so that an update decodes only the rest.
 *
 * A session does nothing by itself: `step` does the next piece of work, so that several sessions and other work can take
 * turns. Where steps come too late, updates are skipped: an update hears all that has come. Where that is not enough, each
 * utterance is decoded once, when it has ended; and where even those wait too long, the oldest is dropped.
 */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { decodeEnglish } from '../decoding/decode.ts';
import { decodeClips } from '../decoding/decode-clips.ts';
import type { Decoded, DecodingOptions } from '../decoding/decoding.ts';
import { chosenDecoding } from '../decoding/decoding-choice.ts';
import { commonLanguage, detectLanguages, type SpokenWindow } from '../decoding/detect-language.ts';
import { type ChosenPrompt, choosePrompt, targetOf } from '../decoding/prompt-choice.ts';
import { languageProfile } from '../language/profile.ts';
import { type EncodedClip, withoutSpeech } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Task } from '../whisper/tokens.ts';
import { type AlignAttSettings, attendedTokens } from './alignatt.ts';
import { liveDefaults } from './defaults.ts';
import type { LiveEvent, LivePolicy } from './events.ts';
import { GrowingText } from './growing-text.ts';
import { GrowingTranslation } from './growing-translation.ts';
import { agreedTokens } from './local-agreement.ts';
import { type Utterance, type UtteranceLimits, Utterances } from './utterances.ts';

export interface LiveOptions extends Partial<UtteranceLimits>, Partial<AlignAttSettings> {
  readonly task: Task;
  /** The language spoken. Default: detected in each utterance. */
  readonly from?: string | undefined;
  /** The language to translate into. Default: the model's, else en. */
  readonly to?: string | undefined;
  /** As `PromptChoice.prompt`. */
  readonly prompt?: string | undefined;
  /** Which part of a hypothesis is committed. Default local-agreement. */
  readonly policy?: LivePolicy | undefined;
  /** Seconds of speech between two updates. Default 0.5. */
  readonly interval?: number | undefined;
  /** Seconds that may wait to be decoded before each utterance is decoded once, at its end. Default 6, at least three intervals. */
  readonly behind?: number | undefined;
  /** Seconds that may wait at all. Default 60. */
  readonly longestQueue?: number | undefined;
  /** The time in seconds, of any beginning. Default: the process's. */
  readonly clock?: (() => number) | undefined;
  readonly onNote?: ((note: string) => void) | undefined;
}

/** Seconds that may wait when it goes back to live. */
const CAUGHT_UP = 1.5;
/** Silence after which an utterance has probably ended: what is decoded then is its text if it has. */
const PROBABLE_END = 0.2 * SAMPLE_RATE;
/** Less sound than this is not decoded before the utterance ends: seconds. */
const SHORTEST = 1;
/** An utterance of which the model doubts that somebody speaks: Whisper's own thresholds. */
const NO_SPEECH = 0.6;
const LOG_PROBABILITY = -1;

/** Texts of an utterance so far. */
interface Texts {
  readonly target: GrowingText;
  /** With a model that translates English first: its English, and how the target's text comes from it. */
  readonly translation: GrowingTranslation | undefined;
  language: string | undefined;
}

interface Work extends Texts {
  readonly utterance: Utterance;
  /** The place up to which it was decoded. */
  seen: number;
  /** End of the speech of which an update heard the end; whether that one found a whole text. */
  settled: number | undefined;
  whole: boolean;
}

/** The text that is decoded from the speech. */
const heardText = ({ target, translation }: Texts): GrowingText => translation?.english ?? target;

/** English first: a target text that is to be decoded from the English one. */
interface TargetWork {
  readonly work: Work;
  readonly time: number;
  readonly last: boolean;
}

interface Push {
  /** Place after its last sample. */
  readonly end: number;
  readonly at: number;
}

export class LiveSession {
  readonly #utterances: Utterances;
  readonly #clock: () => number;
  readonly #interval: number;
  readonly #behind: number;
  readonly #longestQueue: number;
  readonly #policy: LivePolicy;
  readonly #alignAtt: AlignAttSettings;
  readonly #queue: Work[] = [];
  #waiting: { readonly samples: Float32Array; readonly skipped: number }[] = [];
  #pushes: Push[] = [];
  /** Samples pushed. */
  #received = 0;
  /** Samples not accepted since the last that were. */
  #skipped = 0;
  #mode: 'live' | 'voice-cut' = 'live';
  #commit = false;
  #ended = false;
  #finished = false;
  #target: TargetWork | undefined;
  /** Whether an utterance before this one has text. */
  #hasText = false;
  #heardLanguages: SpokenWindow[] = [];
  #wake: (() => void) | undefined;
  #stepping = false;

  private constructor(
    private readonly model: WhisperModel,
    private readonly options: LiveOptions,
    private readonly prompt: ChosenPrompt,
    private readonly decoding: Omit<DecodingOptions, 'prompts'>,
    /** The language that is written; undefined: the one spoken. */
    private readonly written: string | undefined,
  ) {
    const { silence = liveDefaults.silence, longest = liveDefaults.longest } = options;
    const { frames = liveDefaults.frames, rewind = liveDefaults.rewind } = options;
    this.#utterances = new Utterances({ silence, longest });
    this.#alignAtt = { frames, rewind };
    this.#clock = options.clock ?? (() => performance.now() / 1000);
    this.#interval = options.interval ?? liveDefaults.interval;
    this.#behind = options.behind ?? Math.max(6, 3 * this.#interval);
    this.#longestQueue = options.longestQueue ?? 60;
    this.#policy = options.policy ?? 'local-agreement';
  }

  /**
   * Compiles what is needed, so that the first words do not wait for it.
   * @throws UserError for a language or a prompt that the model does not know
   */
  static async start(model: WhisperModel, options: LiveOptions): Promise<LiveSession> {
    const { task, from, to, prompt, onNote } = options;
    if (from !== undefined) model.tokens.language(from);
    const target = task === 'translate' ? targetOf(model, to) : undefined;
    const chosen = choosePrompt(model, { task, to, prompt }, onNote);
    const { decoding } = await chosenDecoding(model, {}, target ?? from ?? 'en');
    // A transcript is in the language spoken, which may have no vocabulary of its own.
    const kept = task === 'translate' ? decoding : { ...decoding, vocabulary: undefined };
    const session = new LiveSession(
      model,
      options,
      chosen,
      { ...kept, ...(chosen.separator !== undefined && { separator: chosen.separator }), stopLoops: true },
      target,
    );
    await session.#warmUp();
    return session;
  }

  async #warmUp(): Promise<void> {
    const language = this.options.from ?? 'en';
    const texts = this.#texts(language);
    const [clip] = await this.model.encode([new Float32Array(SAMPLE_RATE)], 'fit', {
      languages: [language],
    });
    const short = { maxTokens: 2 };
    await this.#decodeSpeech(texts, clip!, short);
    texts.translation?.english.update(this.model.tokens.encode(' A'), 0);
    await texts.translation?.update(language, true);
  }

  #texts(language?: string): Texts {
    const { model } = this;
    const { separator } = this.prompt;
    const target = new GrowingText(model.tokens);
    if (separator === undefined) return { target, translation: undefined, language };
    const silence = withoutSpeech(model.dimensions.width);
    const translation = new GrowingTranslation(target, model, separator, (options) =>
      decodeClips(
        model,
        options.prompts.map(() => silence),
        { ...this.decoding, ...options, separator: undefined },
      ),
    );
    return { target, translation, language };
  }

  #workOf(utterance: Utterance): Work {
    return {
      ...this.#texts(),
      utterance,
      seen: utterance.start,
      settled: undefined,
      whole: false,
    };
  }

  /**
   * Adds samples, mono, of 16 kHz from −1 to 1.
   * @param at when the last of them was heard, by the session's clock. Default: now
   */
  push(samples: Float32Array, at = this.#clock()): void {
    if (this.#ended) throw new Error('samples after the end of the stream');
    this.#received += samples.length;
    this.#pushes.push({ end: this.#received, at });
    const waiting = this.#waiting.reduce((sum, { samples }) => sum + samples.length, 0);
    if (waiting + samples.length > this.#longestQueue * SAMPLE_RATE) this.#skipped += samples.length;
    else {
      this.#waiting.push({ samples, skipped: this.#skipped });
      this.#skipped = 0;
    }
    this.#wake?.();
  }

  /** Ends the utterance in progress, as a pause does. */
  commit(): void {
    this.#commit = true;
    this.#wake?.();
  }

  /** No more samples come. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Whether all is committed, and nothing comes any more. */
  get done(): boolean {
    return this.#finished;
  }

  /** Whether `step` has something to do. */
  get hasWork(): boolean {
    if (this.#finished) return false;
    return (
      this.#waiting.length > 0 ||
      this.#commit ||
      this.#ended ||
      this.#target !== undefined ||
      this.#next() !== undefined
    );
  }

  /** Seconds of speech that were pushed and are not decoded yet. */
  get backlog(): number {
    const head = this.#queue[0];
    const from = head ? Math.max(head.seen, head.utterance.start) : this.#utterances.heard;
    const open = this.#queue.at(-1);
    const to =
      open && open.utterance.end === undefined ? this.#utterances.heard : (open?.utterance.end ?? from);
    return Math.max(0, to - from) / SAMPLE_RATE;
  }

  /** Does the next piece of work, if there is any. One at a time. */
  async step(): Promise<LiveEvent[]> {
    if (this.#stepping) throw new Error('a step begins before the last one has ended');
    this.#stepping = true;
    try {
      const events: LiveEvent[] = [];
      const ended = await this.#listen(events);
      this.#chooseMode(events);
      if (this.#target) await this.#translate(this.#target, events);
      else {
        const work = this.#next();
        if (work) await this.#update(work, events);
        else if (ended) this.#finished = true;
      }
      return events;
    } finally {
      this.#stepping = false;
    }
  }

  /** The events as they come, until the stream has ended. */
  async *events(signal?: AbortSignal): AsyncGenerator<LiveEvent, void, undefined> {
    while (!this.#finished) {
      signal?.throwIfAborted();
      if (this.hasWork) yield* await this.step();
      else await this.#woken(signal);
    }
  }

  async #woken(signal?: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#wake = undefined;
  }

  /**
   * Finds utterances in what has come.
   * @returns whether that was all: what comes meanwhile, the end too, is heard in the next step
   */
  async #listen(events: LiveEvent[]): Promise<boolean> {
    const [waiting, commit, ended] = [this.#waiting, this.#commit, this.#ended];
    this.#waiting = [];
    this.#commit = false;
    for (const { samples, skipped } of waiting) {
      if (skipped > 0) {
        this.#utterances.skip(skipped);
        events.push(this.#modeEvent(skipped));
      }
      for (const utterance of await this.#utterances.add(samples)) {
        this.#queue.push(this.#workOf(utterance));
        events.push({
          type: 'speech-start',
          utterance: utterance.number,
          time: utterance.start / SAMPLE_RATE,
        });
      }
    }
    if (ended && this.#skipped > 0) events.push(this.#modeEvent(this.#skipped));
    if (ended) this.#skipped = 0;
    if (commit || ended) this.#utterances.commit();
    // An hour of silence leaves nothing behind.
    if (this.#queue.length === 0) {
      const { heard } = this.#utterances;
      this.#pushes = this.#pushes.filter(({ end }) => end > heard);
    }
    return ended;
  }

  /** The utterance to decode now. */
  #next(): Work | undefined {
    const [head] = this.#queue;
    if (!head || head.utterance.end !== undefined) return head;
    if (this.#mode === 'voice-cut') return undefined;
    const { start, speechEnd } = head.utterance;
    const heard = this.#utterances.heard;
    // Silence needs no decoding.
    if (head.settled === speechEnd) return undefined;
    const probablyEnded = heard - speechEnd >= PROBABLE_END;
    const due = head.seen === start ? Math.max(this.#interval, SHORTEST) : this.#interval;
    return probablyEnded || heard - head.seen >= due * SAMPLE_RATE ? head : undefined;
  }

  #chooseMode(events: LiveEvent[]): void {
    const longest = this.#longestQueue * SAMPLE_RATE;
    const waits = ({ utterance }: Work): number =>
      (utterance.end ?? this.#utterances.heard) - utterance.start;
    let dropped = 0;
    // The first one may be half written.
    while (
      this.#queue.length > 2 &&
      this.#queue.slice(1).reduce((sum, work) => sum + waits(work), 0) > longest
    ) {
      const [oldest] = this.#queue.splice(1, 1);
      dropped += waits(oldest!);
      events.push(this.#endEvent(oldest!));
    }
    const { backlog } = this;
    const before = this.#mode;
    if (backlog > this.#behind) this.#mode = 'voice-cut';
    else if (backlog <= CAUGHT_UP) this.#mode = 'live';
    if (dropped > 0 || before !== this.#mode) events.push(this.#modeEvent(dropped));
  }

  #modeEvent(dropped: number): LiveEvent {
    const time = this.#utterances.heard / SAMPLE_RATE;
    return { type: 'mode', mode: this.#mode, time, dropped: dropped / SAMPLE_RATE };
  }

  /** Decodes an utterance from what was heard of it; English first: its English text. */
  async #update(work: Work, events: LiveEvent[]): Promise<void> {
    const { utterance } = work;
    const last = utterance.end !== undefined;
    const heard = this.#utterances.heard;
    const time = utterance.endedAt ?? heard;
    // No speech has come since it was decoded: the hypothesis is the text.
    if (last && work.settled === utterance.speechEnd && work.whole) {
      const text = heardText(work);
      text.update(text.rest, Number.POSITIVE_INFINITY);
      if (work.translation) this.#target = { work, time, last };
      else this.#endOf(work, time, events);
      return;
    }
    const { speechEnd } = utterance;
    const probablyEnded = heard - speechEnd >= PROBABLE_END;
    const samples = utterance.samples().slice();
    work.language ??= await this.#languageOf(samples);
    const encode = async (window: 'fit' | 'full') =>
      (await this.model.encode([samples], window, { languages: [work.language] }))[0]!;
    let clip = await encode('fit');
    let decoded = await this.#decodeSpeech(work, clip);
    if (last && !decoded.finished) {
      clip = await encode('full');
      decoded = await this.#decodeSpeech(work, clip);
    }
    const text = heardText(work);
    const nobody = decoded.noSpeechProbability > NO_SPEECH && decoded.averageLogProbability < LOG_PROBABILITY;
    work.seen = last ? utterance.end! : heard;
    if (probablyEnded) work.settled = speechEnd;
    work.whole = decoded.finished && !nobody;
    if (last)
      text.update(nobody && text.committed.length === 0 ? [] : decoded.tokens, Number.POSITIVE_INFINITY);
    else if (decoded.finished && !nobody) {
      text.update(decoded.tokens, await this.#stable(work, clip, decoded.tokens));
    }
    if (work.translation) {
      this.#target = { work, time, last };
      events.push(this.#textEvent(work, time));
    } else if (last) this.#endOf(work, time, events);
    else events.push(this.#textEvent(work, time));
  }

  /** English first: decodes the text in the target language from the English one. */
  async #translate({ work, time, last }: TargetWork, events: LiveEvent[]): Promise<void> {
    this.#target = undefined;
    await work.translation!.update(work.language, last);
    if (last) this.#endOf(work, time, events);
    else events.push(this.#textEvent(work, time));
  }

  /** Number of the tokens after the committed ones that the policy commits. */
  async #stable(work: Work, clip: EncodedClip, next: readonly number[]): Promise<number> {
    const text = heardText(work);
    if (this.#policy === 'local-agreement') return agreedTokens(text.rest, next, this.model.tokens);
    const model = work.translation ? await this.model.englishHalf() : this.model;
    const before = { prompt: this.prompt.of(work.language!), given: text.committed };
    return attendedTokens(model, clip, next, before, this.#alignAtt);
  }

  async #decodeSpeech(
    texts: Texts,
    clip: EncodedClip,
    options: Partial<DecodingOptions> = {},
  ): Promise<Decoded> {
    const { committed } = heardText(texts);
    const { language } = texts;
    const decode = texts.translation ? decodeEnglish : decodeClips;
    const prompt = [...this.prompt.of(language!), ...committed];
    const [decoded] = await decode(this.model, [clip], {
      ...this.decoding,
      ...options,
      prompts: [prompt],
      languages: [language],
      continued: committed.length > 0,
    });
    return decoded!;
  }

  /** The language of an utterance: its own where that is certain, else that of the stream so far. */
  async #languageOf(samples: Float32Array): Promise<string> {
    const { from } = this.options;
    if (from !== undefined) return this.model.tokens.codeOf(from);
    const clips = await this.model.encode([samples], 'fit');
    const [detected] = await detectLanguages(this.model, clips);
    const own = { detected: detected!, speech: samples.length / SAMPLE_RATE };
    this.#heardLanguages = [...this.#heardLanguages, own].slice(-LANGUAGE_WINDOWS);
    if (detected!.probabilities.get(detected!.language)! > CERTAIN) return detected!.language;
    return commonLanguage(this.#heardLanguages).language;
  }

  #textEvent(work: Work, time: number): LiveEvent {
    const { utterance, target, translation, language } = work;
    const spaces = languageProfile(this.written ?? language ?? 'en').spaces;
    const after = this.#hasText ? ' ' : '';
    return {
      type: 'text',
      utterance: utterance.number,
      text: target.tell(spaces ? after : ''),
      ...(translation && { english: translation.english.tell(after) }),
      ...(language !== undefined && { language }),
      time: time / SAMPLE_RATE,
      lag: this.#clock() - this.#heardAt(time),
    };
  }

  #endOf(work: Work, time: number, events: LiveEvent[]): void {
    this.#queue.shift();
    events.push(this.#textEvent(work, time), this.#endEvent(work));
    this.#hasText ||= work.target.text !== '';
  }

  #endEvent({ utterance, target, translation, language }: Work): LiveEvent {
    return {
      type: 'utterance',
      utterance: utterance.number,
      start: utterance.start / SAMPLE_RATE,
      end: (utterance.end ?? this.#utterances.heard) / SAMPLE_RATE,
      text: target.text.trim(),
      ...(translation && { english: translation.english.text.trim() }),
      ...(language !== undefined && { language }),
    };
  }

  /** When a place of the stream was heard. */
  #heardAt(place: number): number {
    let first = 0;
    while (first < this.#pushes.length - 1 && this.#pushes[first]!.end < place) first++;
    // Later events are of later places.
    this.#pushes = this.#pushes.slice(first);
    return this.#pushes[0]?.at ?? this.#clock();
  }
}

/** Utterances whose languages count where one's own is not certain. */
const LANGUAGE_WINDOWS = 5;
const CERTAIN = 0.5;
