/** Tensors of the computing thread: the weights of a model by name, and transfers between threads. */

import { type Bits, SCALE_SUFFIX, storedForm } from '../graph/stored-form.ts';
import ort from './onnxruntime.ts';
import type { HostTensor } from './protocol.ts';
import { rowScales } from './row-scales.ts';

const weights = new Map<string, ort.Tensor>();

export function lookUp<K, V>(map: ReadonlyMap<K, V>, key: K, what: string): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`internal: no ${what} ${String(key)} in the worker`);
  return value;
}

export const weightOf = (name: string): ort.Tensor => lookUp(weights, name, 'weight');

export function setWeight(name: string, tensor: ort.Tensor): void {
  weights.set(name, tensor);
}

/** Copies of weights, which stay in use here. */
export function weightCopies(names: readonly string[]): HostTensor[] {
  return names.map((name) => {
    const { dtype, shape, data } = toHost(weightOf(name));
    return { dtype, shape, data: data.slice() };
  });
}

/** Computes the scales of current weights' stored form and stores them beside them, [scales, 1]. */
export function setRowScales(names: readonly string[], bits: Bits): void {
  for (const name of names) {
    const { data, dims } = weightOf(name);
    const { limit, perScale } = storedForm(dims, bits);
    const scales = rowScales(data as Float32Array, data.length / perScale, limit);
    setWeight(`${name}${SCALE_SUFFIX}`, new ort.Tensor('float32', scales, [scales.length, 1]));
  }
}

export function fromHost({ dtype, shape, data }: HostTensor): ort.Tensor {
  return new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
}

export function toHost(tensor: ort.Tensor): HostTensor {
  return {
    dtype: tensor.type as HostTensor['dtype'],
    shape: tensor.dims,
    data: tensor.data as HostTensor['data'],
  };
}
