/** A page of a retrieval study: R@1 of all pairs, heat maps, tables. */

import { csvText, type Figure, figureHtml, fileName } from '../report/figure.ts';
import { formatNumber, languageName } from '../report/format.ts';
import { heatMap } from '../report/heat-map.ts';
import { htmlTable } from '../report/html-table.ts';
import { htmlPage } from '../report/page.ts';
import { pageStyle } from '../report/page-style.ts';
import { rateMatrix } from '../report/rate-matrix.ts';
import type { ComparedClip } from './clip-blocks.ts';
import type { RetrievalMethod } from './methods.ts';
import type { ParallelClips } from './parallel-clips.ts';
import { MIN_QUERIES, type PairResult, type SimilarityMatrix } from './study.ts';
import { isShown, retrievalColumns, retrievalRows } from './tables.ts';

export function retrievalPage(
  results: readonly PairResult[],
  matrices: readonly SimilarityMatrix[],
  languages: ParallelClips<ComparedClip>,
): string {
  const title = 'Do these languages share a space in the encoder?';
  return htmlPage(
    title,
    pageStyle,
    `<h1>${title}</h1>
${retrievalContent(results, retrievalFigures(results, matrices, languages))}`,
  );
}

export function retrievalContent(results: readonly PairResult[], figures: readonly Figure[]): string {
  return `<p>Each recording of one language looks for the same sentence among all recordings of another, by encoder output alone: no text, no training. R@1: the share that finds it at once, with the 95 % interval of a bootstrap over the recordings that search. p: R@1 against the first metric of the pair, by paired approximate randomisation, not corrected for the number of comparisons. Of fewer than ${MIN_QUERIES} recordings that search, neither is given. “length only” guesses by how long the recordings are. Where a language has one speaker, language and speaker cannot be told apart.</p>
<div class="figures">${figures.map(figureHtml).join('\n')}</div>
${htmlTable('Retrieval by pair of languages and metric', retrievalRows(results), retrievalColumns)}`;
}

/** The R@1 of all pairs for each metric; the first metric's similarities of each pair (one direction). */
export function retrievalFigures(
  results: readonly PairResult[],
  matrices: readonly SimilarityMatrix[],
  languages: ParallelClips<ComparedClip>,
): Figure[] {
  const variants = results[0]?.variants.map(({ variant }) => variant) ?? [];
  const shown = matrices.filter(
    ({ from, to, variant }, i) =>
      variant === variants[0] &&
      !matrices
        .slice(0, i)
        .some((other) => other.variant === variant && other.from === to && other.to === from),
  );
  return [
    ...(results.length > 1 ? variants.map((variant, i) => pairsFigure(results, variant, i)) : []),
    ...shown.map((matrix) => similarityFigure(excerpt(matrix, languages), matrix.variant.label)),
  ];
}

function pairsFigure(results: readonly PairResult[], variant: RetrievalMethod, index: number): Figure {
  const cells = results.map((pair) => {
    const { from, to, keys, variants } = pair;
    const { value, low, high } = variants[index]!.r1;
    const interval = isShown(pair) ? ([low, high] as const) : undefined;
    return { row: from, column: to, value, interval, n: keys.length };
  });
  return {
    name: `r1-${fileName(variant.name)}`,
    caption: `R@1 (%) by ${variant.label}, with its 95 % interval; rows search, columns are searched. Chance: ${[...new Set(results.map(({ chance }) => formatNumber(100 * chance, 1)))].join(', ')} %.`,
    svg: rateMatrix(`R@1 by ${variant.label}`, cells, 'searches', 'is searched'),
    csv: csvText([
      ['from', 'to', 'r1', 'low', 'high', 'n'],
      ...cells.map(({ row, column, value, interval, n }) => [
        ...[row, column, value],
        ...(interval ?? ['', '']),
        n,
      ]),
    ]),
  };
}

/** Similarities of recordings of the same sentences in two languages: row i and column i are the sentence `keys[i]`. */
export interface SimilarityExcerpt {
  from: string;
  to: string;
  keys: string[];
  matrix: number[][];
}

function excerpt(
  { from, to, values }: SimilarityMatrix,
  languages: ParallelClips<ComparedClip>,
): SimilarityExcerpt {
  const shared = languages.shared(from, to);
  const columns = languages.of(to).length;
  const matrix = shared.map(({ row }) => shared.map(({ column }) => values[row * columns + column]!));
  return { from, to, keys: shared.map(({ key }) => key), matrix };
}

/** @param label of the method */
export function similarityFigure({ from, to, keys, matrix }: SimilarityExcerpt, label: string): Figure {
  const [rowName, columnName] = [languageName(from), languageName(to)];
  const { image, rows, found } = heatMap(`${label} of ${rowName} and ${columnName} recordings`, matrix, {
    rows: `${rowName} recording`,
    columns: `${columnName} recording`,
    keys,
    unit: label,
  });
  return {
    name: `similarity-${from}-${to}`,
    caption: `${rowName} → ${columnName}, ${label}: the diagonal is the same sentence. The dot is each row’s best match among the ${formatNumber(rows)} shown, black where it is right, red where it is wrong: ${formatNumber(found)} right.`,
    svg: image,
    csv: csvText([['sentence', ...keys], ...matrix.map((row, i) => [keys[i]!, ...row])]),
  };
}
