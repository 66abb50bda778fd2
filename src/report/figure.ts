/** Figures on a page, and as SVG and CSV files. */

import { csvLine } from '../files/csv-line.ts';
import { writeFiles } from '../files/write-whole.ts';
import { escapeHtml } from './escape.ts';
import { svgFile } from './svg.ts';

/** A picture, its name as a file, and the numbers that it shows as CSV. */
export interface Figure {
  readonly name: string;
  readonly caption: string;
  readonly svg: string;
  readonly csv: string;
}

export const figureHtml = ({ svg, caption }: Figure): string =>
  `<figure>${svg}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;

export const fileName = (text: string): string => text.replaceAll('+', '-').replace(/[^\w.-]/g, '_');

/** Lines of CSV (RFC 4180 but for the line ends); numbers that could not be measured (NaN, in JSON null) are empty. */
export function csvText(rows: readonly (readonly (string | number | null)[])[]): string {
  const cell = (value: string | number | null): string =>
    typeof value === 'string' ? value : Number.isFinite(value) ? String(Number(value!.toPrecision(7))) : '';
  return rows.map((row) => `${csvLine(row.map(cell))}\n`).join('');
}

/** Writes NAME.svg, which opens by itself, and NAME.csv for each. */
export async function writeFigures(directory: string, figures: readonly Figure[]): Promise<void> {
  for (const { name, svg, csv } of figures)
    await writeFiles(directory, { [`${name}.svg`]: svgFile(svg), [`${name}.csv`]: csv });
}
