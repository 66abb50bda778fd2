/** Recomputation: the same gradients to the bit, and less memory. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { float32, Runtime } from '../backend/runtime.ts';
import { backward } from './backward.ts';
import { Graph, type Tensor } from './graph.ts';
import * as ops from './ops.ts';

const runtime = new Runtime({ threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), 'backward-'));
afterAll(async () => {
  await runtime.close();
  rmSync(scratch, { recursive: true, force: true });
});

const LAYERS = 3;
const WIDTH = 8;

/** Layers with all that a gradient rule may ask back: inputs, results, statistics, sizes, transposes. */
function network(recompute: boolean): Graph {
  const graph = new Graph();
  const weights: Tensor[] = [];
  const weight = (name: string, shape: readonly number[]): Tensor => {
    weights.push(graph.parameter(name, shape));
    return weights.at(-1)!;
  };
  let x = ops.linear(graph.input('x', ['batch', 'tokens', WIDTH]), weight('first', [WIDTH, WIDTH]));
  for (let layer = 0; layer < LAYERS; layer++) {
    graph.checkpoint(x);
    const normal = ops.layerNorm(x, weight(`${layer}.scale`, [WIDTH]), weight(`${layer}.shift`, [WIDTH]));
    const scores = ops.matmul(normal, ops.transpose(normal, [0, 2, 1]));
    x = ops.add(x, ops.matmul(ops.softmax(scores), normal));
    x = ops.add(x, ops.gelu(ops.linear(x, weight(`${layer}.inner`, [WIDTH, WIDTH]))));
  }
  graph.checkpoint(x);
  const loss = ops.reshape(ops.mean(ops.mul(x, x), [0, 1, 2]), []);
  graph.output('loss', loss);
  backward(loss, weights, { recompute }).forEach((gradient, i) =>
    graph.output(`d:${weights[i]!.name}`, gradient),
  );
  return graph;
}

const values = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1)));

test('gradients are the same to the bit whether activations are kept or recomputed', async () => {
  await runtime.store(
    [...network(false).parameters.values()].map(({ name, shape }) => {
      const sizes = shape as readonly number[];
      return [name, { shape: sizes, data: values(sizes.reduce((a, b) => a * b, 1)) }];
    }),
  );
  const results = [];
  for (const recompute of [false, true]) {
    const program = await runtime.load(network(recompute), { builtIn: () => false });
    const x = float32(values(2 * 5 * WIDTH), [2, 5, WIDTH]);
    results.push((await runtime.run(program, { x }, { fetch: program.outputs })).fetched);
  }
  const [kept, again] = results;
  expect(Object.keys(kept!)).toHaveLength(2 + 3 * LAYERS);
  for (const [name, { data }] of Object.entries(kept!)) {
    expect(
      data.some((value) => value !== 0),
      name,
    ).toBe(true);
    expect(again![name]!.data, name).toEqual(data);
  }
});

/** Peak memory of a process that differentiates 10 segments of 8 tanhs of 4 MB, beyond what it had before. */
function peakMegabytes(recompute: boolean): number {
  const module = (path: string) => fileURLToPath(new URL(`../../dist/${path}.js`, import.meta.url));
  const script = `
    const { Graph } = await import('${module('graph/graph')}');
    const { add, mean, mul, reshape, tanh } = await import('${module('graph/ops')}');
    const { backward } = await import('${module('graph/backward')}');
    const { Runtime, float32 } = await import('${module('backend/runtime')}');
    const graph = new Graph();
    const weights = [];
    let x = tanh(graph.input('x', ['n', 1024]));
    for (let i = 0; i < 10; i++) {
      graph.checkpoint(x);
      weights.push(graph.parameter('w' + i, [1024]));
      x = mul(x, weights[i]);
      for (let k = 0; k < 8; k++) x = tanh(x);
    }
    graph.checkpoint(x);
    const loss = reshape(mean(x, [0, 1]), []);
    backward(loss, weights, { recompute: ${recompute} }).forEach((g, i) => graph.output('d' + i, g));
    const runtime = new Runtime({ threads: 1 });
    await runtime.store(weights.map(({ name }) => [name, { shape: [1024], data: new Float32Array(1024).fill(1) }]));
    const program = await runtime.load(graph, { builtIn: () => false });
    const input = float32(new Float32Array(1024 * 1024), [1024, 1024]);
    const before = process.resourceUsage().maxRSS;
    await runtime.run(program, { x: input }, { fetch: program.outputs });
    console.log((process.resourceUsage().maxRSS - before) / 1000);
    await runtime.close();`;
  const file = join(scratch, `${recompute}.mjs`);
  writeFileSync(file, script);
  return Number(execFileSync(process.execPath, [file], { encoding: 'utf8' }));
}

test('keeping 10 checkpoints takes less than half the memory of keeping 80 tensors', () => {
  const kept = peakMegabytes(false);
  expect(kept).toBeGreaterThan(80 * 4);
  expect(peakMegabytes(true)).toBeLessThan(kept / 2);
});
