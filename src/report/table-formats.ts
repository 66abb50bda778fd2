import { csvLine } from '../files/csv-line.ts';
import { withoutControls } from './escape.ts';
import { type Column, table } from './terminal.ts';

export const TABLE_FORMATS = ['terminal', 'markdown', 'csv', 'latex'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

/**
 * `rows` as a table, each line ended: for the terminal, as GitHub Markdown, as CSV (RFC 4180 but for its line ends,
 * which are those of other Unix tools) or as a LaTeX `tabular` with the rules of the package booktabs. Only the
 * terminal cuts long cells and colours.
 */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  format: TableFormat,
): string {
  if (format === 'terminal') return table(rows, columns);
  const values = rows.map((row) => columns.map((column) => column.value(row)));
  const right = columns.map(
    ({ align }, i) =>
      (align ?? (rows.length > 0 && values.every((row) => typeof row[i] === 'number') ? 'right' : 'left')) ===
      'right',
  );
  const head = columns.map(({ heading }) => plain(heading));
  const body = values.map((row) => row.map((value) => plain(String(value))));
  const lines = { markdown, csv, latex }[format](head, body, right);
  return lines.map((line) => `${line}\n`).join('');
}

/** One line of text, as every format but the terminal's own takes it. */
function plain(text: string): string {
  return withoutControls(text).replace(/\s+/g, ' ').trim();
}

function markdown(head: string[], body: string[][], right: boolean[]): string[] {
  const escaped = (text: string) => text.replace(/[\\`*_<>[\]|~]/g, '\\$&');
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  const rule = line(right.map((isRight) => (isRight ? '---:' : ':---')));
  return [line(head.map(escaped)), rule, ...body.map((cells) => line(cells.map(escaped)))];
}

const csv = (head: string[], body: string[][]): string[] => [head, ...body].map((cells) => csvLine(cells));

const LATEX: Record<string, string> = {
  '\\': '\\textbackslash{}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  // The default font encoding has other signs in these places.
  '<': '\\textless{}',
  '>': '\\textgreater{}',
  '|': '\\textbar{}',
};

function latex(head: string[], body: string[][], right: boolean[]): string[] {
  const escaped = (text: string) =>
    text.replace(/[\\~^<>|]|[{}$&#_%]/g, (sign) => LATEX[sign] ?? `\\${sign}`);
  // A row that begins with "[" would be read as an argument of the "\\" before it.
  const line = (cells: string[]) => `${cells.map(escaped).join(' & ').replace(/^\[/, '{[}')} \\\\`;
  return [
    '% needs \\usepackage{booktabs}',
    `\\begin{tabular}{${right.map((isRight) => (isRight ? 'r' : 'l')).join('')}}`,
    '\\toprule',
    line(head),
    '\\midrule',
    ...body.map(line),
    '\\bottomrule',
    '\\end{tabular}',
  ];
}
