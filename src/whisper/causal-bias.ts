import { float32, type HostTensor } from '../graph/runtime.ts';

/** Each of `count` tokens sees the `past` ones before them, itself, and those between. [1, 1, count, past + count] */
export function causalBias(count: number, past = 0): HostTensor {
  const all = past + count;
  const bias = new Float32Array(count * all);
  for (let i = 0; i < count; i++) bias.fill(Number.NEGATIVE_INFINITY, i * all + past + i + 1, (i + 1) * all);
  return float32(bias, [1, 1, count, all]);
}
