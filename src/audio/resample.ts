/**
 * Band-limited resampling with a Kaiser-windowed sinc, in blocks, so that hours of sound need no copy at their
 * own rate. Own code because the npm port of libsamplerate takes 120 ms (best) or 20 ms (fastest) for a clip of
 * 1.4 s at 48 kHz, and feeds inputs above a million samples in pieces whose last one it does not flush.
 */
import { joinSamples } from './join-samples.ts';
import { kernelFloats, resampleKernel } from './resample-kernel.ts';

/** Zero crossings of the sinc on either side: sets how steep the low-pass is. */
const CROSSINGS = 64;
/** Where the low-pass halves the amplitude, as a share of the lower Nyquist frequency; it stops fully at 1. */
const CUTOFF = 0.96;
/** Kaiser window: 80 dB of stop band with a transition of 0.08 of the Nyquist frequency. */
const BETA = 8;
/** Rates whose ratio needs more phases than this interpolate between phases instead (error < 1e-5). */
const MAX_EXACT_PHASES = 640;
/** Inputs to the kernel at once, which bounds its memory. */
const PIECE = 2 ** 17;

/** [phases + 1, 2 · reach]: row p is the filter for an output p / phases of a sample after an input. */
interface SincFilters {
  readonly from: number;
  readonly to: number;
  readonly phases: number;
  readonly reach: number;
  readonly rows: Float32Array;
}

/** The filters that stand in the kernel's memory: of 44.1 kHz they take 240 KB. */
let resident: Float32Array | undefined;

/** A whole recording at another rate. */
export function resampled(samples: Float32Array, from: number, to: number): Float32Array {
  if (from === to) return samples;
  const resampler = new Resampler(from, to);
  return joinSamples([...resampler.push(samples), resampler.finish()]);
}

/** Resamples mono audio from `from` to `to` Hz, block by block; n samples become round(n · to / from). */
export class Resampler {
  private readonly filters: SincFilters;
  /** The ratio from / to in lowest terms. */
  private readonly step: number;
  private readonly parts: number;
  /** Inputs needed by later outputs; the first is input sample `start`. */
  private pending: Float32Array;
  private start: number;
  private received = 0;
  private produced = 0;

  constructor(
    private readonly from: number,
    private readonly to: number,
  ) {
    this.filters = sincFiltersFor(from, to);
    const common = greatestCommonDivisor(from, to);
    this.step = from / common;
    this.parts = to / common;
    // Silence before the first sample, so that every output finds its whole reach.
    this.start = -this.filters.reach;
    this.pending = new Float32Array(this.filters.reach);
  }

  /** Adds the next block. @returns the outputs that are now complete, in pieces */
  push(block: Float32Array): Float32Array[] {
    const outputs: Float32Array[] = [];
    for (let at = 0; at < block.length; at += PIECE) {
      const piece = block.subarray(at, at + PIECE);
      this.received += piece.length;
      outputs.push(this.advance(piece, Number.POSITIVE_INFINITY));
    }
    return outputs;
  }

  /** The remaining outputs, as if silence followed the end. */
  finish(): Float32Array {
    const total = Math.round((this.received * this.to) / this.from);
    return this.advance(new Float32Array(this.filters.reach + 1), total);
  }

  private advance(piece: Float32Array, total: number): Float32Array {
    const { phases, reach, rows } = this.filters;
    const [step, parts, produced, pending] = [this.step, this.parts, this.produced, this.pending];
    const length = pending.length + piece.length;
    // Output n lies at input n · step / parts and needs the inputs up to floor of that + reach.
    const settled = Math.ceil(((this.start + length - reach) * parts) / step);
    const count = Math.max(0, Math.min(total, settled) - produced);

    const memory = kernelFloats(rows.length + length + count);
    if (resident !== rows) memory.set(rows);
    resident = rows;
    const signalAt = rows.length;
    memory.set(pending, signalAt);
    memory.set(piece, signalAt + pending.length);
    const outAt = signalAt + length;
    const whole = Math.floor((produced * step) / parts);
    const firstTap = signalAt + whole - reach + 1 - this.start;
    const remainder = produced * step - whole * parts;
    resampleKernel(0, phases, 2 * reach, firstTap * 4, step, parts, remainder, outAt * 4, count);

    this.produced += count;
    const needed = Math.floor((this.produced * step) / parts) - reach + 1;
    const dropped = Math.max(0, Math.min(length, needed - this.start));
    this.pending = memory.slice(signalAt + dropped, signalAt + length);
    this.start += dropped;
    return memory.slice(outAt, outAt + count);
  }
}

/** Filters of recent rates: computing them takes longer than resampling a clip, and a corpus mixes few rates. */
const known: SincFilters[] = [];
const MAX_KNOWN = 4;

function sincFiltersFor(from: number, to: number): SincFilters {
  let filters = known.find((candidate) => candidate.from === from && candidate.to === to);
  if (filters) return filters;
  const shrink = Math.min(1, to / from);
  const phases = Math.min(MAX_EXACT_PHASES, to / greatestCommonDivisor(from, to));
  // The kernel takes 16 taps at a time.
  const reach = Math.ceil(CROSSINGS / shrink / 8) * 8;
  filters = { from, to, phases, reach, rows: sincFilters(phases, reach, CUTOFF * shrink) };
  known.unshift(filters);
  known.length = Math.min(known.length, MAX_KNOWN);
  return filters;
}

/** @param bandwidth where the low-pass halves the amplitude, as a share of the input's Nyquist frequency. */
function sincFilters(phases: number, reach: number, bandwidth: number): Float32Array {
  const taps = 2 * reach;
  const filters = new Float32Array((phases + 1) * taps);
  const row = new Float64Array(taps);
  for (let phase = 0; phase <= phases; phase++) {
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const distance = tap - (reach - 1) - phase / phases; // input samples from the output's position
      const x = Math.PI * bandwidth * distance;
      const window = besselI0(BETA * Math.sqrt(Math.max(0, 1 - (distance / reach) ** 2)));
      row[tap] = (x === 0 ? 1 : Math.sin(x) / x) * window;
      sum += row[tap]!;
    }
    // Normalised for each phase, so that a constant stays that constant.
    for (let tap = 0; tap < taps; tap++) filters[phase * taps + tap] = row[tap]! / sum;
  }
  return filters;
}

/** Modified Bessel function of the first kind, order 0, by its power series. */
function besselI0(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
