/** Rounding that is trained through: against torch.fake_quantize_per_channel_affine (scripts/golden/fake_quantize.py). */

import { readFileSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { backward } from '../graph/backward.ts';
import { Graph } from '../graph/graph.ts';
import { fakeQuantize, mul, reshape, roundedToFloat16, sum } from '../graph/ops.ts';
import { unit } from '../testing/tiny-model.ts';
import { float32, Runtime } from './runtime.ts';

interface Case {
  limit: number;
  scale: number[];
  x?: number[];
  values: number[];
  gradient?: number[];
}
const golden = JSON.parse(readFileSync(new URL('./golden/fake-quantize.json', import.meta.url), 'utf8'));
const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

/** Float32, and 0 where it is −0. */
const plain = (value: number | bigint) => Math.fround(Number(value)) + 0;

test.each(
  Object.entries(golden.cases as Record<string, Case>),
)('fakeQuantize %s: values and gradient equal PyTorch’s', async (_, {
  limit,
  scale,
  x,
  values,
  gradient,
}) => {
  const shape = [scale.length, values.length / scale.length];
  const pseudo = (seed: number, width: number) =>
    Float32Array.from({ length: values.length }, (_, i) => (unit(i, seed) - 0.5) * width);
  const graph = new Graph();
  const weight = graph.input('x', shape);
  const y = fakeQuantize(weight, graph.input('scale', [scale.length, 1]), limit);
  graph.output('y', y);
  const loss = reshape(sum(mul(y, graph.input('upstream', shape)), [0, 1]), []);
  graph.output('dx', backward(loss, [weight])[0]!);
  const program = await runtime.load(graph, { builtIn: () => false });
  const feeds = {
    x: float32(x ? Float32Array.from(x) : pseudo(31, 4), shape),
    scale: float32(Float32Array.from(scale), [scale.length, 1]),
    upstream: float32(pseudo(32, 2), shape),
  };
  const { fetched } = await runtime.run(program, feeds, { fetch: ['y', 'dx'] });
  expect([...fetched.y!.data].map(plain)).toEqual(values.map(plain));
  if (gradient) expect([...fetched.dx!.data].map(plain)).toEqual(gradient.map(plain));
});

test('float16 is rounded to as everywhere, and the gradient passes as it is', async () => {
  const graph = new Graph();
  const x = graph.input('x', [5]);
  const y = roundedToFloat16(x);
  graph.output('y', y);
  graph.output('dx', backward(reshape(sum(mul(y, graph.input('upstream', [5])), [0]), []), [x])[0]!);
  const program = await runtime.load(graph, { builtIn: () => false });
  // Between 2048 and 4096 float16 has even numbers only; ties go to the even mantissa. 1e-8 is below its smallest.
  const x16 = float32(Float32Array.of(2049, 2051, -2050.5, 1e-8, 0.1), [5]);
  const upstream = float32(Float32Array.of(1, 2, 3, 4, 5), [5]);
  const { fetched } = await runtime.run(program, { x: x16, upstream }, { fetch: ['y', 'dx'] });
  expect([...fetched.y!.data]).toEqual([2048, 2052, -2050, 0, 0.0999755859375]);
  expect([...fetched.dx!.data]).toEqual([1, 2, 3, 4, 5]);
});
