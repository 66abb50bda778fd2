import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Statistics } from './corpus.ts';
import { joinedTables, sentenceTable, sumTable, tableOf } from './sentence-table.ts';
import { approximateRandomization, bootstrap, pairedBootstrap } from './significance.ts';

/** Also those beyond two bytes, and fractions, whose sums depend on their order in the last bit. */
const count = fc.oneof(fc.nat(40), fc.nat(2 ** 40), fc.double({ min: -3, max: 3, noNaN: true }));
const rowsOf = (width: number) =>
  fc.array(fc.array(count, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 12 });
const languages = fc
  .integer({ min: 1, max: 3 })
  .chain((width) => fc.array(rowsOf(width), { minLength: 2, maxLength: 4 }));

/** Each sentence's counts in the columns of its language, zeros elsewhere. */
function wide(tables: readonly (readonly Statistics[])[]): number[][] {
  const width = 1 + tables[0]![0]!.length;
  return tables.flatMap((rows, place) =>
    rows.map((row) => {
      const columns = new Array<number>(width * tables.length).fill(0);
      for (const [i, value] of [1, ...row].entries()) columns[place * width + i] = value;
      return columns;
    }),
  );
}

const score = (total: Statistics): number => total.reduce((sum, value, i) => sum + value / (i + 1), 0);

test('a table has the sums of its rows to the bit', () => {
  fc.assert(
    fc.property(rowsOf(3), (rows) => {
      const plain = rows.reduce((total, row) => total.map((sum, i) => sum + row[i]!), [0, 0, 0]);
      expect(sumTable(tableOf(rows))).toEqual(plain);
    }),
    { seed: 1 },
  );
});

test('joined tables are resampled and swapped like rows with a column for each language, to the bit', () => {
  fc.assert(
    fc.property(languages, fc.integer({ min: 1, max: 1000 }), (tables, seed) => {
      const other = tables.map((rows) => rows.map((row) => row.map((value) => value / 3)));
      const joined = (of: readonly (readonly Statistics[])[]) => joinedTables(of.map(tableOf));
      const options = { samples: 20, seed };
      expect(bootstrap(joined(tables), score, options)).toEqual(bootstrap(wide(tables), score, options));
      for (const paired of [pairedBootstrap, approximateRandomization]) {
        expect(paired(joined(tables), joined(other), score, options)).toEqual(
          paired(wide(tables), wide(other), score, options),
        );
      }
    }),
    { seed: 1, numRuns: 50 },
  );
});

test('counts take two bytes until one does not fit', () => {
  const types = (rows: number[][]) =>
    sentenceTable(rows, rows.length).parts[0]!.columns.map((column) => column.constructor.name);
  expect(types([[1, 65_535, 0.5, -1]])).toEqual([
    'Uint16Array',
    'Uint16Array',
    'Float64Array',
    'Float64Array',
  ]);
  const [column] = sentenceTable([[1], [70_000], [3]], 3).parts[0]!.columns;
  expect(column).toEqual(Float64Array.of(1, 70_000, 3));
});
