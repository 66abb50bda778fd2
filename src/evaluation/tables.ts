/** The tables of an evaluation: scores, differences from the first model, and forgetting. */

import { capital } from '../report/format.ts';
import { htmlTable } from '../report/html-table.ts';
import { formatTable, type TableFormat } from '../report/table-formats.ts';
import type { Column } from '../report/terminal.ts';
import {
  AVERAGE,
  ENGLISH_HALF,
  type EvaluationResults,
  type EvaluationRow,
  METRIC_HEADINGS,
  mainRows,
} from './results.ts';

export interface NamedTable {
  /** Name of the file, without its extension. */
  readonly name: 'table' | 'comparison' | 'english' | 'forgetting';
  /** One line that says what it shows. */
  readonly caption: string;
  readonly render: (format: TableFormat) => string;
  readonly html: () => string;
}

/** Tables of the results; empty ones are omitted. */
export function evaluationTables(results: EvaluationResults): NamedTable[] {
  const main = mainRows(results);
  const english = results.rows.filter(({ test }) => test === ENGLISH_HALF);
  const compared = main.filter(({ scores }) => Object.values(scores).some(({ comparison }) => comparison));
  const before = results.rows.filter(({ forgetting }) => forgetting).flatMap(forgettingLines);
  const several = results.models.length > 1 ? `, against ${results.models[0]!.name}` : '';
  const tables = [
    named('table', `${capital(main[0]!.test)}: scores and 95 % bootstrap intervals`, main, (format) => [
      ...rowColumns(main),
      ...scoreColumns(main, format),
    ]),
    named(
      'comparison',
      `Difference from ${results.models[0]!.name} and p-value (${testName(results)}; not corrected for the number of tests)`,
      compared,
      (format) => [...rowColumns(compared), ...differenceColumns(compared, format)],
    ),
    named('english', 'The English text that the translation goes on from', english, (format) => [
      ...rowColumns(english),
      ...scoreColumns(english, format),
    ]),
    named('forgetting', `What the model could do before it was trained${several}`, before, (format) =>
      forgettingColumns(before, format),
    ),
  ];
  return tables.filter((table) => table !== undefined);
}

function named<Row>(
  name: NamedTable['name'],
  caption: string,
  rows: readonly Row[],
  columns: (format: TableFormat) => Column<Row>[],
): NamedTable | undefined {
  if (rows.length === 0) return undefined;
  return {
    name,
    caption,
    render: (format) => formatTable(rows, columns(format), format),
    html: () => htmlTable(caption, rows, columns('terminal')),
  };
}

export function testName({ resampling: { test, samples } }: EvaluationResults): string {
  return test === 'bootstrap'
    ? `paired bootstrap, ${samples} resamples`
    : `approximate randomization, ${samples} trials`;
}

/** All metrics of the rows, in order of first occurrence. */
export function metricsOf(rows: readonly EvaluationRow[]): string[] {
  return [...new Set(rows.flatMap(({ scores }) => Object.keys(scores)))];
}

export function languageLabel({ language, languages }: EvaluationRow): string {
  return language === AVERAGE ? `${AVERAGE} (${languages} languages)` : language;
}

export const digitsOf = (metric: string): number => (metric === 'comet' ? 3 : 1);

export const headingOf = (metric: string): string => METRIC_HEADINGS[metric] ?? metric;

export function formatPValue(p: number): string {
  return p < 0.001 ? '<0.001' : p.toFixed(3);
}

export function formatDifference(difference: number, metric: string): string {
  const text = difference.toFixed(digitsOf(metric));
  return Number(text) === 0 ? text.replace('-', '') : difference > 0 ? `+${text}` : text.replace('-', '−');
}

function rowColumns(rows: readonly EvaluationRow[]): Column<EvaluationRow>[] {
  const columns: Column<EvaluationRow>[] = [
    { heading: 'model', value: ({ model }) => model },
    { heading: 'prompt', value: ({ prompt }) => prompt },
    { heading: 'language', value: languageLabel },
    { heading: 'n', value: ({ n }) => n },
  ];
  // A narrow terminal shows the prompts only where they differ; a table names them in any case.
  return rows.every(({ prompt }) => prompt === 'transcribe')
    ? columns.filter(({ heading }) => heading !== 'prompt')
    : columns;
}

/** Columns of scores: CSV has a number in each cell, the other formats the interval beside the score. */
function scoreColumns(rows: readonly EvaluationRow[], format: TableFormat): Column<EvaluationRow>[] {
  return metricsOf(rows).flatMap((metric): Column<EvaluationRow>[] => {
    const digits = digitsOf(metric);
    const heading = headingOf(metric);
    if (format === 'csv') {
      const bound = (name: 'low' | 'high'): Column<EvaluationRow> => ({
        heading: `${heading} ${name}`,
        value: ({ scores }) => scores[metric]?.interval[name].toFixed(digits + 2) ?? '',
      });
      return [
        { heading, value: ({ scores }) => scores[metric]?.score.toFixed(digits + 2) ?? '' },
        bound('low'),
        bound('high'),
      ];
    }
    const value = ({ scores, notDefined }: EvaluationRow): string => {
      const found = scores[metric];
      if (!found) return notDefined === undefined ? '–' : 'not defined';
      const { low, high } = found.interval;
      return `${found.score.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
    };
    return [{ heading, value, align: 'right' }];
  });
}

function differenceColumns(rows: readonly EvaluationRow[], format: TableFormat): Column<EvaluationRow>[] {
  return metricsOf(rows).flatMap((metric): Column<EvaluationRow>[] => {
    const heading = headingOf(metric);
    if (format === 'csv') {
      return [
        {
          heading: `${heading} difference`,
          value: ({ scores }) => scores[metric]?.comparison?.difference.toFixed(digitsOf(metric) + 2) ?? '',
        },
        {
          heading: `${heading} p`,
          value: ({ scores }) => scores[metric]?.comparison?.pValue.toFixed(4) ?? '',
        },
      ];
    }
    const value = ({ scores }: EvaluationRow): string => {
      const comparison = scores[metric]?.comparison;
      if (!comparison) return '–';
      return `${formatDifference(comparison.difference, metric)} (${formatPValue(comparison.pValue)})`;
    };
    return [{ heading: `${heading} (p)`, value, align: 'right' }];
  });
}

/** One score of a test of forgetting, in a line of its own: these tests have different metrics. */
interface ForgettingLine {
  readonly row: EvaluationRow;
  readonly metric: string;
}

/** The metric that papers report; the others are in `scores.json`. */
function forgettingLines(row: EvaluationRow): ForgettingLine[] {
  const metric = { recognition: 'wer', retrieval: 'r@1' }[row.test] ?? 'bleu';
  return row.scores[metric] || row.notDefined !== undefined ? [{ row, metric }] : [];
}

function forgettingColumns(lines: readonly ForgettingLine[], format: TableFormat): Column<ForgettingLine>[] {
  const csv = format === 'csv';
  const score = ({ row, metric }: ForgettingLine) => row.scores[metric];
  const number = (value: (line: ForgettingLine) => number | undefined) => (line: ForgettingLine) =>
    value(line)?.toFixed(digitsOf(line.metric) + (csv ? 2 : 0)) ?? (csv ? '' : '–');
  const comparison: Column<ForgettingLine>[] = [
    {
      heading: 'difference',
      value: (line) => {
        const difference = score(line)?.comparison?.difference;
        if (difference === undefined) return csv ? '' : '–';
        return csv ? difference.toFixed(3) : formatDifference(difference, line.metric);
      },
      align: 'right',
    },
    {
      heading: 'p',
      value: (line) => {
        const p = score(line)?.comparison?.pValue;
        if (p === undefined) return csv ? '' : '–';
        return csv ? p.toFixed(4) : formatPValue(p);
      },
      align: 'right',
    },
  ];
  const compared = lines.some((line) => score(line)?.comparison);
  return [
    { heading: 'test', value: ({ row, metric }) => `${row.test}, ${headingOf(metric)}` },
    {
      heading: 'language',
      value: ({ row }) =>
        languageLabel(row).replace('languages', row.test === 'retrieval' ? 'pairs' : 'languages'),
    },
    { heading: 'model', value: ({ row }) => row.model },
    { heading: 'n', value: ({ row }) => row.n },
    { heading: 'score', value: number((line) => score(line)?.score), align: 'right' },
    { heading: '2.5 %', value: number((line) => score(line)?.interval.low), align: 'right' },
    { heading: '97.5 %', value: number((line) => score(line)?.interval.high), align: 'right' },
    ...(compared ? comparison : []),
    // A few outputs that loop drag a corpus score down, which is no forgetting.
    {
      heading: headingOf('hallucination'),
      value: number(({ row }) => row.scores.hallucination?.score),
      align: 'right',
    },
  ];
}
