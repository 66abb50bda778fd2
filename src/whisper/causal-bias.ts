import { float32, type HostTensor } from '../backend/runtime.ts';
import { MASKED } from '../graph/ops.ts';

/**
 * Each of `count` tokens sees those before it and itself, but for the first `padding` ones of its text, which only make
 * shorter prompts as long as the longest.
 * @param padding for each text
 * @returns [texts, 1, count, count]
 */
export function causalBias(count: number, padding: readonly number[] = [0]): HostTensor {
  const bias = new Float32Array(padding.length * count * count);
  padding.forEach((hidden, text) => {
    for (let i = 0; i < count; i++) {
      const row = (text * count + i) * count;
      bias.fill(MASKED, row, row + hidden);
      bias.fill(Number.NEGATIVE_INFINITY, row + i + 1, row + count);
    }
  });
  return float32(bias, [padding.length, 1, count, count]);
}
