/** The small GPT is transformers' OPT: its loss and gradients; and the saved model scores as the trained graph does. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { float32, gradientOutput, int64, Runtime } from '../backend/runtime.ts';
import { writeOnnx } from '../graph/onnx.ts';
import { pseudo, unit } from '../testing/tiny-model.ts';
import { learnBytePairs } from './byte-pairs.ts';
import { CausalLanguageModel } from './causal.ts';
import { gptInferenceGraph, gptTrainingGraph, gptWeights, initialGptWeights } from './gpt.ts';

const dimensions = { vocabulary: 61, width: 16, layers: 2, heads: 2, positions: 12 };
let runtime: Runtime;
let scratch: string;
beforeAll(async () => {
  runtime = new Runtime();
  scratch = await mkdtemp(join(tmpdir(), 'gpt-'));
});
afterAll(async () => {
  await runtime.close();
  await rm(scratch, { recursive: true });
});

/** As scripts/golden/causal_language_model.py draws them. */
function weights(): [string, { shape: readonly number[]; data: Float32Array }][] {
  const shapes = gptWeights(dimensions);
  const order = [...shapes.keys()].sort();
  return [...shapes].map(([name, shape]) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const width = shape.length === 1 ? 0.4 : 3.4 / Math.sqrt(count / shape[0]!);
    const data = pseudo(count, 7 + order.indexOf(name), width);
    return [name, { shape, data: name.endsWith('norm.weight') ? data.map((value) => value + 1) : data }];
  });
}

const signedSums = (values: Float32Array): number[] =>
  [201, 202, 203, 204].map((seed) =>
    values.reduce((sum, value, i) => sum + (unit(i, seed) < 0.5 ? value : -value), 0),
  );

test("loss and every gradient are PyTorch's", async () => {
  const golden = JSON.parse(await readFile(new URL('golden/gpt.json', import.meta.url), 'utf8'));
  const graph = gptTrainingGraph(dimensions);
  const names = [...gptWeights(dimensions).keys()];
  expect(names.sort()).toEqual(Object.keys(golden.gradients).sort());
  await runtime.store(weights());
  // Without an optimizer the gradients are ordinary outputs.
  for (const name of names) {
    const gradient = graph.outputs.get(gradientOutput(name))!;
    graph.outputs.delete(gradientOutput(name));
    graph.output(`d ${name}`, gradient);
  }
  const program = await runtime.load(graph, { builtIn: () => false });
  const ids = (seed: number) => Array.from({ length: 27 }, (_, i) => Math.floor(unit(i, seed) * 61));
  const lengths = [9, 6, 4];
  const { fetched } = await runtime.run(
    program,
    {
      tokens: int64(ids(31), [3, 9]),
      labels: int64(ids(32)),
      weights: float32(
        Float32Array.from({ length: 27 }, (_, i) => Number(i % 9 < lengths[Math.floor(i / 9)]!) / 19),
        [27],
      ),
    },
    { fetch: program.outputs },
  );
  expect((fetched.loss!.data as Float32Array)[0]).toBeCloseTo(golden.loss, 5);
  for (const name of names) {
    const values = fetched[`d ${name}`]!.data as Float32Array;
    const { norm, signedSums: sums } = golden.gradients[name];
    expect(Math.hypot(...values) / norm, name).toBeCloseTo(1, 4);
    signedSums(values).forEach((sum, i) => {
      expect(Math.abs(sum - sums[i]) / norm, name).toBeLessThan(1e-3);
    });
  }
  await runtime.unload(program);
});

test('the saved model gives the cross-entropy of the trained graph, with its own tokenizer', async () => {
  const texts = ['the water is cold', 'the cat sat', 'click on the water', 'the cat is cold'];
  const pairs = learnBytePairs(texts, 'en', 280);
  const own = { ...dimensions, vocabulary: pairs.size, positions: 64 };
  const values = initialGptWeights(own, 3);
  await writeFile(join(scratch, 'model.onnx'), writeOnnx(gptInferenceGraph(own), () => true, values).bytes);
  await writeFile(join(scratch, 'tokenizer.json'), JSON.stringify(pairs.json));
  await writeFile(join(scratch, 'config.json'), JSON.stringify({ max_position_embeddings: 64 }));
  const model = await CausalLanguageModel.load(scratch, runtime);
  const ids = model.encode(texts[0]!);
  const end = pairs.size - 1;
  const shapes = gptWeights(own);
  await runtime.store([...shapes].map(([name, shape]) => [name, { shape, data: values.get(name)!.slice() }]));
  const graph = gptTrainingGraph(own);
  for (const name of shapes.keys()) graph.outputs.delete(gradientOutput(name));
  const program = await runtime.load(graph, { builtIn: () => false });
  const count = ids.length + 1;
  const { fetched } = await runtime.run(
    program,
    {
      tokens: int64([end, ...ids], [1, count]),
      labels: int64([...ids, end]),
      weights: float32(new Float32Array(count).fill(1), [count]),
    },
    { fetch: ['loss'] },
  );
  const [first] = await model.score([texts[0]!]);
  expect(first!.ended).toBeCloseTo(-(fetched.loss!.data as Float32Array)[0]!, 3);
  // What goes on from it, by its keys and values, and what does not, are the same as alone.
  const [more] = await model.score([`${texts[0]} water`]);
  const alone = await CausalLanguageModel.load(scratch, runtime);
  const [whole, other] = await alone.score([`${texts[0]} water`, texts[1]!]);
  expect(more!.begun).toBeCloseTo(whole!.begun, 4);
  expect(other!.ended).not.toBeCloseTo(whole!.ended, 1);
});
