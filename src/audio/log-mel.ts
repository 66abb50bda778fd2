/**
 * Whisper's input: the log-mel spectrogram of openai/whisper `audio.py`, as transformers'
 * `WhisperFeatureExtractor` computes it (n_fft 400, hop 160, periodic Hann, Slaney mel filters).
 */
import {
  BLOCK_SAMPLES,
  energiesOf,
  FRAME,
  HOP,
  MAX_MEL_BINS,
  MEL_BLOCK,
  type MelFilter,
  SPECTRUM_BINS,
} from './mel-kernel.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

export { HOP } from './mel-kernel.ts';

/** Frames of Whisper's full window of 30 s. */
export const FULL_WINDOW_FRAMES = 3000;

const FLOOR = 1e-10;
/** Everything more than 80 dB below the loudest cell is cut off. */
const DYNAMIC_RANGE = 8;

/**
 * Log-mel spectrogram of a window of exactly `frames` × 160 samples.
 *
 * @param samples 16 kHz mono in [-1, 1]; zero-padded at the end or trimmed to the window.
 * @param melBins 80, or 128 for large-v3 and turbo.
 * @param frames 10 ms frames of the window, at least 2; 3000 is Whisper's full 30 s.
 * @returns row-major [melBins, frames], the model's `input_features` of one clip.
 */
export function logMel(samples: Float32Array, melBins: number, frames: number): Float32Array {
  if (!Number.isInteger(frames) || frames < 2)
    throw new RangeError(`frames is ${frames}; expected at least 2`);
  const windowLength = frames * HOP;
  const length = Math.min(samples.length, windowLength);
  // A frame that begins after the last sample holds only padding: its cells are the floor, no FFT needed.
  const soundingFrames = Math.min(frames, Math.floor((length + FRAME / 2 - 1) / HOP) + 1);
  const filters = melFilters(melBins);
  const mel = new Float32Array(melBins * frames); // [melBins, frames]
  const floor = Math.log10(FLOOR);
  let loudest = soundingFrames < frames ? floor : Number.NEGATIVE_INFINITY;
  for (let first = 0; first < soundingFrames; first += MEL_BLOCK) {
    const count = Math.min(MEL_BLOCK, soundingFrames - first);
    const energies = energiesOf(filters, count, (signal) =>
      framesFrom(samples, length, windowLength, first * HOP - FRAME / 2, signal),
    );
    for (let m = 0; m < melBins; m++) {
      const row = m * frames + first;
      for (let t = 0; t < count; t++) {
        const energy = energies[m * MEL_BLOCK + t]!;
        const value = energy > FLOOR ? Math.log10(energy) : floor;
        mel[row + t] = value;
        if (value > loudest) loudest = value;
      }
    }
  }
  const lowest = loudest - DYNAMIC_RANGE;
  const padding = (Math.max(floor, lowest) + 4) / 4;
  for (let m = 0; m < melBins; m++) {
    const row = mel.subarray(m * frames, (m + 1) * frames);
    for (let t = 0; t < soundingFrames; t++) row[t] = (Math.max(row[t]!, lowest) + 4) / 4;
    row.fill(padding, soundingFrames);
  }
  return mel;
}

/** The samples from `start` on: beyond both ends of the window they are reflected. */
function framesFrom(
  samples: Float32Array,
  length: number,
  windowLength: number,
  start: number,
  signal: Float32Array,
): void {
  const from = Math.max(0, -start);
  const to = Math.max(from, Math.min(BLOCK_SAMPLES, length - start));
  signal.set(samples.subarray(start + from, start + to), from);
  for (let i = 0; i < from; i++) signal[i] = -start - i < length ? samples[-start - i]! : 0;
  for (let i = to; i < BLOCK_SAMPLES; i++) {
    const at = 2 * (windowLength - 1) - start - i;
    signal[i] = start + i >= windowLength && at >= 0 && at < length ? samples[at]! : 0;
  }
}

const filterBanks = new Map<number, MelFilter[]>();

/** Slaney-scale, area-normalised filters over 0–8000 Hz: librosa.filters.mel(sr=16000, n_fft=400, n_mels). */
function melFilters(melBins: number): MelFilter[] {
  let bank = filterBanks.get(melBins);
  if (bank) return bank;
  if (melBins > MAX_MEL_BINS) throw new RangeError(`${melBins} mel bins; expected at most ${MAX_MEL_BINS}`);
  const top = hertzToMel(SAMPLE_RATE / 2);
  const edges = Array.from({ length: melBins + 2 }, (_, i) => melToHertz((top * i) / (melBins + 1)));
  bank = Array.from({ length: melBins }, (_, m) => {
    const [low, centre, high] = [edges[m]!, edges[m + 1]!, edges[m + 2]!];
    const weight = (bin: number) => {
      const hertz = (bin * SAMPLE_RATE) / FRAME;
      const triangle = Math.min((hertz - low) / (centre - low), (high - hertz) / (high - centre));
      return (Math.max(0, triangle) * 2) / (high - low);
    };
    const all = Float64Array.from({ length: SPECTRUM_BINS }, (_, bin) => weight(bin));
    const firstBin = Math.max(
      0,
      all.findIndex((w) => w > 0),
    );
    return { firstBin, weights: all.slice(firstBin, all.findLastIndex((w) => w > 0) + 1) };
  });
  filterBanks.set(melBins, bank);
  return bank;
}

// Slaney's mel scale: linear below 1 kHz, logarithmic above.
const MEL_HERTZ = 200 / 3;
const LOG_START_HERTZ = 1000;
const LOG_START_MEL = LOG_START_HERTZ / MEL_HERTZ;
const LOG_STEP = Math.log(6.4) / 27;

function hertzToMel(hertz: number): number {
  return hertz < LOG_START_HERTZ
    ? hertz / MEL_HERTZ
    : LOG_START_MEL + Math.log(hertz / LOG_START_HERTZ) / LOG_STEP;
}

function melToHertz(mel: number): number {
  return mel < LOG_START_MEL ? mel * MEL_HERTZ : LOG_START_HERTZ * Math.exp(LOG_STEP * (mel - LOG_START_MEL));
}
