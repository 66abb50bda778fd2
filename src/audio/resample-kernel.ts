/**
 * The inner loop of the resampler in WebAssembly SIMD: a second at 48 kHz takes 0.6 ms, against 7 in JavaScript.
 * The bytes are compiled from scripts/kernels/resample.ts, whose head says how.
 */
const KERNEL =
  'AGFzbQEAAAABFAJgA39/fwF9YAl/f39/f39/f38AAg8BA2VudgZtZW1vcnkCAAADAwIAAQcMAQhyZXNhbXBsZQABCsQHAqkBAQR7' +
  'IAAgAkECdGohAgNAIAAgAkkEQCADIAD9AAQAIAH9AAQA/eYB/eQBIQMgBCAA/QAEECAB/QAEEP3mAf3kASEEIAUgAP0ABCAgAf0A' +
  'BCD95gH95AEhBSAGIAD9AAQwIAH9AAQw/eYB/eQBIQYgAEFAayEAIAFBQGshAQwBCwsgAyAE/eQBIAUgBv3kAf3kASID/R8AIAP9' +
  'HwGSIAP9HwIgA/0fA5KSC5YGBAl7Cn8CfQF8IAJBAnQhFSAEIAQgBW0iFyAFbGshGCABIAVGBEAgBEECdCEZIAVBAnQhGgNAIBQg' +
  'BUEBdGogCEwEQEEAIRYDQCAFIBZKBED9DAAAAAAAAAAAAAAAAAAAAAAhCf0MAAAAAAAAAAAAAAAAAAAAACEK/QwAAAAAAAAAAAAA' +
  'AAAAAAAAIQv9DAAAAAAAAAAAAAAAAAAAAAAhDP0MAAAAAAAAAAAAAAAAAAAAACEN/QwAAAAAAAAAAAAAAAAAAAAAIQ79DAAAAAAA' +
  'AAAAAAAAAAAAAAAhD/0MAAAAAAAAAAAAAAAAAAAAACEQIAMiBCAZaiETIAAgBiAVbGoiEiACQQJ0aiEbA0AgEiAbSQRAIAkgEv0A' +
  'BAAiESAE/QAEAP3mAf3kASEJIA0gESAT/QAEAP3mAf3kASENIAogEv0ABBAiESAE/QAEEP3mAf3kASEKIA4gESAT/QAEEP3mAf3k' +
  'ASEOIAsgEv0ABCAiESAE/QAEIP3mAf3kASELIA8gESAT/QAEIP3mAf3kASEPIAwgEv0ABDAiESAE/QAEMP3mAf3kASEMIBAgESAT' +
  '/QAEMP3mAf3kASEQIBJBQGshEiAEQUBrIQQgE0FAayETDAELCyAHIAkgCv3kASALIAz95AH95AEiCf0fACAJ/R8BkiAJ/R8CIAn9' +
  'HwOSkjgCACAHIBpqIA0gDv3kASAPIBD95AH95AEiCf0fACAJ/R8BkiAJ/R8CIAn9HwOSkjgCACAHQQRqIQcgAyAXQQJ0aiEDIAYg' +
  'GGoiBiAFTgRAIAYgBWshBiADQQRqIQMLIBZBAWohFgwBCwsgByAaaiEHIAMgGWohAyAUIAVBAXRqIRQMAQsLCwNAIAggFEoEQCAA' +
  'IAa3IAG3oiAFt6MiHvwCIgQgFWxqIhIgAyACEAAhHCAHIB4gBLehtiIdQwAAAABeBH0gHCAdIBIgFWogAyACEAAgHJOUkgUgHAs4' +
  'AgAgB0EEaiEHIAMgF0ECdGohAyAGIBhqIgYgBU4EQCAGIAVrIQYgA0EEaiEDCyAUQQFqIRQMAQsLCw==';

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
