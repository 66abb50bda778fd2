/**
 * Energies of mel bands in WebAssembly SIMD: a window, a mixed-radix (5 · 5 · 4 · 4) Stockham FFT, as Whisper's n_fft of 400 is
 * no power of two, and the filters. The bytes are compiled from scripts/kernels/mel-energies.ts, whose head says how.
 */
const KERNEL =
  'AGFzbQEAAAABIANgBn9/f39/fwBgBX9/f39/AGALf39/f39/f39/f38AAg8BA2VudgZtZW1vcnkCAAADBAMAAQIHDwELbWVsRW5l' +
  'cmdpZXMAAgrgEAPkBgIWewh/IAX9CgMAIQYgBUEIav0KAwAhByAFQRBq/QoDACEIIAVBGGr9CgMAIQkgAiADbEEEdCEdIANBBHQh' +
  'HkEAIQUDQCACIAVKBEBBACEcA0AgAyAcSgRAIAAgHCADIAVsakEEdGoiISAdaiIfIB1qIiAgHWoiIiAdaiEjICH9AAQAIg4gBiAf' +
  '/QAEACINICP9AAQAIg/98AEiEP3yAf3wASAIICD9AAQAIhEgIv0ABAAiEv3wASIT/fIB/fABIRQgIUGAMmr9AAQAIhUgBiAfQYAy' +
  'av0ABAAiDCAjQYAyav0ABAAiFv3wASIK/fIB/fABIAggIEGAMmr9AAQAIhcgIkGAMmr9AAQAIhj98AEiC/3yAf3wASEZIAEgHCAD' +
  'QQVsIAVsakEEdGoiHyAOIBD98AEgE/3wAf0LBAAgH0GAMmogFSAK/fABIAv98AH9CwQAIB4gH2oiICAUIAcgDCAW/fEBIhb98gEg' +
  'CSAXIBj98QEiF/3yAf3wASIY/fABIhsgBP0KAwAiDP3yASAZIAcgDSAP/fEBIg/98gEgCSARIBL98QEiEf3yAf3wASIS/fEBIhog' +
  'BEEIav0KAwAiDf3yAf3xAf0LBAAgIEGAMmogGyAN/fIBIBogDP3yAf3wAf0LBAAgHyAeQQF0aiIgIA4gCCAQ/fIB/fABIAYgE/3y' +
  'Af3wASIMIAkgFv3yASAHIBf98gH98QEiDf3wASIOIARBEGoiIf0KAwAiEP3yASAVIAggCv3yAf3wASAGIAv98gH98AEiCiAJIA/9' +
  '8gEgByAR/fIB/fEBIgv98QEiDyAhQQhq/QoDACIR/fIB/fEB/QsEACAgQYAyaiAOIBH98gEgDyAQ/fIB/fAB/QsEACAfIB5BA2xq' +
  'IiAgDCAN/fEBIgwgBEEgaiIh/QoDACIN/fIBIAogC/3wASIKICFBCGr9CgMAIgv98gH98QH9CwQAICBBgDJqIAwgC/3yASAKIA39' +
  '8gH98AH9CwQAIB8gHkECdGoiHyAUIBj98QEiCiAEQTBqIiD9CgMAIgv98gEgGSAS/fABIgwgIEEIav0KAwAiDf3yAf3xAf0LBAAg' +
  'H0GAMmogCiAN/fIBIAwgC/3yAf3wAf0LBAAgHEEBaiEcDAELCyAEQUBrIQQgBUEBaiEFDAELCwugBAINewl/IAIgA2xBBHQhFCAD' +
  'QQR0IRUDQCACIBNKBEBBACESA0AgAyASSgRAIAAgEiADIBNsakEEdGoiFiAUaiIXIBRqIhkgFGohGiAWQYAyav0ABAAiBiAZQYAy' +
  'av0ABAAiB/3wASEIIBdBgDJq/QAEACIJIBpBgDJq/QAEACIK/fABIQsgASASIANBAnQgE2xqQQR0aiIYIBb9AAQAIgwgGf0ABAAi' +
  'Df3wASIFIBf9AAQAIg4gGv0ABAAiD/3wASIQ/fAB/QsEACAYQYAyaiAIIAv98AH9CwQAIBUgGGoiFiAMIA398QEiDCAJIAr98QEi' +
  'Cf3wASINIAT9CgMAIhH98gEgBiAH/fEBIgYgDiAP/fEBIgf98QEiCiAEQQhq/QoDACIO/fIB/fEB/QsEACAWQYAyaiANIA798gEg' +
  'CiAR/fIB/fAB/QsEACAYIBVBAXRqIhYgBSAQ/fEBIgUgBEEQaiIX/QoDACIK/fIBIAggC/3xASIIIBdBCGr9CgMAIgv98gH98QH9' +
  'CwQAIBZBgDJqIAUgC/3yASAIIAr98gH98AH9CwQAIBggFUEDbGoiFiAMIAn98QEiBSAEQSBqIhf9CgMAIgj98gEgBiAH/fABIgYg' +
  'F0EIav0KAwAiB/3yAf3xAf0LBAAgFkGAMmogBSAH/fIBIAYgCP3yAf3wAf0LBAAgEkEBaiESDAELCyAEQTBqIQQgE0EBaiETDAEL' +
  'CwvVBQIJfwZ7IAhBgOQAaiIOQYDkAGoiEEGQGWohESAKQQN0IRIDQCABIA9KBEAgACAPQYAFbGohCkEAIQsDQCALQZADSARAIAgg' +
  'C0EEdGoiDCAKKgIAu/0UIApBgApqKgIAu/0iASACIAtBA3Rq/QoDACIU/fIB/QsEACAMQYAyaiAKQYAFaiIMKgIAu/0UIAxBgApq' +
  'KgIAu/0iASAU/fIB/QsEACAKQQRqIQogC0EBaiELDAELCyAIIA5B0ABBASAEIAMQACAOIAhBEEEFIARBgChqIgogAxAAIAggDkEE' +
  'QRkgCkGACGoiChABIA4gCEEBQeQAIApBwAFqEAFBACELA0AgC0HJAUgEQCAIIAtBBHRqIgz9AAQAIhcgCwR/IAhBkAMgC2tBBHRq' +
  'BSAICyIK/QAEACIU/fABIRUgDEGAMmr9AAQAIhYgCkGAMmr9AAQAIhj98AEhGSALQQR0IgogEGogFSAV/fIBIBYgGP3xASIVIBX9' +
  '8gH98AH9DAAAAAAAANA/AAAAAAAA0D/98gH9CwQAIAogEWogGSAZ/fIBIBcgFP3xASIUIBT98gH98AH9DAAAAAAAANA/AAAAAAAA' +
  '0D/98gH9CwQAIAtBAWohCwwBCwsgBiEKIAkgD0EDdGohDEEAIQsDQCAHIAtKBEAgBSALQQN0aiITKAIAQQR0IQ0gCiATKAIEQQN0' +
  'aiET/QwAAAAAAAAAAAAAAAAAAAAAIRT9DAAAAAAAAAAAAAAAAAAAAAAhFQNAIAogE0kEQCAUIAr9CgMAIhYgDSAQav0ABAD98gH9' +
  '8AEhFCAVIBYgDSARav0ABAD98gH98AEhFSANQRBqIQ0gCkEIaiEKDAELCyAMIBQgFf0NAAECAwQFBgcQERITFBUWF/0LBAAgDCAU' +
  'IBX9DQgJCgsMDQ4PGBkaGxwdHh/9CwQQIAwgEmohDCALQQFqIQsMAQsLIA9BBGohDwwBCwsL';

type MelEnergies = (
  signal: number,
  frames: number,
  hann: number,
  circle: number,
  twiddles: number,
  filters: number,
  weights: number,
  melBins: number,
  work: number,
  out: number,
  stride: number,
) => void;

/** Samples of a frame. */
export const FRAME = 400;
/** Samples between two frames: 10 ms. */
export const HOP = 160;
/** Bins of a real spectrum: 0 … 8000 Hz in steps of 40 Hz. */
export const SPECTRUM_BINS = FRAME / 2 + 1;
/** Frames that the kernel is given at once, a multiple of 4. */
export const MEL_BLOCK = 64;
/** Samples that they need. */
export const BLOCK_SAMPLES = (MEL_BLOCK - 1) * HOP + FRAME;
/** Of Whisper's models 128 at most. */
export const MAX_MEL_BINS = 256;

/** A triangular mel filter: the bins of the spectrum that it does not weight with zero. */
export interface MelFilter {
  readonly firstBin: number;
  readonly weights: Float64Array;
}

const memory = new WebAssembly.Memory({ initial: 4 });
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(KERNEL, 'base64')), {
  env: { memory },
});
const melEnergies = exports.melEnergies as MelEnergies;

let used = 0;
function place(bytes: number): number {
  const at = used;
  used += Math.ceil(bytes / 16) * 16;
  return at;
}
const numbers = (length: number): Float64Array => new Float64Array(memory.buffer, place(length * 8), length);

/** Periodic Hann, as torch.hann_window(400) makes it. */
const hann = numbers(FRAME);
for (let i = 0; i < FRAME; i++) hann[i] = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / FRAME);

/** cos and sin of 2π/5 and of 4π/5. */
const circle = numbers(4);
for (let i = 0; i < 2; i++) {
  circle[2 * i] = Math.cos((2 * (i + 1) * Math.PI) / 5);
  circle[2 * i + 1] = Math.sin((2 * (i + 1) * Math.PI) / 5);
}

/** cos and sin of -2π·p·j / length of each pass, in order [p, j = 1 … radix - 1]. */
const twiddles = numbers(2 * (80 * 4 + 16 * 4 + 4 * 3 + 3));
let at = 0;
for (let length = FRAME; length > 1; ) {
  const radix = length % 5 === 0 ? 5 : 4;
  for (let p = 0; p < length / radix; p++) {
    for (let j = 1; j < radix; j++) {
      const angle = (-2 * Math.PI * p * j) / length;
      twiddles[at++] = Math.cos(angle);
      twiddles[at++] = Math.sin(angle);
    }
  }
  length /= radix;
}

const ranges = new Int32Array(memory.buffer, place(MAX_MEL_BINS * 8), MAX_MEL_BINS * 2);
// Each bin lies in two triangles at most.
const weights = numbers(2 * SPECTRUM_BINS);
const work = place((4 * FRAME + 2 * SPECTRUM_BINS) * 16);
const signal = new Float32Array(memory.buffer, place(BLOCK_SAMPLES * 4), BLOCK_SAMPLES);
const energies = numbers(MAX_MEL_BINS * MEL_BLOCK);
let bank: readonly MelFilter[] | undefined;

/**
 * Energies of mel bands of some frames.
 *
 * @param fill writes the samples of the frames, BLOCK_SAMPLES at most
 * @param frames at most MEL_BLOCK
 * @returns [filters, MEL_BLOCK], valid until the next call; what stands beyond `frames` means nothing
 */
export function energiesOf(
  filters: readonly MelFilter[],
  frames: number,
  fill: (signal: Float32Array) => void,
): Float64Array {
  if (bank !== filters) setFilters(filters);
  fill(signal);
  melEnergies(
    signal.byteOffset,
    Math.ceil(frames / 4) * 4,
    hann.byteOffset,
    circle.byteOffset,
    twiddles.byteOffset,
    ranges.byteOffset,
    weights.byteOffset,
    filters.length,
    work,
    energies.byteOffset,
    MEL_BLOCK,
  );
  return energies;
}

function setFilters(filters: readonly MelFilter[]): void {
  let place = 0;
  for (const [m, { firstBin, weights: values }] of filters.entries()) {
    ranges[2 * m] = firstBin;
    ranges[2 * m + 1] = values.length;
    weights.set(values, place);
    place += values.length;
  }
  bank = filters;
}
