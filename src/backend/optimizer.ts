/** The optimizer of the computing thread. While there is one, the weights that it trains lie in its memory. */
import ort from 'onnxruntime-node';
import { AdamW } from './adamw.ts';
import { found, setWeight, weightOf } from './memory.ts';
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

/** Sets the values of a weight that is trained. @returns false where this one is not */
export function setTrained(name: string, { data }: HostTensor): boolean {
  const trained = optimizer?.parameters.get(name);
  if (trained) (trained.data as Float32Array).set(data as Float32Array);
  return trained !== undefined;
}

export const gradientOf = (name: string): ort.Tensor => found(optimizer!.gradients, name, 'gradient');

export const accumulate = (share: number, reset: boolean): void => optimizer!.accumulate(share, reset);

export const step = (options: AdamWOptions): number => optimizer!.step(options);

export const state = (): AdamWState => optimizer!.state();

/** The weights move out of the optimizer's memory, so that it can go. */
export function release(): void {
  for (const [name, tensor] of optimizer!.parameters) {
    setWeight(name, new ort.Tensor('float32', (tensor.data as Float32Array).slice(), tensor.dims));
  }
  optimizer = undefined;
}
