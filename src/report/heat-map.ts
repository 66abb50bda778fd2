import { largest } from '../extremes.ts';
import { escapeHtml } from './escape.ts';
import { formatNumber } from './format.ts';
import { coordinate, nothing, svg } from './svg.ts';

const MAX_CELLS = 64; // a side; more would be thinner than the marks on them
const LEVELS = 32;
// Viridis at nine even steps: ordered in lightness, so it reads in grey print and with any colour vision.
const VIRIDIS = ['440154', '472d7b', '3b528b', '2c728e', '21918c', '28ae80', '5ec962', 'addc30', 'fde725'];

/** A heat map, and how many of its rows have their own sentence as the best column. */
export interface HeatMap {
  image: string;
  rows: number;
  /** Rows whose largest value lies on the diagonal. */
  found: number;
}

/**
 * A matrix as coloured cells, rows from the top. Row i and column i are the same sentence; each row's largest
 * value is dotted, so a right retrieval is a dot on the diagonal. Colours run from the 1st to the 99th
 * percentile: one very similar pair must not flatten the rest. Cells that are not finite stay empty.
 */
export function heatMap(
  title: string,
  matrix: readonly (readonly number[])[],
  axes: { rows: string; columns: string; keys: readonly string[]; unit: string },
): HeatMap {
  const shown = matrix.slice(0, MAX_CELLS).map((row) => row.slice(0, MAX_CELLS));
  const sorted = shown
    .flat()
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  const columns = Math.max(
    0,
    largest(shown, (row) => row.length),
  );
  if (sorted.length === 0) return { image: nothing(title), rows: 0, found: 0 };
  const low = sorted[Math.floor((sorted.length - 1) * 0.01)]!;
  const high = sorted[Math.ceil((sorted.length - 1) * 0.99)]!;
  const level = (value: number): number =>
    high > low
      ? Math.max(0, Math.min(LEVELS - 1, Math.floor(((value - low) / (high - low)) * LEVELS)))
      : LEVELS - 1;

  const [left, top, side] = [22, 22, 340];
  const cell = side / Math.max(columns, shown.length);
  const paths = new Array<string>(LEVELS).fill('');
  let dots = '';
  let found = 0;
  shown.forEach((row, i) => {
    row.forEach((value, j) => {
      if (Number.isFinite(value)) paths[level(value)] += `M${j} ${i}h1v1h-1z`;
    });
    const best = argMax(row);
    if (best < 0) return;
    if (best === i) found++;
    const from = axes.keys[i] ?? `row ${i + 1}`;
    const to = axes.keys[best] ?? `column ${best + 1}`;
    dots +=
      `<circle class="${best === i ? 'hit' : 'miss'}" cx="${coordinate((best + 0.5) * cell)}" cy="${coordinate((i + 0.5) * cell)}" r="${coordinate(Math.max(1.8, Math.min(6, cell * 0.27)))}">` +
      `<title>${escapeHtml(`${from} → ${to}`)}</title></circle>`;
  });
  const cells = paths.map((path, index) =>
    path ? `<path fill="${colour(index / (LEVELS - 1))}" d="${path}"/>` : '',
  );
  const bottom = top + coordinate(cell * shown.length);
  const image = svg(
    title,
    left + side + 4,
    bottom + 44,
    `<text class="axis middle" x="${left + side / 2}" y="12">${escapeHtml(axes.columns)} →</text>` +
      `<text class="axis end" transform="translate(12 ${top}) rotate(-90)">← ${escapeHtml(axes.rows)}</text>` +
      `<g transform="translate(${left} ${top}) scale(${coordinate(cell * 1000) / 1000})" shape-rendering="crispEdges">${cells.join('')}</g>` +
      `<g transform="translate(${left} ${top})">${dots}</g>` +
      legend(left, bottom + 14, low, high, axes.unit),
  );
  return { image, rows: shown.length, found };
}

function legend(x: number, y: number, low: number, high: number, unit: string): string {
  const width = 5;
  const swatches = Array.from(
    { length: LEVELS },
    (_, index) =>
      `<rect x="${x + index * width}" y="${y}" width="${width + 0.5}" height="10" fill="${colour(index / (LEVELS - 1))}"/>`,
  );
  return (
    `${swatches.join('')}<text class="tick" x="${x}" y="${y + 24}">${formatNumber(low, 2)}</text>` +
    `<text class="tick end" x="${x + LEVELS * width}" y="${y + 24}">${formatNumber(high, 2)}</text>` +
    `<text class="tick" x="${x + LEVELS * width + 8}" y="${y + 9}">${escapeHtml(unit)}</text>`
  );
}

function argMax(row: readonly number[]): number {
  let best = -1;
  row.forEach((value, index) => {
    if (Number.isFinite(value) && (best < 0 || value > row[best]!)) best = index;
  });
  return best;
}

/** Viridis at `position` from 0 to 1. */
export function colour(position: number): string {
  const scaled = position * (VIRIDIS.length - 1);
  const index = Math.min(VIRIDIS.length - 2, Math.floor(scaled));
  const channels = [0, 2, 4].map((at) => {
    const [from, to] = [VIRIDIS[index]!, VIRIDIS[index + 1]!].map((hex) =>
      Number.parseInt(hex.slice(at, at + 2), 16),
    );
    return Math.round(from! + (to! - from!) * (scaled - index));
  });
  return `#${channels.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}
