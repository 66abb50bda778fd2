import { expect, test } from 'vitest';
import { formatTable } from '../report/table-formats.ts';
import { retrievalMethods } from './methods.ts';
import { retrievalFigures } from './page.ts';
import { ParallelClips } from './parallel-clips.ts';
import { estimates, type PairResult } from './study.ts';
import { retrievalColumns, retrievalCsvColumns, retrievalJson, retrievalRows } from './tables.ts';

/** Every other query finds its sentence first, the others second. */
function pairOf(queries: number, from: string, to: string): PairResult {
  const ranks = Array.from({ length: queries }, (_, i) => 1 + (i % 2));
  return {
    ...{ from, to, candidates: queries, chance: 1 / queries },
    keys: ranks.map((_, i) => `k${i}`),
    variants: retrievalMethods('seqsim,mean-pool').map((variant, i) => ({
      ...{ variant, ranks, ...estimates(ranks) },
      ...(i > 0 && { pValue: 1 }),
    })),
  };
}

/** All that a pair is shown as: terminal, CSV, JSON, chart. */
function shown(queries: number): string[] {
  const pairs = [pairOf(queries, 'ca', 'en'), pairOf(queries, 'en', 'ca')];
  const facts = { exact: true, shortlist: undefined, compareSeconds: 1, seconds: 1 };
  const clips = new ParallelClips([]);
  return [
    formatTable(retrievalRows(pairs), retrievalColumns, 'terminal'),
    formatTable(retrievalRows(pairs), retrievalCsvColumns, 'csv'),
    JSON.stringify(retrievalJson({ pairs, clips, ...facts }, true)),
    ...retrievalFigures(pairs, [], clips).flatMap(({ svg, csv }) => [svg, csv ?? '']),
  ];
}

test('twenty queries have an interval and a p-value, in the table, CSV, JSON and the chart', () => {
  const [table, csv, json, svg, data] = shown(20);
  expect(table).toContain('50.0 [30.0, 70.0]');
  expect(csv!.split('\n')[2]).toMatch(/^ca,en,mean-pool,20,20,0.05,0.5,0.3,0.7,.*,1$/);
  expect(json).toContain('"r1":{"value":0.5,"low":0.3,"high":0.7}');
  expect(json).toContain('"pValue":1');
  expect(svg).toContain('30–70');
  expect(data!.split('\n')[1]).toBe('ca,en,0.5,0.3,0.7,20');
});

test('nineteen have neither, in any of them', () => {
  const [table, csv, json, svg, data] = shown(19);
  expect(table).not.toContain('[3');
  const cells = csv!.split('\n')[2]!.split(',');
  expect(cells.slice(7, 9)).toEqual(['', '']);
  expect(cells.at(-1)).toBe('');
  expect(json).not.toMatch(/"low"|"high"|pValue/);
  expect(svg).not.toMatch(/\d–\d/);
  expect(data!.split('\n')[1]).toMatch(/^ca,en,0\.526.*,,,19$/);
});
