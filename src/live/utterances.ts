/** Utterances of a stream: where somebody begins and ends to speak, by voice activity. */
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { FRAME, FrameProbabilities, SPEECH_FROM, SPEECH_UNTIL } from '../audio/voice-activity.ts';
import { liveDefaults } from './defaults.ts';
import { SampleBuffer } from './sample-buffer.ts';

export interface UtteranceLimits {
  /** Seconds of silence that end an utterance; a long one ends with less. */
  readonly silence: number;
  /** Seconds after which one is cut, in its longest pause. */
  readonly longest: number;
}

/** Frames of speech that begin an utterance: a click is shorter. */
const ONSET_FRAMES = 3;
/** Samples before the first frame of speech, and after the last one. */
const PADDING = 0.3 * SAMPLE_RATE;
/**
 * The longer somebody has spoken, the likelier a pause is the end of a sentence: less of the silence ends an utterance. From this
 * many seconds on so much of it, and beyond this share of the longest utterance so much.
 */
const SENTENCE = { seconds: 4, silence: 0.7 };
const LONG = { share: 0.6, silence: 0.5 };
/** Frames over which the least likely speech is looked for, where there is no pause. */
const CUT_FRAMES = 5;

/** Places are samples of the stream. */
export class Utterance {
  /** After the last frame of speech so far. */
  speechEnd: number;
  /** After its last sample, once it has ended. */
  end: number | undefined;
  /** How much of the stream was heard when it ended. */
  endedAt: number | undefined;
  #samples: Float32Array | undefined;

  constructor(
    /** From 1. */
    readonly number: number,
    readonly start: number,
    heard: number,
    private readonly buffer: SampleBuffer,
  ) {
    this.speechEnd = heard;
  }

  /** Its samples so far, or up to a place. */
  samples(to = this.end ?? this.buffer.end): Float32Array {
    return this.#samples ?? this.buffer.slice(this.start, to);
  }

  close(end: number, heard: number): void {
    this.#samples = this.buffer.slice(this.start, end).slice();
    this.end = end;
    this.endedAt = heard;
  }
}

export class Utterances {
  readonly #buffer = new SampleBuffer();
  #frames = new FrameProbabilities();
  /** Place of the next frame. */
  #at = 0;
  #open: Utterance | undefined;
  /** Probabilities of the open one's frames. */
  #probabilities: number[] = [];
  /** End of the last one. */
  #last = 0;
  #onset = 0;
  #count = 0;

  constructor(private readonly limits: UtteranceLimits = liveDefaults) {}

  /** Samples of the stream of which it is known whether somebody speaks. */
  get heard(): number {
    return this.#at;
  }

  /** @returns utterances that begin in the samples, in order: each tells when it has ended */
  async add(samples: Float32Array): Promise<Utterance[]> {
    this.#buffer.append(samples);
    await this.#frames.add(samples);
    const begun: Utterance[] = [];
    for (const probability of await this.#frames.take()) {
      const frame = this.#at;
      this.#at += FRAME;
      if (this.#open) this.#goOn(frame, probability, begun);
      else this.#await(frame, probability, begun);
    }
    this.#buffer.dropBefore(this.#open?.start ?? this.#at - PADDING - ONSET_FRAMES * FRAME);
    return begun;
  }

  #await(frame: number, probability: number, begun: Utterance[]): void {
    this.#onset = probability >= (this.#onset > 0 ? SPEECH_UNTIL : SPEECH_FROM) ? this.#onset + 1 : 0;
    if (this.#onset < ONSET_FRAMES) return;
    const first = frame - (ONSET_FRAMES - 1) * FRAME;
    this.#begin(Math.max(this.#last, first - PADDING), begun);
    this.#probabilities = new Array<number>(Math.ceil((this.#at - this.#open!.start) / FRAME)).fill(1);
  }

  #begin(start: number, begun: Utterance[]): void {
    this.#open = new Utterance(++this.#count, start, this.#at, this.#buffer);
    begun.push(this.#open);
    this.#onset = 0;
  }

  #goOn(frame: number, probability: number, begun: Utterance[]): void {
    const open = this.#open!;
    this.#probabilities.push(probability);
    if (probability >= SPEECH_UNTIL) open.speechEnd = this.#at;
    const { silence, longest } = this.limits;
    const seconds = (this.#at - open.start) / SAMPLE_RATE;
    const share =
      seconds > LONG.share * longest ? LONG.silence : seconds > SENTENCE.seconds ? SENTENCE.silence : 1;
    if (this.#at - open.speechEnd >= share * silence * SAMPLE_RATE) this.#end(this.#at);
    else if (seconds >= longest) {
      const cut = Math.min(frame, open.start + this.#quietestFrame() * FRAME);
      const { speechEnd } = open;
      const later = this.#probabilities.slice(Math.round((cut - open.start) / FRAME));
      this.#end(cut);
      if (speechEnd <= cut) return;
      this.#begin(cut, begun);
      this.#open!.speechEnd = speechEnd;
      this.#probabilities = later;
    }
  }

  /** In the second half, the middle of the longest pause; without one where speech is least likely. */
  #quietestFrame(): number {
    const all = this.#probabilities;
    const half = all.length >> 1;
    let best = { at: half, length: 0 };
    for (let i = half, length = 0; i < all.length; i++) {
      length = all[i]! < SPEECH_UNTIL ? length + 1 : 0;
      if (length > best.length) best = { at: i - (length >> 1), length };
    }
    if (best.length > 1) return best.at;
    let least = { at: half, sum: Number.POSITIVE_INFINITY };
    for (let i = half; i + CUT_FRAMES <= all.length; i++) {
      const sum = all.slice(i, i + CUT_FRAMES).reduce((a, b) => a + b, 0);
      if (sum < least.sum) least = { at: i + (CUT_FRAMES >> 1), sum };
    }
    return least.at;
  }

  #end(before: number): void {
    const open = this.#open!;
    const end = Math.min(before, open.speechEnd + PADDING);
    open.close(Math.max(end, open.start + FRAME), this.#at);
    this.#last = open.end!;
    this.#open = undefined;
  }

  /** Ends the open utterance, as a pause does. */
  commit(): void {
    if (this.#open) this.#end(this.#at);
  }

  /** Ends the open utterance, and leaves samples of the stream out. */
  skip(samples: number): void {
    this.commit();
    this.#frames = new FrameProbabilities();
    this.#onset = 0;
    this.#at = this.#buffer.end + samples;
    this.#last = this.#at;
    this.#buffer.restart(this.#at);
  }
}
