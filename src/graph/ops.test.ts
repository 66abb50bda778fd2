import { afterAll, expect, test } from 'vitest';
import { float32, gradientOutput, type HostTensor, int64, Runtime } from '../backend/runtime.ts';
import { backward } from './backward.ts';
import { Graph, type Shape, type Tensor } from './graph.ts';
import * as ops from './ops.ts';
import { fusedCrossEntropy } from './output-loss.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

/** Deterministic values in (-1, 1), away from 0 so that |x| and max have a derivative. */
function values(shape: readonly number[], seed: number): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: count }, (_, i) => {
    const x = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    const unit = 2 * (x - Math.floor(x)) - 1;
    return unit + Math.sign(unit) * 0.05;
  });
}

interface Case {
  /** Shapes of the real inputs as the graph declares them; names stand for sizes known only when it runs. */
  readonly inputs: readonly Shape[];
  readonly build: (...inputs: Tensor[]) => Tensor;
  /** What the operator should give, where a plain formula says it. */
  readonly value?: (...inputs: Float32Array[]) => ArrayLike<number>;
  /** Inputs made positive, for logarithms and roots. */
  readonly positive?: boolean;
}

const sizes: Record<string, number> = { batch: 2, tokens: 3, frames: 4, length: 6, half: 3 };
const known = (shape: Shape): number[] => shape.map((dim) => (typeof dim === 'number' ? dim : sizes[dim]!));
const each = (f: (x: number) => number) => (x: Float32Array) => x.map(f);
const erf = (x: number): number => {
  // Taylor series: exact to double precision for |x| < 2.
  let term = x;
  let total = x;
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    total += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * total;
};

const cases: Record<string, Case> = {
  add: {
    inputs: [
      [2, 3],
      [2, 3],
    ],
    build: ops.add,
    value: (a, b) => a.map((x, i) => x + b[i]!),
  },
  'add, broadcast over leading axes': { inputs: [[2, 3], [3]], build: ops.add },
  'add, broadcast over an inner axis': {
    inputs: [
      ['batch', 3],
      [2, 1, 3],
    ],
    build: ops.add,
  },
  sub: {
    inputs: [
      [2, 3],
      [1, 3],
    ],
    build: ops.sub,
  },
  mul: {
    inputs: [
      ['batch', 3],
      ['batch', 1],
    ],
    build: ops.mul,
  },
  div: { inputs: [[2, 3], [3]], build: ops.div, positive: true },
  neg: { inputs: [[3]], build: ops.neg, value: each((x) => -x) },
  exp: { inputs: [[3]], build: ops.exp, value: each(Math.exp) },
  log: { inputs: [[3]], build: ops.log, value: each(Math.log), positive: true },
  sqrt: { inputs: [[3]], build: ops.sqrt, value: each(Math.sqrt), positive: true },
  tanh: { inputs: [[3]], build: ops.tanh, value: each(Math.tanh) },
  sigmoid: { inputs: [[3]], build: ops.sigmoid, value: each((x) => 1 / (1 + Math.exp(-x))) },
  erf: { inputs: [[5]], build: ops.erf, value: each(erf) },
  gelu: { inputs: [[5]], build: ops.gelu, value: each((x) => (x / 2) * (1 + erf(x / Math.SQRT2))) },
  abs: { inputs: [[5]], build: ops.abs, value: each(Math.abs) },
  relu: { inputs: [[5]], build: ops.relu, value: each((x) => Math.max(x, 0)) },
  atLeast: { inputs: [[6]], build: (x) => ops.clampMin(x, 0.3), value: each((x) => Math.max(x, 0.3)) },
  'reshape to known sizes': { inputs: [[2, 6]], build: (x) => ops.reshape(x, [3, 4]), value: (x) => x },
  'reshape with named sizes': {
    inputs: [['batch', 'tokens', 4]],
    build: (x) => ops.reshape(ops.reshape(x, ['batch*tokens', 4]), ['batch', 'tokens', 2, 2]),
    value: (x) => x,
  },
  transpose: { inputs: [[2, 'tokens', 4]], build: (x) => ops.transpose(x, [2, 0, 1]) },
  concat: {
    inputs: [
      [2, 'tokens'],
      [2, 1],
    ],
    build: (a, b) => ops.concat([a, b], 1),
  },
  split: {
    inputs: [[2, 'length']],
    build: (x) => ops.mul(ops.split(ops.withDims(x, [2, 6]), 1, [4, 2])[1]!, x.graph.scalar(3)),
  },
  expand: {
    inputs: [
      [1, 3],
      ['batch', 3],
    ],
    build: (a, b) => ops.mul(ops.expand(a, b), b),
  },
  sum: { inputs: [[2, 'tokens', 4]], build: (x) => ops.sum(x, [0, 2]) },
  'mean over a named size': { inputs: [[2, 'tokens', 4]], build: (x) => ops.mean(x, [1]) },
  mean: { inputs: [[2, 3]], build: (x) => ops.mean(x, [1]) },
  matmul: {
    inputs: [
      [2, 3, 4],
      [2, 4, 5],
    ],
    build: ops.matmul,
  },
  'matmul, one matrix for all': {
    inputs: [
      ['batch', 2, 'tokens', 4],
      [1, 2, 4, 5],
    ],
    build: ops.matmul,
  },
  linear: { inputs: [['batch', 'tokens', 4], [5, 4], [5]], build: ops.linear },
  'linear without bias': {
    inputs: [
      [3, 4],
      [5, 4],
    ],
    build: (x, w) => ops.linear(x, w),
  },
  conv1d: { inputs: [[2, 3, 6], [4, 3, 3], [4]], build: (x, w, b) => ops.conv1d(x, w, b, { padding: 1 }) },
  'conv1d, stride 2': {
    inputs: [[2, 3, 6], [4, 3, 3], [4]],
    build: (x, w, b) => ops.conv1d(x, w, b, { stride: 2, padding: 1 }),
  },
  'conv1d, stride 2, odd length': {
    inputs: [[2, 3, 7], [4, 3, 3], [4]],
    build: (x, w, b) => ops.conv1d(x, w, b, { stride: 2, padding: 1 }),
  },
  'conv1d, stride 2, named length': {
    inputs: [['batch', 3, 'length'], [4, 3, 3], [4]],
    build: (x, w, b) => ops.conv1d(x, w, b, { stride: 2, padding: 1, outputLength: 'half' }),
  },
  softmax: {
    inputs: [[2, 4]],
    build: ops.softmax,
    value: (x) =>
      x.map((v, i) => {
        const row = x.subarray(i - (i % 4), i - (i % 4) + 4);
        return Math.exp(v) / row.reduce((total, u) => total + Math.exp(u), 0);
      }),
  },
  logSoftmax: { inputs: [[2, 4]], build: ops.logSoftmax },
  layerNorm: { inputs: [['batch', 3, 8], [8], [8]], build: (x, g, b) => ops.layerNorm(x, g, b) },
  'gather, with repeated rows': {
    inputs: [[5, 3]],
    build: (table) => ops.gather(table, table.graph.constant(BigInt64Array.from([1n, 4n, 1n, 0n]), [2, 2])),
    value: (t) => [1, 4, 1, 0].flatMap((row) => [...t.subarray(3 * row, 3 * row + 3)]),
  },
  outputLoss: {
    inputs: [[3, 4], [5, 4], [3]],
    build: (h, w, weights) =>
      fusedCrossEntropy(
        h,
        w,
        h.graph.constant(BigInt64Array.from([2n, 0n, 2n]), [3]),
        ops.stopGradient(weights),
      ),
    value: (h, w, weights) => [
      [2, 0, 2].reduce((total, label, i) => {
        const row = [0, 1, 2, 3, 4].map((v) =>
          [0, 1, 2, 3].reduce((dot, k) => dot + h[4 * i + k]! * w[4 * v + k]!, 0),
        );
        return total - weights[i]! * (row[label]! - Math.log(row.reduce((s, v) => s + Math.exp(v), 0)));
      }, 0),
    ],
  },
};

test.each(Object.entries(cases))('%s: value, and gradient against finite differences', async (name, {
  inputs,
  build,
  value,
  positive,
}) => {
  const graph = new Graph();
  const tensors = inputs.map((shape, i) => graph.input(`x${i}`, shape));
  const result = build(...tensors);
  // A weighted sum, so that each output's gradient differs.
  const weight = graph.input('weight', result.shape);
  const weighted = ops.mul(result, weight);
  const loss = ops.reshape(
    ops.sum(
      weighted,
      weighted.shape.map((_, i) => i),
    ),
    [],
  );
  const trained = name === 'outputLoss' ? tensors.slice(0, 2) : tensors;
  graph.output('result', result);
  graph.output('loss', loss);
  backward(loss, trained).forEach((gradient, i) => graph.output(`d${i}`, gradient));
  const program = await runtime.load(graph, { builtIn: () => false });

  const data = inputs.map((shape, i) => {
    const x = values(known(shape), i + 1);
    return positive ? x.map((v) => Math.abs(v) + 0.2) : x;
  });
  const run = async (arrays: Float32Array[]): Promise<Record<string, HostTensor>> => {
    const shape = known(
      result.shape.map((dim) =>
        typeof dim === 'string'
          ? dim.split('+').reduce((total, part) => total + (sizes[part] ?? Number(part)), 0)
          : dim,
      ),
    );
    const count = shape.reduce((a, b) => a * b, 1);
    const feeds = feedsFor(arrays, values([count], 99), shape);
    return (await runtime.run(program, feeds, { fetch: program.outputs })).fetched;
  };
  function feedsFor(arrays: Float32Array[], w: Float32Array, wShape: number[]): Record<string, HostTensor> {
    const feeds: Record<string, HostTensor> = { weight: float32(w, wShape) };
    arrays.forEach((x, i) => (feeds[`x${i}`] = float32(x, known(inputs[i]!))));
    return feeds;
  }

  const at = await run(data);
  if (value) {
    const expected = value(...data);
    expect(at.result!.data.length).toBe(expected.length);
    for (let i = 0; i < expected.length; i++) expect(Number(at.result!.data[i])).toBeCloseTo(expected[i]!, 4);
  }
  const step = 1e-2;
  for (const [i, x] of data.entries()) {
    if (!trained[i]) continue;
    const gradient = at[`d${i}`]!.data as Float32Array;
    expect(gradient.length).toBe(x.length);
    for (let j = 0; j < x.length; j++) {
      const moved = async (by: number): Promise<number> => {
        const copy = data.map((array) => array.slice());
        copy[i]![j]! += by;
        return Number((await run(copy)).loss!.data[0]);
      };
      const numeric = ((await moved(step)) - (await moved(-step))) / (2 * step);
      expect(
        Math.abs(gradient[j]! - numeric),
        `d loss / d x${i}[${j}]: ${gradient[j]} against ${numeric}`,
      ).toBeLessThan(5e-3 * Math.max(1, Math.abs(numeric)));
    }
  }
});

test('shapes that do not fit are refused while the graph is built, with the operator and both shapes', () => {
  const graph = new Graph();
  const a = graph.input('a', [2, 3]);
  const b = graph.input('b', [4, 5]);
  const w = graph.input('w', [7, 4]);
  expect(() => ops.add(a, b)).toThrow('Add: shapes [2, 3] and [4, 5] do not broadcast');
  expect(() => ops.matmul(a, b)).toThrow('MatMul: [2, 3] times [4, 5] is not a matrix product');
  expect(() => ops.linear(a, w)).toThrow('Linear: input [2, 3] does not fit weight [7, 4]');
  expect(() => ops.reshape(a, [5])).toThrow('Reshape: [2, 3] has 6 values, [5] has 5');
  expect(() => ops.concat([a, b], 0)).toThrow('Concat along axis 0: [2, 3] and [4, 5] differ elsewhere');
  expect(() => ops.conv1d(a, b, a)).toThrow('Conv: input [2, 3] does not fit weight [4, 5] and bias [2, 3]');
  expect(() => ops.add(graph.input('n', ['batch']), graph.input('m', ['frames']))).toThrow(
    'do not broadcast',
  );
});

test('what does not reach the loss is refused, not trained silently with a zero gradient', () => {
  const graph = new Graph();
  const x = graph.input('x', [3]);
  const loss = ops.reshape(ops.sum(x, [0]), []);
  expect(() => backward(loss, [graph.input('y', [3])])).toThrow('the loss does not depend on y');
  expect(() => backward(x, [x])).toThrow('must be a scalar');
});

test('embedding gradients with repeated ids are right with two threads (a scatter by ND would race)', async () => {
  const two = new Runtime({ threads: 2 });
  const graph = new Graph();
  const table = graph.input('table', [50, 64]);
  const ids = graph.input('ids', [4000], 'int64');
  const loss = ops.reshape(ops.sum(ops.gather(table, ids), [0, 1]), []);
  graph.output('d', backward(loss, [table])[0]!);
  const program = await two.load(graph, { builtIn: () => false });
  const drawn = Array.from({ length: 4000 }, (_, i) => (i * 7919) % 37);
  const { fetched } = await two.run(
    program,
    { table: float32(values([50, 64], 1), [50, 64]), ids: int64(drawn) },
    { fetch: ['d'] },
  );
  await two.close();
  const counts = new Float32Array(50);
  for (const id of drawn) counts[id]!++;
  for (let i = 0; i < 50 * 64; i++) expect(fetched.d!.data[i]).toBe(counts[Math.floor(i / 64)]!);
});

test('AdamW equals its formula over several steps, clipping included', async () => {
  const graph = new Graph();
  const shape = [3, 5];
  const w = graph.parameter('w', shape);
  const target = graph.input('target', shape);
  const difference = ops.sub(w, target);
  const loss = ops.reshape(ops.sum(ops.mul(difference, difference), [0, 1]), []);
  graph.output('loss', loss);
  graph.output(gradientOutput('w'), backward(loss, [w])[0]!);
  const p = Float64Array.from(values(shape, 5));
  const aim = values(shape, 6);
  await runtime.store([['w', { shape, data: Float32Array.from(p) }]]);
  await runtime.createAdamW(['w']);
  const program = await runtime.load(graph, { builtIn: () => false });
  const options = {
    learningRate: 0.01,
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-8,
    weightDecay: 0.1,
    clipNorm: 1,
  };
  const m = new Float64Array(15);
  const v = new Float64Array(15);
  for (let t = 1; t <= 5; t++) {
    await runtime.run(program, { target: float32(aim.slice(), shape) }, { fetch: ['loss'] });
    const norm = await runtime.stepAdamW(options);
    const gradient = p.map((x, i) => 2 * (x - aim[i]!));
    const expectedNorm = Math.hypot(...gradient);
    expect(norm).toBeCloseTo(expectedNorm, 4);
    gradient.forEach((g, i) => {
      const clipped = g / Math.max(1, expectedNorm);
      m[i] = 0.9 * m[i]! + 0.1 * clipped;
      v[i] = 0.99 * v[i]! + 0.01 * clipped ** 2;
      p[i] =
        p[i]! * (1 - 0.001) - (0.01 / (1 - 0.9 ** t)) * (m[i]! / (Math.sqrt(v[i]! / (1 - 0.99 ** t)) + 1e-8));
    });
  }
  const [trained] = await runtime.read(['w']);
  trained!.data.forEach((x, i) => expect(Number(x)).toBeCloseTo(p[i]!, 5));
  await runtime.releaseAdamW();
});

test('numbers below the smallest normal float count as zero: products of them are several times as slow', async () => {
  const graph = new Graph();
  const x = graph.input('x', [1, 2]);
  graph.output('y', ops.gemm(x, graph.input('w', [2, 1]), false, false));
  const program = await runtime.load(graph, { builtIn: () => true });
  const feeds = {
    x: float32(Float32Array.of(1e-40, 1e-30), [1, 2]),
    w: float32(Float32Array.of(1e30, 1), [2, 1]),
  };
  const { fetched } = await runtime.run(program, feeds, { fetch: ['y'] });
  // 1e-10 + 1e-30, were the first not taken for zero.
  expect(fetched.y!.data[0]).toBeCloseTo(1e-30, 35);
});
