import { escapeHtml } from './escape.ts';
import { formatNumber, languageName } from './format.ts';
import { colour } from './heat-map.ts';
import { coordinate, nothing, svg } from './svg.ts';

export interface RateCell {
  readonly row: string;
  readonly column: string;
  /** Rate from 0 to 1. */
  readonly value: number;
  /** Its interval. Default: none is shown. */
  readonly interval?: readonly [low: number, high: number] | undefined;
}

/** Rates of pairs of languages as coloured cells, each with its value and interval in percent, on a scale from 0 to 100. */
export function rateMatrix(
  title: string,
  cells: readonly RateCell[],
  rowsDo: string,
  columnsAre: string,
): string {
  // One order for both sides, so that the empty cells of a language with itself form the diagonal.
  const languages = [...new Set(cells.flatMap(({ row, column }) => [row, column]))].sort();
  if (languages.length === 0) return nothing(title);
  const [left, top] = [96, 44];
  const side = Math.min(96, 300 / languages.length);
  const parts = [
    `<text class="axis middle" x="${left + (side * languages.length) / 2}" y="12">${escapeHtml(columnsAre)} →</text>`,
    `<text class="axis" x="0" y="${top - 8}">${escapeHtml(rowsDo)} ↓</text>`,
  ];
  languages.forEach((language, i) => {
    const middle = coordinate((i + 0.5) * side);
    parts.push(
      `<text class="label middle" x="${left + middle}" y="${top - 8}">${escapeHtml(languageName(language))}</text>`,
      `<text class="label end" x="${left - 8}" y="${top + middle + 4}">${escapeHtml(languageName(language))}</text>`,
    );
  });
  for (const { row, column, value, interval } of cells) {
    const x = coordinate(left + languages.indexOf(column) * side);
    const y = coordinate(top + languages.indexOf(row) * side);
    const size = coordinate(side - 2);
    // Viridis is dark at its low end and light at its high one.
    const ink = value > 0.55 ? '#000' : '#fff';
    const middle = coordinate(x + size / 2);
    parts.push(
      `<rect x="${x}" y="${y}" width="${size}" height="${size}" rx="3" fill="${colour(Math.max(0, Math.min(1, value)))}"/>`,
      `<text class="middle" x="${middle}" y="${coordinate(y + size / 2 + 3)}" font-size="16" font-weight="600" fill="${ink}">${formatNumber(100 * value)}</text>`,
    );
    if (!interval) continue;
    const [low, high] = interval;
    parts.push(
      `<text class="middle" x="${middle}" y="${coordinate(y + size / 2 + 19)}" font-size="11" fill="${ink}">${formatNumber(100 * low)}–${formatNumber(100 * high)}</text>`,
    );
  }
  return svg(title, left + side * languages.length + 4, top + side * languages.length + 4, parts.join(''));
}
