import { expect, test } from 'vitest';
import { alignmentHeads } from './alignment-heads.ts';

const dimensions = { decoderLayers: 4, decoderHeads: 2 };
const upper = [
  [2, 0],
  [2, 1],
  [3, 0],
  [3, 1],
];

test('the heads that the generation config names are used', () => {
  expect(
    alignmentHeads(
      {
        alignment_heads: [
          [1, 0],
          [3, 1],
        ],
      },
      dimensions,
    ),
  ).toEqual({
    heads: [
      [1, 0],
      [3, 1],
    ],
  });
});

test('without any, all heads of the upper half', () => {
  for (const config of [{}, { alignment_heads: null }]) {
    expect(alignmentHeads(config, dimensions)).toEqual({ heads: upper });
  }
  // Of three layers the upper two, as OpenAI counts.
  expect(alignmentHeads({}, { decoderLayers: 3, decoderHeads: 1 }).heads).toEqual([
    [1, 0],
    [2, 0],
  ]);
});

test.each([
  ['a layer', [[4, 0]], '[4,0]'],
  [
    'a head',
    [
      [1, 0],
      [1, 2],
    ],
    '[1,2]',
  ],
  ['no heads', [], 'no heads'],
  ['something else', 'all', '"all"'],
  ['no pairs', [[1]], '[1]'],
])('%s that the decoder lacks: as if none was named, with a note', (_, named, found) => {
  const { heads, note } = alignmentHeads({ alignment_heads: named }, dimensions);
  expect(heads).toEqual(upper);
  expect(note).toContain(
    `alignment_heads has ${found}; expected pairs of layer and head of a decoder of 4 layers`,
  );
});
