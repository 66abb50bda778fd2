/** Voice activity detection: the stretches of a recording with speech, so that others need not be transcribed. */
import { fileURLToPath } from 'node:url';
import ort from '../backend/onnxruntime.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

/** A stretch in samples of the recording, `end` not included. */
export interface SpeechStretch {
  readonly start: number;
  readonly end: number;
}

const MODEL = fileURLToPath(new URL('../../models/silero-vad/silero_vad_16k_sequence.onnx', import.meta.url));
/** The model gives a speech probability for each frame, which it sees with the end of the frame before. */
const FRAME = 512;
const CONTEXT = 64;
const STATE = 128;
/** Frames for one run, 33 s: takes 75 ms, so that other work gets its turn. */
const FRAMES_PER_RUN = 1024;

/** Speech begins at the first and lasts until a frame falls below the second: Silero's values. */
const SPEECH_FROM = 0.5;
const SPEECH_UNTIL = 0.35;
/** Shorter silence is kept: sentences stay together with their pauses. */
const SHORTEST_SILENCE = 2 * SAMPLE_RATE;
/** Padding around speech: soft first and last sounds, and enough for Whisper to detect where a sentence begins or ends. */
const PADDING = 0.4 * SAMPLE_RATE;

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
  return stretchesOf(await speechProbabilities(samples, signal), samples.length);
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

/** One value in [0, 1] for each 512 samples; the last frame is filled up with silence. */
async function speechProbabilities(samples: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
  session ??= ort.InferenceSession.create(MODEL, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const model = await session;
  const frames = Math.ceil(samples.length / FRAME);
  const probabilities = new Float32Array(frames);
  let h = new ort.Tensor('float32', new Float32Array(STATE), [1, 1, STATE]);
  let c = h;
  for (let first = 0; first < frames; first += FRAMES_PER_RUN) {
    signal?.throwIfAborted();
    const count = Math.min(FRAMES_PER_RUN, frames - first);
    const input = new Float32Array(count * (CONTEXT + FRAME));
    for (let i = 0; i < count; i++) {
      const end = (first + i + 1) * FRAME;
      const start = Math.max(0, end - FRAME - CONTEXT); // before the first frame there is silence
      input.set(samples.subarray(start, end), (i + 1) * (CONTEXT + FRAME) - (end - start));
    }
    const output = await model.run({
      input: new ort.Tensor('float32', input, [count, CONTEXT + FRAME]),
      h,
      c,
    });
    probabilities.set(output.speech_probs!.data as Float32Array, first);
    h = output.hn as typeof h;
    c = output.cn as typeof c;
  }
  return probabilities;
}

function stretchesOf(probabilities: Float32Array, length: number): SpeechStretch[] {
  const stretches: { start: number; end: number }[] = [];
  let speaking = false;
  for (const [i, probability] of probabilities.entries()) {
    speaking = probability >= (speaking ? SPEECH_UNTIL : SPEECH_FROM);
    if (!speaking) continue;
    const last = stretches.at(-1);
    if (last && i * FRAME - last.end < SHORTEST_SILENCE) last.end = (i + 1) * FRAME;
    else stretches.push({ start: i * FRAME, end: (i + 1) * FRAME });
  }
  // The silence between two stretches is longer than both their paddings.
  return stretches.map(({ start, end }) => ({
    start: Math.max(0, start - PADDING),
    end: Math.min(length, end + PADDING),
  }));
}
