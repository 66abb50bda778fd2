/** Kernels in WebAssembly, which the build makes of kernels/. */
import { readFileSync } from 'node:fs';

const compiled = new Map<string, WebAssembly.Module>();

/** @param name of its source, without `.ts` */
export function compiledKernel(name: string): WebAssembly.Module {
  let module = compiled.get(name);
  if (!module) {
    // Tests run the sources; the kernel is what the build made.
    const folder = import.meta.url.endsWith('.ts') ? '../../dist/backend/' : './';
    module = new WebAssembly.Module(readFileSync(new URL(`${folder}${name}.wasm`, import.meta.url)));
    compiled.set(name, module);
  }
  return module;
}
