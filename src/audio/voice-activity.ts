/** Voice activity detection: the stretches of a recording with speech, so that others need not be transcribed. */
import { fileURLToPath } from 'node:url';
import ort from '../backend/onnxruntime.ts';
import { joinSamples } from './join-samples.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

/** A stretch in samples of the recording, `end` not included. */
export interface SpeechStretch {
  readonly start: number;
  readonly end: number;
}

const MODEL = fileURLToPath(new URL('../../models/silero-vad/silero_vad_16k_sequence.onnx', import.meta.url));
/** The model gives a speech probability for each frame, which it sees with the end of the frame before. */
export const FRAME = 512;
const CONTEXT = 64;
const STATE = 128;
/** Frames for one run, 33 s: takes 75 ms, so that other work gets its turn. */
const FRAMES_PER_RUN = 1024;

/** Speech begins at the first and lasts until a frame falls below the second: Silero's values. */
export const SPEECH_FROM = 0.5;
export const SPEECH_UNTIL = 0.35;
/** Shorter silence is kept: sentences stay together with their pauses. */
const SHORTEST_SILENCE = 2 * SAMPLE_RATE;
/** Padding around speech: soft first and last sounds, and enough for Whisper to detect where a sentence begins or ends. */
export const PADDING = 0.4 * SAMPLE_RATE;
/** Where nothing is found: how much of the beginning is looked at again, after how much silence, and frames of speech in it. */
const COLD = 3 * SAMPLE_RATE;
const SILENCE_BEFORE = 16 * FRAME;
const SHORTEST_COLD_SPEECH = 12;

/**
 * Stretches of 16 kHz mono samples with speech, in order and apart from each other.
 *
 * By Silero VAD 6, a recurrent network of 1.2 MB that comes with this package (MIT): silence, noise of any
 * loudness, hum and tones stay below its threshold, where a gate on energy must guess a noise floor and takes music
 * or a passing car for speech. The file is here because the npm packages that carry it bring older versions, or the
 * one-frame model, which takes twice as long. Two seconds of pause and 0.4 s of padding are what
 * faster-whisper uses before Whisper. An hour of audio takes 8 s on one core.
 */
export async function speechStretches(samples: Float32Array, signal?: AbortSignal): Promise<SpeechStretch[]> {
  const activity = new VoiceActivity(signal);
  await activity.add(samples);
  return (await activity.finish()).stretches;
}

/** As speechStretches, without padding and pauses. */
export async function speechRuns(samples: Float32Array): Promise<SpeechStretch[]> {
  const activity = new VoiceActivity();
  await activity.add(samples);
  return (await activity.finish()).runs;
}

export interface Speech {
  readonly stretches: readonly SpeechStretch[];
  /** The speech in them without padding and pauses: 32 ms of silence part two. */
  readonly runs: readonly SpeechStretch[];
}

/** As speechStretches, of samples that come block by block. */
export class VoiceActivity {
  readonly #frames: FrameProbabilities;
  readonly #first = new Float32Array(COLD);
  #length = 0;

  constructor(private readonly signal?: AbortSignal | undefined) {
    this.#frames = new FrameProbabilities(signal);
  }

  async add(samples: Float32Array): Promise<void> {
    if (this.#length < COLD) this.#first.set(samples.subarray(0, COLD - this.#length), this.#length);
    this.#length += samples.length;
    await this.#frames.add(samples);
  }

  /** The speech in all that was added. */
  async finish(): Promise<{ stretches: SpeechStretch[]; runs: SpeechStretch[] }> {
    let runs = runsOf(await this.#frames.finish());
    if (runs.length === 0) runs = await runsAfterSilence(this.#first.subarray(0, this.#length), this.signal);
    return { stretches: stretchesOf(runs, this.#length), runs };
  }
}

/**
 * A word without a sound before it may stay below the threshold, as the network begins cold: of 3,196 recordings of single words
 * five did. After half a second of silence it hears them. So it does the onset of a tone, but for a shorter time.
 * @param first the first samples of a recording
 */
async function runsAfterSilence(first: Float32Array, signal?: AbortSignal): Promise<SpeechStretch[]> {
  const padded = new Float32Array(SILENCE_BEFORE + first.length);
  padded.set(first, SILENCE_BEFORE);
  const probabilities = (await speechProbabilities(padded, signal)).subarray(SILENCE_BEFORE / FRAME);
  const loud = probabilities.reduce((count, probability) => count + Number(probability >= SPEECH_FROM), 0);
  return loud < SHORTEST_COLD_SPEECH ? [] : runsOf(probabilities);
}

/** Loaded at the first use and kept: 15 MB. One thread: more gain nothing on so small a network. */
let session: Promise<ort.InferenceSession> | undefined;

/** Whether each stretch of `step` samples has speech: short pauses count as silence here. */
export async function speechFlags(samples: Float32Array, step: number): Promise<boolean[]> {
  const probabilities = await speechProbabilities(samples);
  return Array.from({ length: Math.ceil(samples.length / step) }, (_, i) => {
    const frame = Math.min(probabilities.length - 1, Math.floor(((i + 0.5) * step) / FRAME));
    return probabilities[frame]! >= SPEECH_UNTIL;
  });
}

async function speechProbabilities(samples: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
  const frames = new FrameProbabilities(signal);
  await frames.add(samples);
  return frames.finish();
}

type State = ort.TypedTensor<'float32'>;

/** Probability of speech, in [0, 1], of each 512 samples of a stream. */
export class FrameProbabilities {
  #runs: Float32Array[] = [];
  /** Samples that the next run takes, after the end of those before; before the first frame there is silence. */
  readonly #pending = new Float32Array(CONTEXT + FRAMES_PER_RUN * FRAME);
  #filled = CONTEXT;
  #h: State = new ort.Tensor('float32', new Float32Array(STATE), [1, 1, STATE]);
  #c = this.#h;

  constructor(private readonly signal?: AbortSignal | undefined) {}

  async add(samples: Float32Array): Promise<void> {
    for (let at = 0; at < samples.length; ) {
      const part = samples.subarray(at, at + this.#pending.length - this.#filled);
      this.#pending.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#pending.length) await this.#run(FRAMES_PER_RUN);
    }
  }

  /** Values of all whole frames that were not taken yet. */
  async take(): Promise<Float32Array> {
    const whole = Math.floor((this.#filled - CONTEXT) / FRAME);
    if (whole > 0) await this.#run(whole);
    const taken = joinSamples(this.#runs);
    this.#runs = [];
    return taken;
  }

  /** Values of all frames that were not taken yet; the last one is filled up with silence. */
  async finish(): Promise<Float32Array> {
    const left = Math.ceil((this.#filled - CONTEXT) / FRAME);
    if (left > 0) await this.#run(left);
    return joinSamples(this.#runs);
  }

  async #run(count: number): Promise<void> {
    this.signal?.throwIfAborted();
    session ??= ort.InferenceSession.create(MODEL, { intraOpNumThreads: 1, interOpNumThreads: 1 });
    const model = await session;
    this.#pending.fill(0, this.#filled);
    const input = new Float32Array(count * (CONTEXT + FRAME));
    for (let i = 0; i < count; i++) {
      input.set(this.#pending.subarray(i * FRAME, (i + 1) * FRAME + CONTEXT), i * (CONTEXT + FRAME));
    }
    const output = await model.run({
      input: new ort.Tensor('float32', input, [count, CONTEXT + FRAME]),
      h: this.#h,
      c: this.#c,
    });
    this.#runs.push((output.speech_probs!.data as Float32Array).slice());
    this.#h = output.hn as State;
    this.#c = output.cn as State;
    this.#pending.copyWithin(0, count * FRAME, Math.max(this.#filled, count * FRAME + CONTEXT));
    this.#filled = Math.max(CONTEXT, this.#filled - count * FRAME);
  }
}

function runsOf(probabilities: Float32Array): SpeechStretch[] {
  const runs: { start: number; end: number }[] = [];
  let speaking = false;
  for (const [i, probability] of probabilities.entries()) {
    const begins = !speaking;
    speaking = probability >= (speaking ? SPEECH_UNTIL : SPEECH_FROM);
    if (!speaking) continue;
    if (begins) runs.push({ start: i * FRAME, end: (i + 1) * FRAME });
    else runs.at(-1)!.end = (i + 1) * FRAME;
  }
  return runs;
}

function stretchesOf(runs: readonly SpeechStretch[], length: number): SpeechStretch[] {
  const stretches: { start: number; end: number }[] = [];
  for (const { start, end } of runs) {
    const last = stretches.at(-1);
    if (last && start - last.end < SHORTEST_SILENCE) last.end = end;
    else stretches.push({ start, end });
  }
  // The silence between two stretches is longer than both their paddings.
  return stretches.map(({ start, end }) => ({
    start: Math.max(0, start - PADDING),
    end: Math.min(length, end + PADDING),
  }));
}
