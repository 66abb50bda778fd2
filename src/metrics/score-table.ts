/** Scores as a table and as JSON. */
import { formatTable, type TableFormat } from '../report/table-formats.ts';
import type { Column } from '../report/terminal.ts';
import type { MetricName } from './metrics.ts';
import type { Scores } from './score.ts';

export interface ScoredFile {
  readonly file: string;
  readonly scores: Scores;
}

/** Keys of earlier versions, kept; other metrics use their own names. */
const JSON_KEYS: Readonly<Record<string, string>> = { mer: 'mixedErrorRate', 'off-target': 'offTarget' };

/** Scores by the keys that `--json` has. */
export const scoresJson = <Score>(scores: Readonly<Record<string, Score>>): Record<string, Score> =>
  Object.fromEntries(Object.entries(scores).map(([name, value]) => [JSON_KEYS[name] ?? name, value]));

const HEADINGS: Readonly<Record<string, string>> = { chrf: 'chrF', 'chrf++': 'chrF++' };

/** A row for each metric and output. */
export function scoreTable(outputs: readonly ScoredFile[], format: TableFormat): string {
  const rows = (Object.keys(outputs[0]!.scores) as (MetricName | 'comet')[]).flatMap((name) =>
    outputs.flatMap(({ file, scores }) => {
      const measured = scores[name];
      return measured ? [{ name, file, ...measured }] : [];
    }),
  );
  type Row = (typeof rows)[number];
  // COMET is about 0 to 1, the others 0 to 100.
  const number = (value: (row: Row) => number | undefined) => (row: Row) =>
    value(row)?.toFixed(row.name === 'comet' ? 4 : 2) ?? '';
  const columns: Column<Row>[] = [
    {
      heading: 'metric',
      value: ({ name }) => HEADINGS[name] ?? (/^\w{3,5}$/.test(name) ? name.toUpperCase() : name),
    },
    { heading: 'output', value: ({ file }) => file },
    { heading: 'score', value: number(({ score }) => score), align: 'right' },
    { heading: '2.5 %', value: number(({ interval }) => interval.low), align: 'right' },
    { heading: '97.5 %', value: number(({ interval }) => interval.high), align: 'right' },
    { heading: 'difference', value: number(({ comparison }) => comparison?.difference), align: 'right' },
    { heading: 'p', value: ({ comparison }) => comparison?.pValue.toFixed(4) ?? '', align: 'right' },
    { heading: 'signature', value: ({ signature }) => signature, maxWidth: 100 },
  ];
  const single = outputs.length === 1;
  const shown = columns.filter(({ heading }) => !single || !['output', 'difference', 'p'].includes(heading));
  return formatTable(rows, shown, format);
}
