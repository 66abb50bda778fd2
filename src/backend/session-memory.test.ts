/** Gradients that a session leaves in parts in the optimizer's memory: the same as those that its graph puts together. */
import { afterAll, expect, test } from 'vitest';
import { backward } from '../graph/backward.ts';
import { Graph, product } from '../graph/graph.ts';
import { writeOnnx } from '../graph/onnx.ts';
import { add, gather, gemm, mul, reshape, softmax, sum } from '../graph/ops.ts';
import { fusedCrossEntropy, fusedLinearLoss, negativeLogLikelihoods } from '../graph/output-loss.ts';
import { peakMemory } from '../graph/peak-memory.ts';
import { runInPlace } from './in-place-run.ts';
import ort from './onnxruntime.ts';
import { SEQUENCE } from './protocol.ts';
import { float32, gradientOutput, int64, Runtime } from './runtime.ts';
import { sessionMemory } from './session-memory.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const ROWS = 2500; // several blocks, the last a short one
const WIDTH = 4;
const values = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) + seed));

type Loss = typeof fusedCrossEntropy;

/** Cross-entropy as other losses of the logits are written. */
const ofLogits: Loss = (hidden, weight, labels, weights) =>
  fusedLinearLoss(hidden, weight, weights, (logits) => {
    const probabilities = softmax(logits);
    const losses = negativeLogLikelihoods(probabilities, labels);
    return { losses, logitGradients: probabilities, labels: { ids: labels, share: 1 } };
  });

/** A tied embedding, which is looked up and is the output matrix, and a table that is only looked up. */
function tied(lossOf: Loss): Graph {
  const graph = new Graph();
  const [table, other] = [graph.parameter('table', [ROWS, WIDTH]), graph.parameter('other', [ROWS, WIDTH])];
  const ids = graph.input('ids', ['positions'], 'int64');
  const hidden = add(mul(gather(table, ids), gather(other, ids)), graph.input('x', ['positions', WIDTH]));
  const labels = graph.input('labels', ['positions'], 'int64');
  const loss = lossOf(hidden, table, labels, graph.input('weights', ['positions']));
  graph.output('loss', loss);
  backward(loss, [table, other]).forEach((gradient, i) => {
    const name = ['table', 'other'][i]!;
    graph.output(gradientOutput(name), gradient);
    graph.output(`d:${name}`, sum(reshape(gradient, [ROWS * WIDTH, 1]), [1]));
  });
  return graph;
}

test.each([
  ['cross-entropy', fusedCrossEntropy],
  ['a loss of logits', ofLogits],
])('%s: row blocks and added rows make the gradient that the graph makes of them', async (_, lossOf) => {
  const [table, other] = [values(ROWS * WIDTH, 1), values(ROWS * WIDTH, 2)];
  const shape = [ROWS, WIDTH];
  await runtime.store([
    ['table', { shape, data: table.slice() }],
    ['other', { shape, data: other.slice() }],
  ]);
  await runtime.createAdamW(['table', 'other']);
  const program = await runtime.load(tied(lossOf), { builtIn: () => false });
  const ids = [7, 2499, 7, 1040];
  const labels = [2499, 7, 1039, 7];
  const x = values(4 * WIDTH, 3);
  const weights = Float32Array.of(0.4, 0.1, 0.3, 0.2);
  const feeds = {
    ids: int64(ids),
    labels: int64(labels),
    x: float32(x, [4, WIDTH]),
    weights: float32(weights, [4]),
  };
  // Twice: what the first run left is no part of the second's gradient.
  await runtime.run(program, feeds, { fetch: [] });
  const { fetched } = await runtime.run(program, feeds, { fetch: ['loss', 'd:table', 'd:other'] });
  await runtime.stepAdamW({
    ...{ learningRate: 0, weightDecay: 0, clipNorm: Number.POSITIVE_INFINITY },
    ...{ beta1: 0.5, beta2: 0.5, epsilon: 1e-8 },
  });
  const { means } = await runtime.adamWState();
  ['table', 'other'].forEach((name, k) => {
    const whole = Float32Array.from(fetched[`d:${name}`]!.data as Float32Array, (value) => value / 2);
    expect(largestDifference(means[k]!, whole)).toBeLessThan(1e-8);
  });

  // And the loss, and the gradient of the output matrix alone, are those of the formula in double precision.
  const hidden = x.map((v, i) => v + at(table, ids, i) * at(other, ids, i));
  const direct = new Float64Array(ROWS * WIDTH);
  let loss = 0;
  labels.forEach((label, row) => {
    const h = [...hidden.subarray(row * WIDTH, (row + 1) * WIDTH)];
    const logits = Array.from({ length: ROWS }, (_, v) =>
      h.reduce((dot, value, k) => dot + value * table[v * WIDTH + k]!, 0),
    );
    const total = logits.reduce((mass, logit) => mass + Math.exp(logit), 0);
    loss += weights[row]! * (Math.log(total) - logits[label]!);
    logits.forEach((logit, v) => {
      const slope = Math.exp(logit) / total - Number(v === label);
      h.forEach((value, k) => {
        direct[v * WIDTH + k]! += weights[row]! * slope * value;
      });
    });
  });
  expect(fetched.loss!.data[0]).toBeCloseTo(loss, 5);
  const isLookedUp = (i: number): boolean => ids.includes(Math.floor(i / WIDTH));
  const found = means[0]!.map((mean, i) => (isLookedUp(i) ? 0 : 2 * mean));
  expect(
    largestDifference(
      found,
      direct.map((value, i) => (isLookedUp(i) ? 0 : value)),
    ),
  ).toBeLessThan(1e-6);
  await runtime.releaseAdamW();
});

const at = (table: Float32Array, ids: readonly number[], i: number): number =>
  table[ids[Math.floor(i / WIDTH)]! * WIDTH + (i % WIDTH)]!;

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a, (value, i) => Math.abs(value - b[i]!)).reduce((x, y) => Math.max(x, y));

test('neither a copy of the table nor of its gradient is among the results of a step', () => {
  const graph = tied(fusedCrossEntropy);
  for (const name of ['d:table', 'd:other']) graph.outputs.delete(name);
  const tableBytes = 4 * ROWS * WIDTH;
  expect(peakMemory(graph, new Map([['positions', 1]]), sessionMemory(graph))).toBeLessThan(tableBytes);
});

test('a run in place copies no output, writes those asked for, and passes an error on', async () => {
  const graph = new Graph();
  const x = graph.input('x', ['rows', 512]);
  graph.output('y', gemm(x, graph.input('w', [512, 2048]), false, false));
  graph.output('ids', reshape(graph.input('from', ['rows', 2], 'int64'), [product(['rows', 2])]));
  const outputs = graph.outputs;
  const { bytes } = writeOnnx(graph, () => true, undefined, {
    outputs,
    given: new Set(),
    sequence: SEQUENCE,
  });
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled' });
  const tensor = (rows: number, columns: number) =>
    new ort.Tensor('float32', new Float32Array(rows * columns).fill(1), [rows, columns]);
  const rows = 600; // 5 MB of results
  const from = new ort.Tensor(
    'int64',
    BigInt64Array.from({ length: 2 * rows }, (_, i) => BigInt(i)),
    [rows, 2],
  );
  const [feeds, y] = [{ x: tensor(rows, 512), w: tensor(512, 2048), from }, tensor(rows, 2048)];
  const copied = async (run: () => Promise<unknown>): Promise<number> => {
    const before = process.memoryUsage().arrayBuffers;
    await run();
    return process.memoryUsage().arrayBuffers - before;
  };
  let results: Record<string, ort.Tensor> = {};
  const inPlace = await copied(async () => {
    results = await runInPlace(session, feeds, { y, ids: null });
  });
  expect(inPlace).toBeLessThan(1e6);
  expect(await copied(() => session.run(feeds, { y }))).toBeGreaterThan(4e6); // so it can be seen
  expect(results.y).toBe(y);
  expect((y.data as Float32Array).every((value) => value === 512)).toBe(true);
  expect(results.ids!.dims).toEqual([2 * rows]);
  expect(results.ids!.data).toEqual(from.data);
  expect(await runInPlace(session, feeds, { y })).toEqual({ y });
  const wrong = { ...feeds, w: tensor(511, 2048) };
  await expect(runInPlace(session, wrong, { y })).rejects.toThrow(/dimension/);
  await session.release();
});
