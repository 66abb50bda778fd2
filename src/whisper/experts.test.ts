/** Experts and gates against PyTorch (scripts/golden/experts.py); closed gates; files that are not whole. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { float32, type HostTensor, Runtime } from '../backend/runtime.ts';
import { UserError } from '../errors.ts';
import { backward } from '../graph/backward.ts';
import { Graph } from '../graph/graph.ts';
import { abs, add, mean, mul, reshape, sub, sum } from '../graph/ops.ts';
import { pseudo, tinyDimensions } from '../testing/tiny-model.ts';
import { readExperts, writeExperts } from './expert-files.ts';
import { expertTensors, gateNoise, gatesOf } from './experts.ts';
import { feedForward } from './layers.ts';
import type { ExpertSet, Experts } from './variant.ts';
import { withVariant } from './variant.ts';

const golden = JSON.parse(readFileSync(new URL('./golden/experts.json', import.meta.url), 'utf8'));
const runtime = new Runtime({ threads: 1 });
const scratch = mkdtempSync(join(tmpdir(), 'experts-'));
afterAll(async () => {
  rmSync(scratch, { recursive: true });
  await runtime.close();
});

const NETWORK = 'model.decoder.layers.0';
const SHAPE = [2, 3, 8] as const;

/** The golden file's names, as the graph has them. */
const nameOf = (name: string): string =>
  name.startsWith('expert.') ? `experts.fr.${NETWORK}.${name.slice(7)}` : `${NETWORK}.${name}`;

const storeWeights = (changed: Record<string, number> = {}) =>
  runtime.store(
    (golden.weights as [string, number[]][]).map(([name, shape], k) => {
      const data = pseudo(
        shape.reduce((a, b) => a * b, 1),
        40 + k,
        1,
      );
      return [nameOf(name), { shape, data: name in changed ? data.fill(changed[name]!) : data }];
    }),
  );

async function run(experts: Experts | undefined, trained: readonly string[] = []) {
  const graph = new Graph();
  const x = graph.input('x', SHAPE);
  const y = withVariant(graph, { experts }, () => feedForward(x, NETWORK, 16));
  graph.output('y', y);
  for (const { value } of gatesOf(graph)) graph.output('gate', value);
  if (trained.length > 0) {
    const budget = abs(sub(reshape(mean(gatesOf(graph)[0]!.value, [0, 1, 2]), []), graph.scalar(0.5)));
    const loss = add(reshape(sum(mul(y, graph.input('upstream', SHAPE)), [0, 1, 2]), []), budget);
    graph.output('loss', loss);
    const parameters = trained.map((name) => (name === 'x' ? x : graph.parameters.get(nameOf(name))!));
    backward(loss, parameters).forEach((gradient, i) => graph.output(`d:${trained[i]}`, gradient));
  }
  const program = await runtime.load(graph, { builtIn: () => false });
  const feeds: Record<string, HostTensor> = {
    x: float32(pseudo(48, 61, 2), SHAPE),
    upstream: float32(pseudo(48, 62, 2), SHAPE),
    [gateNoise(NETWORK)]: float32(pseudo(6, 63, 6), [2, 3, 1]),
  };
  const { fetched } = await runtime.run(program, feeds, { fetch: program.outputs });
  return fetched;
}

function expectClose(found: HostTensor | undefined, expected: readonly number[], name: string): void {
  expect(found!.data.length, name).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(Number(found!.data[i]) - value), `${name} ${i}`).toBeLessThan(1e-5);
  });
}

test('noisy gates: output, gates, loss and every gradient equal PyTorch’s', async () => {
  await storeWeights();
  const names = Object.keys(golden.gradients);
  const found = await run(
    { language: 'fr', part: 'decoder', gateWidth: golden.gateWidth, gate: 'noisy' },
    names,
  );
  expectClose(found.y, golden.noisy, 'y');
  expectClose(found.gate, golden.gates, 'gate');
  expectClose(found.loss, [golden.loss], 'loss');
  for (const name of names) expectClose(found[`d:${name}`], golden.gradients[name], name);
});

test('hard gates: some tokens go through the expert, the others through the shared network', async () => {
  await storeWeights();
  const found = await run({ language: 'fr', part: 'decoder', gateWidth: golden.gateWidth, gate: 'hard' });
  expect([...found.gate!.data]).toEqual(golden.hardGates);
  expectClose(found.y, golden.hard, 'y');
});

test('where a gate is closed the output is the plain network’s to the bit', async () => {
  // relu of x·1 is positive somewhere for every token, and −1 closes the gate.
  await storeWeights({ 'expert.gate.fc2.weight': -1 });
  const experts: Experts = { language: 'fr', part: 'decoder', gateWidth: golden.gateWidth, gate: 'hard' };
  const found = await run(experts);
  const closed = [...found.gate!.data].map((g) => g === 0);
  expect(closed.filter(Boolean).length).toBeGreaterThan(3);
  const plain = await run(undefined);
  for (let i = 0; i < 48; i++) {
    if (closed[Math.floor(i / 8)]) expect(found.y!.data[i]).toBe(plain.y!.data[i]);
  }
});

test('files: read back as float16 kept them; what is not whole or does not fit is one line', async () => {
  const directory = join(scratch, 'model');
  const dimensions = { ...tinyDimensions, decoderLayers: 1 };
  const set: ExpertSet = { language: 'fr', part: 'all', gateWidth: 4 };
  const shapes = [...expertTensors(dimensions, set).values()];
  expect(shapes).toHaveLength(12);
  const values = shapes.map((shape, k) => ({ data: pseudo(shape[0]! * (shape[1] ?? 1), k, 1) }));
  expect(await readExperts(directory, dimensions)).toEqual({ sets: [], weights: new Map() });
  await writeExperts(directory, dimensions, [set], async () => values);
  const { sets, weights } = await readExperts(directory, dimensions);
  expect(sets).toEqual([set]);
  [...weights.values()].forEach(({ shape, data }, i) => {
    expect(shape).toEqual(shapes[i]);
    data.forEach((value, k) => {
      expect(Math.abs(value - values[i]!.data[k]!)).toBeLessThan(2 ** -12);
    });
  });

  const complaint = async (dims = dimensions) => {
    const error = await readExperts(directory, dims).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).not.toContain('\n');
    return (error as Error).message.replaceAll(directory, 'MODEL');
  };
  const list = join(directory, 'experts/experts.json');
  expect(await complaint({ ...dimensions, decoderLayers: 2 })).toBe(
    'MODEL/experts/fr.safetensors: 6 tensors are missing, the first "model.decoder.layers.1.fc1.weight"',
  );
  expect(await complaint({ ...dimensions, encoderFfn: 64, decoderFfn: 64 })).toMatch(
    /fr\.safetensors: found tensor "model.\w+.layers.0.fc1.weight" \[32,16\]; expected \[64,16\]/,
  );
  // As versions before wrote it: experts of the decoder alone.
  writeFileSync(list, '{"fr": {"gateWidth": 4}}');
  expect(await complaint()).toMatch(/found tensor "model.encoder.layers.0[^"]*" .* no such one/);
  writeFileSync(list, '{"fr": {"gateWidth": 4, "part": "all"}, "de": {"gateWidth": 4}}');
  expect(await complaint()).toMatch(/MODEL\/experts\/de\.safetensors/);
  writeFileSync(list, '{"fr": {"gateWidth": "wide"}}');
  expect(await complaint()).toMatch(/experts\.json: "fr\.gateWidth"/);
  writeFileSync(list, 'no JSON');
  expect(await complaint()).toMatch(/^MODEL\/experts\/experts\.json:?\d*: not JSON/);
  rmSync(list);
  expect(await complaint()).toBe('MODEL/experts: found fr.safetensors, but no experts.json');
  writeFileSync(list, '{"fr": {"gateWidth": 4, "part": "all"}}');
  truncateSync(join(directory, 'experts/fr.safetensors'), 100);
  expect(await complaint()).toMatch(/fr\.safetensors/);
});
