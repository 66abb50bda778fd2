import { afterAll, expect, test } from 'vitest';
import { float32, Runtime } from '../backend/runtime.ts';
import { pseudo } from '../testing/tiny-model.ts';
import { inFloat16 } from './float16.ts';
import { Graph } from './graph.ts';
import { neededNodes } from './onnx.ts';
import { add, concat, gather, layerNorm, linear, reshape, scale, softmax } from './ops.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const [ROWS, WIDTH] = [6, 24];

/** A residual, two products of weights, and an output through `kept`, whose rows are the input. */
function network(): Graph {
  const graph = new Graph();
  const square = (name: string) => graph.parameter(name, [WIDTH, WIDTH]);
  const vector = (name: string) => graph.parameter(name, [WIDTH]);
  const x = gather(square('kept'), graph.input('ids', ['rows'], 'int64'));
  const normal = layerNorm(x, vector('gamma'), vector('beta'));
  const inner = scale(linear(normal, square('first'), vector('bias')), 0.3);
  const past = graph.input('past', ['past', WIDTH]);
  const all = concat([past, linear(softmax(inner), square('second'))], 0);
  graph.output('present', all);
  const sum = add(x, reshape(gather(all, graph.input('last', ['rows'], 'int64')), x.shape));
  graph.output('y', linear(sum, square('kept')));
  return graph;
}

const half = () => inFloat16(network(), { isHalf: (name) => /^p/.test(name), exact: ['kept'] });

test('products are float16, norms, softmaxes and products with exact weights float32', () => {
  const graph = half();
  const types = neededNodes(graph).map(({ op, outputs }) => `${op} ${outputs[0]!.dtype}`);
  const of = (op: string) => types.filter((type) => type.startsWith(`${op} `));
  expect(of('LayerNormalization')).toEqual(['LayerNormalization float32']);
  expect(of('Softmax')).toEqual(['Softmax float32']);
  expect(of('Gemm')).toEqual(['Gemm float16', 'Gemm float16', 'Gemm float32']);
  expect(of('Mul')).toEqual(['Mul float16']);
  expect([...graph.parameters.keys()].sort()).toEqual(
    ['beta', 'bias.float16', 'first.float16', 'gamma', 'kept', 'second.float16'].sort(),
  );
  expect([graph.outputs.get('y')!.dtype, graph.outputs.get('present')!.dtype]).toEqual([
    'float32',
    'float16',
  ]);
  expect(graph.inputs.get('past')!.dtype).toBe('float16');
});

test('values are those of the graph in float32 to 1e-3', async () => {
  for (const [i, name] of ['kept', 'first', 'second'].entries())
    await runtime.store([[name, { shape: [WIDTH, WIDTH], data: pseudo(WIDTH * WIDTH, i, 2) }]]);
  for (const [i, name] of ['gamma', 'beta', 'bias'].entries())
    await runtime.store([[name, { shape: [WIDTH], data: pseudo(WIDTH, 10 + i, 2) }]]);
  const rows = {
    dtype: 'int64' as const,
    shape: [ROWS],
    data: BigInt64Array.from({ length: ROWS }, (_, i) => BigInt(i)),
  };
  const found: Float32Array[] = [];
  for (const [graph, past] of [
    [network(), float32(new Float32Array(0), [0, WIDTH])],
    [half(), { dtype: 'float16' as const, shape: [0, WIDTH], data: new Uint16Array(0) }],
  ] as const) {
    const program = await runtime.load(graph, { builtIn: () => true });
    const { fetched } = await runtime.run(program, { ids: rows, last: rows, past }, { fetch: ['y'] });
    found.push(fetched.y!.data as Float32Array);
  }
  const largest = Math.max(...found[0]!.map(Math.abs));
  const difference = Math.max(...found[0]!.map((value, i) => Math.abs(value - found[1]![i]!)));
  expect(difference).toBeGreaterThan(1e-6 * largest);
  expect(difference).toBeLessThan(1e-3 * largest);
});
