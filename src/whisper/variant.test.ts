/** What a graph's model can differ in from the plain Whisper. */
import { expect, test } from 'vitest';
import { Graph } from '../graph/graph.ts';
import { feedForward } from './layers.ts';
import { withVariant } from './variant.ts';

test('a second model in one graph has weights of its own, and what follows is the first again', () => {
  const graph = new Graph();
  const x = graph.input('x', ['batch', 3, 8]);
  const adapters = { rank: 2, alpha: 2, projections: new Set(['a.fc1', 'c.fc1']) };
  withVariant(graph, { adapters }, () => {
    feedForward(x, 'a', 16);
    withVariant(graph, { prefix: 'teacher.' }, () => feedForward(x, 'a', 16));
    feedForward(x, 'c', 16);
  });
  feedForward(x, 'c', 16);
  const parts = [
    'fc1.weight',
    'fc1.bias',
    'fc1.lora_A.weight',
    'fc1.lora_B.weight',
    'fc2.weight',
    'fc2.bias',
  ];
  const plain = parts.filter((name) => !name.includes('lora'));
  expect(new Set(graph.parameters.keys())).toEqual(
    new Set([
      ...parts.map((name) => `a.${name}`),
      ...plain.map((name) => `teacher.a.${name}`),
      ...parts.map((name) => `c.${name}`),
    ]),
  );
});
