/** Counts of sentences in typed arrays: what resampling sums, without an object for each sentence. */
import { UserError } from '../errors.ts';
import type { Statistics } from './corpus.ts';

/** Two bytes a count, unless one is larger or no integer. */
export type CountColumn = Uint16Array | Float64Array;

/** Sentences of which a column is one sum. */
export interface SentencePart {
  readonly sentences: number;
  /** [columns][sentences] */
  readonly columns: readonly CountColumn[];
}

/** The sums of its parts stand side by side. */
export interface SentenceTable {
  readonly sentences: number;
  readonly parts: readonly SentencePart[];
}

/** Counts of sentences: a row each, or a table. */
export type SentenceStatistics = readonly Statistics[] | SentenceTable;

/**
 * @param statistics a row for each sentence
 * @throws UserError where there is none
 */
export function sentenceTable(statistics: Iterable<Statistics>, sentences: number): SentenceTable {
  const columns: CountColumn[] = [];
  let sentence = 0;
  for (const counts of statistics) {
    for (let i = 0; i < counts.length; i++) {
      const column = (columns[i] ??= new Uint16Array(sentences));
      column[sentence] = counts[i]!;
      if (column[sentence] === counts[i]) continue;
      columns[i] = Float64Array.from(column);
      columns[i]![sentence] = counts[i]!;
    }
    sentence++;
  }
  if (columns.length === 0) throw new UserError('There are no sentences to resample.');
  return { sentences, parts: [{ sentences, columns }] };
}

export const tableOf = (statistics: SentenceStatistics): SentenceTable =>
  'parts' in statistics ? statistics : sentenceTable(statistics, statistics.length);

/** Tables behind one another, so that resampling sentences resamples all; each has its number of sentences first. */
export function joinedTables(tables: readonly SentenceTable[]): SentenceTable {
  return {
    sentences: tables.reduce((sum, { sentences }) => sum + sentences, 0),
    parts: tables.flatMap(({ parts }) =>
      parts.map(({ sentences, columns }) => ({
        sentences,
        columns: [new Uint16Array(sentences).fill(1), ...columns],
      })),
    ),
  };
}

/** Sums over all sentences. */
export const sumTable = ({ parts }: SentenceTable): number[] =>
  parts.flatMap(({ columns }) =>
    columns.map((column) => {
      let sum = 0;
      for (const count of column) sum += count;
      return sum;
    }),
  );

export const equalTables = (a: SentenceTable, b: SentenceTable): boolean =>
  a.parts.every(({ columns }, part) =>
    columns.every((column, i) => {
      const other = b.parts[part]!.columns[i]!;
      return column.every((count, sentence) => count === other[sentence]);
    }),
  );
