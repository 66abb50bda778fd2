/** Kernels in WebAssembly, which the build makes of kernels/. */
import { readFileSync } from 'node:fs';
import { builtFile } from '../files/built.ts';

const compiled = new Map<string, WebAssembly.Module>();

/** @param name of its source, without `.ts` */
export function compiledKernel(name: string): WebAssembly.Module {
  let module = compiled.get(name);
  if (!module) {
    module = new WebAssembly.Module(readFileSync(builtFile(`backend/${name}.wasm`)));
    compiled.set(name, module);
  }
  return module;
}
