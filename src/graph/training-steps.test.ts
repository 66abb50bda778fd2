/** Steps as graphs, one by one and in a loop, against the host's: gradients of one program, AdamW in WebAssembly. */
import { afterAll, expect, test } from 'vitest';
import {
  type AdamWOptions,
  type DeviceBatch,
  float32,
  gradientOutput,
  type HostTensor,
  Runtime,
  reportOutput,
} from '../backend/runtime.ts';
import { unit } from '../testing/tiny-model.ts';
import { backward } from './backward.ts';
import { Graph } from './graph.ts';
import * as ops from './ops.ts';
import { weightGroups } from './training-steps.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const drawn = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 2 * unit(i, seed) - 1);

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  a: [7, 5],
  b: [7],
  c: [40, 60],
  frozen: [60, 7],
};
const TRAINED = ['a', 'b', 'c'];

/** The loss is the sum of `factor` · (c·frozen·(a·x + b))², its mean absolute output a metric. */
function network(): Graph {
  const graph = new Graph();
  const weight = (name: string) => graph.parameter(name, SHAPES[name] as number[]);
  const inner = ops.linear(graph.input('x', ['rows', 5]), weight('a'), weight('b'));
  const y = ops.linear(ops.linear(inner, weight('frozen')), weight('c'));
  const scaled = ops.mul(y, graph.input('factor', []));
  graph.output('loss', ops.reshape(ops.mean(ops.mul(scaled, scaled), [0, 1]), []));
  graph.output(reportOutput('size'), ops.reshape(ops.mean(ops.abs(y), [0, 1]), []));
  const trained = TRAINED.map(weight);
  backward(graph.outputs.get('loss')!, trained).forEach((gradient, i) =>
    graph.output(gradientOutput(TRAINED[i]!), gradient),
  );
  return graph;
}

const CONSTANTS = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, clipNorm: 0.5 };
const STEPS = 6;

/** Batches of unlike lengths. */
function feedsOf(batch: number, factor = 1): Record<string, HostTensor> {
  const rows = 1 + ((3 * batch) % 5);
  return {
    x: float32(drawn(5 * rows, 100 + batch), [rows, 5]),
    factor: float32(Float32Array.of(factor), []),
  };
}

const rateOf = (step: number): Pick<AdamWOptions, 'learningRate' | 'weightDecay'> => ({
  learningRate: 0.01 / step,
  weightDecay: 0.1,
});

async function storeFresh(): Promise<void> {
  await runtime.store(
    Object.entries(SHAPES).map(([name, shape], i) => [
      name,
      {
        shape,
        data: drawn(
          shape.reduce((a, b) => a * b),
          i + 1,
        ),
      },
    ]),
  );
}

interface Outcome {
  readonly losses: number[];
  readonly sizes: number[];
  readonly norms: number[];
  readonly weights: readonly HostTensor[];
  readonly moments: readonly Float32Array[];
  readonly steps: number;
}

async function outcome(scalars: Pick<Outcome, 'losses' | 'sizes' | 'norms'>): Promise<Outcome> {
  const { steps, means, squares } = await runtime.adamWState();
  return { ...scalars, weights: await runtime.read(TRAINED), moments: [...means, ...squares], steps };
}

/** @param factors of each batch's loss; one that is infinite makes its gradient so */
async function onHost(factors: readonly number[]): Promise<Outcome> {
  await storeFresh();
  await runtime.createAdamW(TRAINED);
  const program = await runtime.load(network(), { builtIn: () => false });
  const found = { losses: [] as number[], sizes: [] as number[], norms: [] as number[] };
  for (const [i, factor] of factors.entries()) {
    const { fetched } = await runtime.run(program, feedsOf(i, factor), { fetch: ['loss', 'report:size'] });
    found.losses.push(fetched.loss!.data[0] as number);
    found.sizes.push(fetched['report:size']!.data[0] as number);
    found.norms.push(await runtime.stepAdamW({ ...CONSTANTS, ...rateOf(i + 1) }));
  }
  const result = await outcome(found);
  await runtime.unload(program);
  await runtime.releaseAdamW();
  return result;
}

/** @param runs how many batches each run of the loop has */
async function inLoop(factors: readonly number[], runs: readonly number[], looped = true): Promise<Outcome> {
  await storeFresh();
  const steps = await runtime.deviceSteps(network(), TRAINED, { ...CONSTANTS, accumulates: false, looped });
  const batches = factors.map(
    (factor, i): DeviceBatch => ({
      feeds: feedsOf(i, factor),
      share: 1,
      first: true,
      last: true,
      ...rateOf(i + 1),
    }),
  );
  const found = { losses: [] as number[], sizes: [] as number[], norms: [] as number[] };
  let at = 0;
  for (const count of runs) {
    const scalars = await steps.run(batches.slice(at, at + count));
    at += count;
    found.losses.push(...scalars.loss!);
    found.sizes.push(...scalars['report:size']!);
    found.norms.push(...scalars.norm!);
  }
  const result = await outcome(found);
  await steps.release();
  return result;
}

const difference = (a: Outcome, b: Outcome): number => {
  const values = (one: Outcome) => [...one.weights.map(({ data }) => data as Float32Array), ...one.moments];
  const [mine, theirs] = [values(a), values(b)];
  return Math.max(
    ...mine.map((array, i) => {
      const scale = Math.max(...Array.from(theirs[i]!, Math.abs));
      return Math.max(...Array.from(array, (x, k) => Math.abs(x - theirs[i]![k]!))) / scale;
    }),
  );
};

const plain = Array.from({ length: STEPS }, (_, i) => 0.5 + i);

test.each([
  ['a loop of all steps', [STEPS], true],
  ['loops of three, one and two', [3, 1, 2], true],
  ['one by one', [4, 2], false],
])('%s: losses, norms, weights and moments are the host steps’', async (_, runs, looped) => {
  const host = await onHost(plain);
  const device = await inLoop(plain, runs, looped);
  device.losses.forEach((loss, i) => expect(loss / host.losses[i]!).toBeCloseTo(1, 6));
  device.sizes.forEach((size, i) => expect(size / host.sizes[i]!).toBeCloseTo(1, 6));
  device.norms.forEach((norm, i) => expect(norm / host.norms[i]!).toBeCloseTo(1, 6));
  expect(device.steps).toBe(STEPS);
  expect(difference(device, host)).toBeLessThan(1e-6);
  // Some were clipped, some not: both ways are tried.
  expect(host.norms.some((norm) => norm > CONSTANTS.clipNorm)).toBe(true);
});

test('a step whose gradient or loss is not finite changes nothing, and does not count as one', async () => {
  const factors = plain.map((factor, i) => (i === 2 ? Number.POSITIVE_INFINITY : factor));
  const host = await onHost(factors);
  const device = await inLoop(factors, [STEPS]);
  expect([device.steps, host.steps]).toEqual([STEPS - 1, STEPS - 1]);
  expect(Number.isFinite(device.losses[2]!)).toBe(false);
  expect(difference(device, host)).toBeLessThan(1e-6);
});

test('weights go into groups of limited length, a longer one alone, each a whole number of rows', () => {
  const shapes = [
    ['a', [100, 10]],
    ['b', [30]],
    ['c', [90, 100]],
    ['d', [3]],
  ] as const;
  expect(weightGroups(shapes, 2000)).toEqual([
    {
      length: 2048,
      members: [
        { name: 'a', shape: [100, 10], offset: 0, count: 1000 },
        { name: 'b', shape: [30], offset: 1000, count: 30 },
      ],
    },
    { length: 9216, members: [{ name: 'c', shape: [90, 100], offset: 0, count: 9000 }] },
    { length: 1024, members: [{ name: 'd', shape: [3], offset: 0, count: 3 }] },
  ]);
});
