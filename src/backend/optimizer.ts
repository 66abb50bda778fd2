/** The optimizer of the computing thread. While it exists, the trained weights lie in its memory. */

import { AdamW } from './adamw.ts';
import { lookUp, setWeight, weightOf } from './memory.ts';
import ort from './onnxruntime.ts';
import type { AdamWOptions, AdamWState, HostTensor, RequestOf } from './protocol.ts';

let optimizer: AdamW | undefined;

export function create({ names, accumulates, state }: RequestOf<'adamw-create'>): void {
  optimizer = new AdamW(
    names.map((name) => [name, weightOf(name)]),
    accumulates,
    state,
  );
  for (const [name, tensor] of optimizer.parameters) setWeight(name, tensor);
}

/** Sets the values of a trained weight. @returns false where the weight is not trained */
export function setTrained(name: string, { data }: HostTensor): boolean {
  const trained = optimizer?.parameters.get(name);
  if (trained) (trained.data as Float32Array).set(data as Float32Array);
  return trained !== undefined;
}

export const gradientOf = (name: string): Float32Array =>
  lookUp(optimizer!.gradients, name, 'gradient').data as Float32Array;

export const gradients = (): Float32Array => optimizer!.gradientCopy();

export function accumulate({ share, reset, gradients }: RequestOf<'adamw-accumulate'>): void {
  if (gradients) optimizer!.setGradients(gradients);
  optimizer!.accumulate(share, reset);
}

export const step = (options: AdamWOptions): number => optimizer!.step(options);

export const state = (): AdamWState => optimizer!.state();

/** Moves the weights out of the optimizer's memory and frees it. */
export function release(): void {
  for (const [name, tensor] of optimizer!.parameters) {
    setWeight(name, new ort.Tensor('float32', (tensor.data as Float32Array).slice(), tensor.dims));
  }
  optimizer = undefined;
}
