import { float32, type HostTensor } from '../backend/runtime.ts';
import { MASKED } from '../graph/ops.ts';

/**
 * Each of `count` tokens sees the `past` ones before them, itself, and those between, but for the first `padding` ones
 * of its text, which only make shorter prompts as long as the longest.
 * @param padding for each text
 * @returns [texts, 1, count, past + count]
 */
export function causalBias(count: number, past = 0, padding: readonly number[] = [0]): HostTensor {
  const all = past + count;
  const bias = new Float32Array(padding.length * count * all);
  padding.forEach((hidden, text) => {
    for (let i = 0; i < count; i++) {
      const row = (text * count + i) * all;
      bias.fill(MASKED, row, row + hidden);
      bias.fill(Number.NEGATIVE_INFINITY, row + past + i + 1, row + all);
    }
  });
  return float32(bias, [padding.length, 1, count, all]);
}
