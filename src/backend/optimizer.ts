/** The optimizer of the computing thread. While it exists, the trained weights lie in its memory. */

import { AdamW } from './adamw.ts';
import { setWeight, weightOf } from './memory.ts';
import ort from './onnxruntime.ts';
import type { AdamWOptions, AdamWState, HostTensor, RequestOf } from './protocol.ts';

let optimizer: AdamW | undefined;

export async function create(
  { names, accumulates, state }: RequestOf<'adamw-create'>,
  threads: number,
): Promise<void> {
  const weights = names.map((name) => [name, weightOf(name)] as const);
  optimizer = await AdamW.create(weights, accumulates, threads, state);
  useParameters();
}

function useParameters(): void {
  for (const [name, tensor] of optimizer!.parameters()) setWeight(name, tensor);
}

/** Sets the values of a trained weight. @returns false where the weight is not trained */
export function setTrained(name: string, { data }: HostTensor): boolean {
  if (!optimizer?.gradient(name)) return false;
  (weightOf(name).data as Float32Array).set(data as Float32Array);
  return true;
}

export function gradientOf(name: string): Float32Array {
  const gradient = optimizer?.gradient(name);
  if (!gradient) throw new Error(`internal: no gradient of ${name} in the worker`);
  return gradient;
}

export const accumulate = (share: number, reset: boolean): Promise<void> =>
  optimizer!.accumulate(share, reset);

export async function step(options: AdamWOptions): Promise<number> {
  const norm = await optimizer!.step(options);
  useParameters();
  return norm;
}

export const state = (): Promise<AdamWState> => optimizer!.state();

/** Moves the weights out of the optimizer's memory and frees it. */
export async function release(): Promise<void> {
  for (const [name, tensor] of optimizer!.parameters()) {
    setWeight(name, new ort.Tensor('float32', (tensor.data as Float32Array).slice(), tensor.dims));
  }
  await optimizer!.close();
  optimizer = undefined;
}
