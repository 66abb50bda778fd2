/**
 * Whisper's input: the log-mel spectrogram of openai/whisper `audio.py`, as transformers'
 * `WhisperFeatureExtractor` computes it (n_fft 400, hop 160, periodic Hann, Slaney mel filters).
 */
import { powerSpectra, SPECTRUM_BINS } from './power-spectrum.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

/** Samples between two frames: 10 ms. */
export const HOP = 160;
/** Frames of Whisper's full window of 30 s. */
export const FULL_WINDOW_FRAMES = 3000;

const FRAME = 400;
const FLOOR = 1e-10;
/** Everything more than 80 dB below the loudest cell is cut off. */
const DYNAMIC_RANGE = 8;

/** Periodic Hann, as torch.hann_window(400) makes it. */
const hann = Float64Array.from({ length: FRAME }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME));

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
  const a = new Float64Array(FRAME);
  const b = new Float64Array(FRAME);
  const power = [new Float64Array(SPECTRUM_BINS), new Float64Array(SPECTRUM_BINS)] as const;
  const floor = Math.log10(FLOOR);
  let loudest = soundingFrames < frames ? floor : Number.NEGATIVE_INFINITY;
  // Two real frames share one complex FFT.
  for (let t = 0; t < soundingFrames; t += 2) {
    windowedFrame(samples, length, windowLength, t, a);
    windowedFrame(samples, length, windowLength, t + 1, b);
    powerSpectra(a, b, power[0], power[1]);
    const last = Math.min(t + 1, soundingFrames - 1);
    for (let frame = t; frame <= last; frame++) {
      const spectrum = power[frame - t]!;
      for (let m = 0; m < melBins; m++) {
        const filter = filters[m]!;
        const weights = filter.weights;
        let energy = 0;
        for (let k = 0, bin = filter.firstBin; k < weights.length; k++, bin++)
          energy += weights[k]! * spectrum[bin]!;
        const value = energy > FLOOR ? Math.log10(energy) : floor;
        mel[m * frames + frame] = value;
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

/** Frame `t`, centred at sample 160·t, windowed; beyond both ends of the window the signal is reflected. */
function windowedFrame(
  samples: Float32Array,
  length: number,
  windowLength: number,
  t: number,
  out: Float64Array,
) {
  const start = t * HOP - FRAME / 2;
  if (start >= 0 && start + FRAME <= length) {
    for (let i = 0; i < FRAME; i++) out[i] = samples[start + i]! * hann[i]!;
    return;
  }
  for (let i = 0; i < FRAME; i++) {
    let at = start + i;
    if (at < 0) at = -at;
    if (at >= windowLength) at = 2 * (windowLength - 1) - at;
    out[i] = at >= 0 && at < length ? samples[at]! * hann[i]! : 0;
  }
}

/** One triangular mel filter: the spectrum bins it does not weight with zero. */
interface MelFilter {
  readonly firstBin: number;
  readonly weights: Float64Array;
}

const filterBanks = new Map<number, MelFilter[]>();

/** Slaney-scale, area-normalised filters over 0–8000 Hz: librosa.filters.mel(sr=16000, n_fft=400, n_mels). */
function melFilters(melBins: number): MelFilter[] {
  let bank = filterBanks.get(melBins);
  if (bank) return bank;
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
