/**
 * The inner loop of the resampler in WebAssembly SIMD: 1.4 s at 48 kHz take 1 ms, against 10 in JavaScript.
 * The bytes are compiled from scripts/kernels/resample.ts, whose head says how.
 */
const KERNEL =
  'AGFzbQEAAAABFAJgA39/fwF9YAl/f39/f39/f38AAg8BA2VudgZtZW1vcnkCAAADAwIAAQcMAQhyZXNhbXBsZQABCscCAqkB' +
  'AQR7IAAgAkECdGohAgNAIAAgAkkEQCADIAD9AAQAIAH9AAQA/eYB/eQBIQMgBCAA/QAEECAB/QAEEP3mAf3kASEEIAUgAP0A' +
  'BCAgAf0ABCD95gH95AEhBSAGIAD9AAQwIAH9AAQw/eYB/eQBIQYgAEFAayEAIAFBQGshAQwBCwsgAyAE/eQBIAUgBv3kAf3k' +
  'ASID/R8AIAP9HwGSIAP9HwIgA/0fA5KSC5kBAwJ9BH8BfCACQQJ0IQsDQCAIIAxKBEAgACAGtyABt6IgBbejIg/8AiINIAts' +
  'aiIOIAMgAhAAIQkgByAPIA23obYiCkMAAAAAXgR9IAkgCiALIA5qIAMgAhAAIAmTlJIFIAkLOAIAIAdBBGohByAEIAZqIgYg' +
  'BW0hDSAGIAUgDWxrIQYgAyANQQJ0aiEDIAxBAWohDAwBCwsL';

export type ResampleKernel = (
  filters: number,
  phases: number,
  taps: number,
  signal: number,
  step: number,
  parts: number,
  remainder: number,
  out: number,
  count: number,
) => void;

declare global {
  namespace WebAssembly {
    interface Memory {
      /** Adds pages; buffers taken before are detached. */
      grow(pages: number): number;
    }
  }
}

const PAGE = 65_536;
const memory = new WebAssembly.Memory({ initial: 16 });
const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(KERNEL, 'base64')), {
  env: { memory },
});

export const resampleKernel = exports.resample as ResampleKernel;

/** The kernel's memory as floats, at least this many, of unspecified content. */
export function kernelFloats(count: number): Float32Array {
  const missing = count * 4 - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
  return new Float32Array(memory.buffer);
}
