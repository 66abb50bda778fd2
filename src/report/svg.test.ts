import { expect, test } from 'vitest';
import { heatMap } from './heat-map.ts';
import { barList, barPairs, lineChart } from './svg.ts';

const axes = { x: 'step', y: 'loss' };
const NaNs = Number.NaN;

test('charts of no data say so', () => {
  for (const image of [
    barList('a', []),
    barPairs('a', [], 1),
    lineChart('a', [], axes),
    lineChart('a', [{ kind: 'main', points: [[NaNs, 1]] }], axes),
    heatMap('a', [], { rows: '', columns: '', keys: [], unit: '' }).image,
    heatMap('a', [[NaNs]], { rows: '', columns: '', keys: [], unit: '' }).image,
  ]) {
    expect(image).toContain('no data');
    expect(image).toContain('aria-label="a: no data"');
  }
});

test('one point is drawn as a dot, and a missing value interrupts the line', () => {
  const one = lineChart('a', [{ kind: 'main', points: [[5, 2]] }], axes);
  expect(one).toContain('<circle class="main"');
  const points: [number, number][] = [
    [0, 0],
    [1, 1],
    [2, NaNs],
    [3, 3],
    [4, 4],
  ];
  const broken = lineChart('a', [{ kind: 'main', points }], axes);
  expect(/d="([^"]*)"/.exec(broken)?.[1]?.match(/M/g)).toHaveLength(2);
  expect(one + broken).not.toMatch(/NaN|Infinity|undefined/);
});

test('a line runs from the bottom left to the top right of its axes', () => {
  const rising = lineChart(
    'a',
    [
      {
        kind: 'main',
        points: [
          [0, 0],
          [100, 10],
        ],
      },
    ],
    axes,
  );
  expect(rising).toContain('d="M52 208L388 24"');
});

test('a long run keeps its last point and stays small', () => {
  const points = Array.from({ length: 200_000 }, (_, x): [number, number] => [x, x]);
  const image = lineChart('a', [{ kind: 'main', points }], axes);
  expect(image.length).toBeLessThan(40_000);
  expect(image).toMatch(/L388 24"/);
});

test('bars are proportional, and values beyond the scale or missing do not leave it', () => {
  const image = barPairs(
    'a',
    [
      { label: 'x', before: 50, after: 100 },
      { label: 'y', before: NaNs, after: 500 },
    ],
    100,
  );
  const widths = [...image.matchAll(/<rect[^>]*width="([\d.]+)"/g)].map((match) => Number(match[1]));
  expect(widths).toEqual([171, 342, 0, 342]);
  expect(image).toContain('–');
});

test('a heat map counts the rows whose best match is on the diagonal', () => {
  const map = heatMap(
    'a',
    [
      [0.9, 0.1, 0.2],
      [0.1, 0.2, 0.8],
      [0.3, 0.1, 0.7],
    ],
    { rows: 'fr', columns: 'en', keys: ['one', 'two', '<three>'], unit: 'SeqSim' },
  );
  expect([map.found, map.rows]).toEqual([2, 3]);
  expect(map.image.match(/class="hit"/g)).toHaveLength(2);
  expect(map.image).toContain('<title>two → &lt;three&gt;</title>');
  expect(map.image.match(/M\d+ \d+h1v1h-1z/g)).toHaveLength(9);
});

test('a heat map of equal, ragged or far too many values is still drawn', () => {
  const names = { rows: '', columns: '', keys: [], unit: '' };
  for (const matrix of [
    [[1]],
    [[1, 1], [1]],
    [[Number.POSITIVE_INFINITY, 1], []],
    Array.from({ length: 500 }, () => new Array<number>(500).fill(0.5)),
  ]) {
    const { image, rows } = heatMap('a', matrix, names);
    expect(image).not.toMatch(/NaN|Infinity|undefined/);
    expect(rows).toBeLessThanOrEqual(64);
  }
});
