import { afterAll, expect, test } from 'vitest';
import { float32, Runtime } from '../backend/runtime.ts';
import { pseudo } from '../testing/tiny-model.ts';
import { type BiasPlace, fusedAttention } from './fused-attention.ts';
import { Graph } from './graph.ts';

const runtime = new Runtime({ threads: 1 });
afterAll(() => runtime.close());

const [BATCH, QUERIES, POSITIONS, HEADS, HEAD] = [2, 5, 9, 3, 4];
const WIDTH = HEADS * HEAD;
const q = pseudo(BATCH * QUERIES * WIDTH, 1, 3);
const k = pseudo(BATCH * POSITIONS * WIDTH, 2, 3);
const v = pseudo(BATCH * POSITIONS * WIDTH, 3, 3);
const bias = pseudo(POSITIONS, 4, 6);

/** softmax(q·kᵀ / √head width + bias)·v */
function expected(withBias: boolean): number[] {
  return Array.from({ length: BATCH * QUERIES * WIDTH }, (_, at) => {
    const [batch, query, head, column] = [
      Math.floor(at / (QUERIES * WIDTH)),
      Math.floor(at / WIDTH) % QUERIES,
      Math.floor((at % WIDTH) / HEAD),
      at % HEAD,
    ];
    let [above, below] = [0, 0];
    for (let p = 0; p < POSITIONS; p++) {
      const key = (batch * POSITIONS + p) * WIDTH + head * HEAD;
      let score = withBias ? bias[p]! : 0;
      for (let i = 0; i < HEAD; i++)
        score += (q[(batch * QUERIES + query) * WIDTH + head * HEAD + i]! * k[key + i]!) / Math.sqrt(HEAD);
      above += Math.exp(score) * v[key + column]!;
      below += Math.exp(score);
    }
    return above / below;
  });
}

test.each([
  ['no bias', undefined],
  ['a bias in the keys', 'keys'],
  ['a bias of the scores', 'scores'],
] as const)('one operator is softmax and two products: %s', async (_, place?: BiasPlace) => {
  const graph = new Graph();
  const x = (name: string, count: string) => graph.input(name, ['batch', count, WIDTH]);
  const given = place && graph.input('bias', [1, 1, 1, 'positions']);
  graph.output(
    'y',
    fusedAttention(x('q', 'queries'), x('k', 'positions'), x('v', 'positions'), HEADS, given, place),
  );
  const program = await runtime.load(graph, { builtIn: () => true });
  const { fetched } = await runtime.run(
    program,
    {
      q: float32(q, [BATCH, QUERIES, WIDTH]),
      k: float32(k, [BATCH, POSITIONS, WIDTH]),
      v: float32(v, [BATCH, POSITIONS, WIDTH]),
      bias: float32(bias, [1, 1, 1, POSITIONS]),
    },
    { fetch: ['y'] },
  );
  const found = fetched.y!.data as Float32Array;
  expected(place !== undefined).forEach((value, i) => {
    expect(Math.abs(found[i]! - value)).toBeLessThan(1e-5);
  });
});
