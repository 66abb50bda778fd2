/** AdamW on two threads: the same steps as on one, from its state on as well. */
import { expect, test } from 'vitest';
import { backward } from '../graph/backward.ts';
import { Graph } from '../graph/graph.ts';
import { mul, reshape, sum } from '../graph/ops.ts';
import { type AdamWState, float32, gradientOutput, Runtime } from './runtime.ts';

const SIZES = { a: 1_200_001, b: 3, c: 1_000_000 }; // enough to be shared
const NAMES = Object.keys(SIZES);
const OPTIONS = { learningRate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 };

const values = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => ((i * 7919 + seed * 104_729) % 2003) / 1000 - 1);

/** The gradient of each weight is an input. */
function linearGraph(): Graph {
  const graph = new Graph();
  const weights = Object.entries(SIZES).map(([name, size]) => graph.parameter(name, [size]));
  const loss = weights
    .map((weight) => reshape(sum(mul(weight, graph.input(`d:${weight.name}`, weight.shape)), [0]), []))
    .reduce((a, b) => mul(a, b));
  graph.output('loss', loss);
  backward(loss, weights).forEach((gradient, i) => graph.output(gradientOutput(NAMES[i]!), gradient));
  return graph;
}

interface Trained {
  readonly weights: readonly Float32Array[];
  readonly state: AdamWState;
  readonly norms: readonly number[];
}

/** @param from the steps to go on after */
async function train(threads: number, steps: readonly number[], accumulates: boolean, from?: Trained) {
  const runtime = new Runtime({ threads });
  const start = from?.weights ?? Object.values(SIZES).map((size, i) => values(size, i));
  await runtime.store(NAMES.map((name, i) => [name, { shape: [start[i]!.length], data: start[i]!.slice() }]));
  await runtime.createAdamW(NAMES, from && structuredClone(from.state), accumulates);
  const program = await runtime.load(linearGraph(), { builtIn: () => false });
  const norms: number[] = [];
  for (const step of steps) {
    for (const part of accumulates ? [0, 1] : [0]) {
      const feeds = Object.fromEntries(
        Object.entries(SIZES).map(([name, size], i) => [
          `d:${name}`,
          float32(values(size, 10 * step + i + 5 * part), [size]),
        ]),
      );
      await runtime.run(program, feeds, { fetch: ['loss'] });
      if (accumulates) await runtime.accumulateGradients(part + 1, part === 0);
    }
    norms.push(await runtime.stepAdamW({ ...OPTIONS, clipNorm: Number.POSITIVE_INFINITY }));
  }
  const state = await runtime.adamWState();
  await runtime.releaseAdamW();
  const weights = (await runtime.read(NAMES)).map(({ data }) => data as Float32Array);
  await runtime.close();
  return { weights, state, norms };
}

test.each([
  false,
  true,
])('two threads step as one, from a state on, too (gradients summed: %s)', async (accumulates) => {
  const one = await train(1, [1, 2, 3], accumulates);
  const two = await train(2, [2, 3], accumulates, await train(2, [1], accumulates));
  expect(two.state.steps).toBe(3);
  NAMES.forEach((_, i) => {
    for (const [a, b] of [
      [one.weights[i]!, two.weights[i]!],
      [one.state.means[i]!, two.state.means[i]!],
      [one.state.squares[i]!, two.state.squares[i]!],
    ] as const) {
      expect(Buffer.compare(Buffer.from(a.buffer), Buffer.from(b.buffer))).toBe(0);
    }
  });
  one.norms.slice(1).forEach((norm, i) => expect(two.norms[i]! / norm).toBeCloseTo(1, 10));
});
