/** An analysis as files: a page, and each of its figures as SVG and CSV. */
import { join } from 'node:path';
import { writeWhole } from '../../files/write-whole.ts';
import { type Figure, writeFigures } from '../../report/figure.ts';
import { formatTable } from '../../report/table-formats.ts';
import { retrievalCsvColumns, retrievalRows } from '../../retrieval/tables.ts';
import type { Analysis } from './analyse.ts';
import { analysisPage } from './report.ts';

export interface AnalysisFiles {
  /** Path of the page. */
  readonly page: string;
  /** Folder of the figures, and how many there are. */
  readonly figures: string;
  readonly count: number;
}

export async function writeAnalysis(directory: string, { parts, players }: Analysis): Promise<AnalysisFiles> {
  const figures: Figure[] = [
    ...parts.retrieval.figures,
    ...(parts.layers?.figures ?? []),
    ...(parts.phonetic?.figures ?? []),
    ...parts.alignments.map(({ figure }) => figure),
    ...(parts.projection ?? []),
    ...(parts.earlyExit ? [parts.earlyExit.figure] : []),
  ];
  const folder = join(directory, 'figures');
  await writeFigures(folder, figures);
  const rows = retrievalRows(parts.retrieval.results);
  await writeWhole(join(directory, 'retrieval.csv'), formatTable(rows, retrievalCsvColumns, 'csv'));
  const page = join(directory, 'report.html');
  await writeWhole(page, await analysisPage(parts, players));
  return { page, figures: folder, count: figures.length };
}
