import { afterAll, expect, test } from 'vitest';
import { float32, Runtime } from '../backend/runtime.ts';
import { backward } from '../graph/backward.ts';
import { Graph, GraphError } from '../graph/graph.ts';
import { mean, reshape } from '../graph/ops.ts';
import type { ProductForm } from '../graph/product-form.ts';
import { sfc32, uniform } from '../random.ts';
import { linearProduct } from './products.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const random = sfc32(7);
const drawn = (count: number, size: number): Float32Array =>
  Float32Array.from({ length: count }, () => size * (uniform(random) + uniform(random) - 1));

const [ROWS, IN, OUT] = [5, 256, 48];
const weight = drawn(OUT * IN, 0.2);
const bias = drawn(OUT, 1);
// Rows of very different sizes, one of zeros, and one large value in a row: each row has a scale of its own.
const inputs = drawn(ROWS * IN, 1).map((value, i) => value * [1, 100, 0.01, 0, 1][Math.floor(i / IN)]!);
inputs[4 * IN + 3] = 50;

const even = (value: number): number => {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest === 0.5 ? floor + (floor % 2) : Math.round(value);
};

/** Numbers [rows, columns] after a round trip through whole numbers in ±limit with a scale for each `perScale`. */
function rounded(values: Float32Array, perScale: number, limit: number): Float64Array {
  const result = new Float64Array(values.length);
  for (let from = 0; from < values.length; from += perScale) {
    const group = values.subarray(from, from + perScale);
    const scale = Math.fround(Math.max(...group.map(Math.abs)) / limit) || 1;
    group.forEach((value, i) => {
      result[from + i] = even(value / scale) * scale;
    });
  }
  return result;
}

const FORMS: readonly [
  name: string,
  form: ProductForm,
  inputGroup: number,
  inputLimit: number,
  weightGroup: number,
  weightLimit: number,
][] = [
  ['rows, inputs of 8 bits', { scaled: 'rows', inputs: { bits: 8, terms: 1 } }, IN, 127, IN, 127],
  ['rows, inputs of 7 bits', { scaled: 'rows', inputs: { bits: 7, terms: 1 } }, IN, 63, IN, 127],
  ['blocks, weights of 8 bits', { scaled: 'blocks', bits: 8 }, 128, 127, IN, 127],
  ['blocks, weights of 4 bits', { scaled: 'blocks', bits: 4 }, 32, 127, 32, 7],
];

async function run(form: ProductForm, rows = inputs): Promise<Float32Array> {
  const graph = new Graph();
  const x = graph.input('x', ['texts', 'tokens', IN]);
  graph.output('y', linearProduct(x, 'w', OUT, graph.parameter('b', [OUT]), form));
  const program = await runtime.load(graph, { builtIn: () => true });
  const { fetched } = await runtime.run(
    program,
    { x: float32(rows, [1, rows.length / IN, IN]) },
    { fetch: ['y'] },
  );
  await runtime.unload(program);
  expect(fetched.y!.shape).toEqual([1, rows.length / IN, OUT]);
  return fetched.y!.data as Float32Array;
}

test.each(
  FORMS,
)('a linear layer of %s is the product of the rounded numbers', async (_, form, inputGroup, inputLimit, weightGroup, weightLimit) => {
  await runtime.store([
    ['w', { shape: [OUT, IN], data: weight.slice() }],
    ['b', { shape: [OUT], data: bias.slice() }],
  ]);
  if (
    form !== 'float32' &&
    form.scaled === 'rows' &&
    form.inputs.bits === 8 &&
    !(await runtime.multipliesBytes())
  )
    return;
  const found = await run(form);
  const x = rounded(inputs, inputGroup, inputLimit);
  const w = rounded(weight, weightGroup, weightLimit);
  for (let row = 0; row < ROWS; row++) {
    // Where a number lies between two whole ones, the last bit of its scale decides: steps of one input.
    const size = Math.max(...inputs.subarray(row * IN, (row + 1) * IN).map(Math.abs));
    for (let out = 0; out < OUT; out++) {
      let sum = bias[out]!;
      for (let i = 0; i < IN; i++) sum += x[row * IN + i]! * w[out * IN + i]!;
      expect(Math.abs(found[row * OUT + out]! - sum)).toBeLessThan(size * 2e-4 + 1e-6);
    }
  }
  expect(await run(form)).toEqual(found);
});

test.each([8, 7] as const)('with a second term of %i bits the product is that of float32', async (bits) => {
  if (bits === 8 && !(await runtime.multipliesBytes())) return;
  await runtime.store([
    ['w', { shape: [OUT, IN], data: Float32Array.from(rounded(weight, IN, 127)) }],
    ['b', { shape: [OUT], data: bias.slice() }],
  ]);
  const exact = await run('float32');
  const found = await run({ scaled: 'rows', inputs: { bits, terms: 2 } });
  const limit = bits === 8 ? 127 : 63;
  for (let i = 0; i < exact.length; i++) {
    const row = Math.floor(i / OUT);
    const size = Math.max(...inputs.subarray(row * IN, (row + 1) * IN).map(Math.abs));
    // Half a step of the second term, for each of the inputs, in random directions.
    const step = size / limit / (2 * limit);
    expect(Math.abs(found[i]! - exact[i]!)).toBeLessThan(step * 0.1 * Math.sqrt(IN) + 1e-6);
  }
});

test('with two terms what a row gives does not depend on the rows beside it, to the bit', async () => {
  await runtime.store([
    ['w', { shape: [OUT, IN], data: weight.slice() }],
    ['b', { shape: [OUT], data: bias.slice() }],
  ]);
  const bits = (await runtime.multipliesBytes()) ? 8 : 7;
  const form: ProductForm = { scaled: 'rows', inputs: { bits, terms: 2 } };
  const together = await run(form);
  for (let row = 0; row < ROWS; row++) {
    const alone = await run(form, inputs.slice(row * IN, (row + 1) * IN));
    expect(alone).toEqual(together.slice(row * OUT, (row + 1) * OUT));
  }
});

test('sums of the largest bytes do not overflow, whatever the processor', async () => {
  const ones = new Float32Array(IN).fill(1);
  await runtime.store([
    ['w', { shape: [OUT, IN], data: new Float32Array(OUT * IN).fill(1) }],
    ['b', { shape: [OUT], data: new Float32Array(OUT) }],
  ]);
  const bits = (await runtime.multipliesBytes()) ? 8 : 7;
  for (const form of [
    { scaled: 'rows', inputs: { bits, terms: 1 } },
    { scaled: 'blocks', bits: 8 },
  ] as const) {
    const graph = new Graph();
    graph.output(
      'y',
      linearProduct(graph.input('x', ['rows', IN]), 'w', OUT, graph.parameter('b', [OUT]), form),
    );
    const program = await runtime.load(graph, { builtIn: () => true });
    const { fetched } = await runtime.run(program, { x: float32(ones, [1, IN]) }, { fetch: ['y'] });
    for (const value of fetched.y!.data as Float32Array) expect(value).toBeCloseTo(IN, 3);
  }
});

test.each(FORMS)('to train through %s is refused', (_, form) => {
  const graph = new Graph();
  const x = graph.input('x', [2, IN]);
  const before = graph.parameter('before', [2, IN]);
  const y = linearProduct(reshape(before, x.shape), 'w', OUT, undefined, form);
  expect(() => backward(reshape(mean(y, [0, 1]), []), [before])).toThrow(
    new GraphError(
      `${form === 'float32' ? '' : form.scaled === 'rows' ? 'MatMulIntegerToFloat' : 'MatMulNBits'}: products of whole numbers cannot be trained; use float32 weights`,
    ),
  );
});

test('a layer whose rows do not divide into blocks stays in float32', () => {
  const graph = new Graph();
  linearProduct(graph.input('x', [2, 100]), 'w', OUT, undefined, { scaled: 'blocks', bits: 8 });
  expect([...graph.parameters.keys()]).toEqual(['w']);
});
