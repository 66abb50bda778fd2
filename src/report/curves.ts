import { largest } from '../extremes.ts';
import { escapeHtml } from './escape.ts';
import { seriesColour, seriesDash } from './palette.ts';
import { coordinate, nothing, svg } from './svg.ts';
import { niceTicks } from './ticks.ts';

export interface Curve {
  readonly label: string;
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    /** Interval, drawn as a band. */
    readonly low?: number;
    readonly high?: number;
  }[];
}

/** Several curves over whole numbers (layers), each with its band, named in a legend; `level` is a dotted line (chance). */
export function curves(
  title: string,
  given: readonly Curve[],
  axes: { x: string; y: string; level?: { value: number; label: string } },
): string {
  const lines = given.filter(({ points }) => points.length > 0);
  if (lines.length === 0) return nothing(title);
  const [width, height, left, right, top, bottom] = [520, 300, 48, 14, 24, 44];
  const all = lines.flatMap(({ points }) => points);
  const xs = [...new Set(all.map(({ x }) => x))].sort((a, b) => a - b);
  const [first, last] = [xs[0]!, Math.max(xs.at(-1)!, xs[0]! + 1)];
  const y = niceTicks(
    0,
    Math.max(
      largest(all, (point) => point.high ?? point.y),
      axes.level?.value ?? 0,
      1e-9,
    ),
    5,
  );
  const toX = (value: number) =>
    coordinate(left + ((value - first) / (last - first)) * (width - left - right));
  const toY = (value: number) =>
    coordinate(height - bottom - ((value - y.low) / (y.high - y.low)) * (height - top - bottom));
  const parts = [`<text class="axis" x="0" y="12">${escapeHtml(axes.y)}</text>`];
  y.values.forEach((value, i) => {
    parts.push(
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${toY(value)}" y2="${toY(value)}"/>`,
      `<text class="tick end" x="${left - 6}" y="${toY(value) + 4}">${y.labels[i]}</text>`,
    );
  });
  const every = Math.ceil(xs.length / 16);
  xs.forEach((value, i) => {
    if (i % every === 0)
      parts.push(`<text class="tick middle" x="${toX(value)}" y="${height - bottom + 17}">${value}</text>`);
  });
  parts.push(
    `<text class="axis middle" x="${(left + width - right) / 2}" y="${height - 6}">${escapeHtml(axes.x)}</text>`,
  );
  if (axes.level) {
    const at = toY(axes.level.value);
    parts.push(
      `<line class="mark" stroke-dasharray="2 4" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/>`,
      `<text class="tick end" x="${width - right}" y="${at - 4}">${escapeHtml(axes.level.label)}</text>`,
    );
  }
  lines.forEach(({ points }, i) => {
    const banded = points.filter(({ low, high }) => low !== undefined && high !== undefined);
    if (banded.length > 1) {
      const up = banded.map(({ x, high }) => `${toX(x)} ${toY(high!)}`).join('L');
      const down = [...banded]
        .reverse()
        .map(({ x, low }) => `${toX(x)} ${toY(low!)}`)
        .join('L');
      parts.push(`<path d="M${up}L${down}z" fill="${seriesColour(i)}" fill-opacity=".13"/>`);
    }
  });
  lines.forEach(({ points }, i) => {
    const path = points.map(({ x, y }, k) => `${k === 0 ? 'M' : 'L'}${toX(x)} ${toY(y)}`).join('');
    const dash = seriesDash(i) && ` stroke-dasharray="${seriesDash(i)}"`;
    parts.push(`<path d="${path}" fill="none" stroke="${seriesColour(i)}" stroke-width="2.2"${dash}/>`);
    for (const { x, y } of points)
      parts.push(`<circle cx="${toX(x)}" cy="${toY(y)}" r="3" fill="${seriesColour(i)}"/>`);
  });
  const perRow = 2;
  lines.forEach(({ label }, i) => {
    const [x, at] = [left + (i % perRow) * 235, height + 14 + Math.floor(i / perRow) * 18];
    const dash = seriesDash(i) && ` stroke-dasharray="${seriesDash(i)}"`;
    parts.push(
      `<path d="M${x} ${at - 4}h26" stroke="${seriesColour(i)}" stroke-width="2.2"${dash}/>`,
      `<text class="label" x="${x + 32}" y="${at}">${escapeHtml(label)}</text>`,
    );
  });
  return svg(title, width, height + 8 + Math.ceil(lines.length / perRow) * 18, parts.join(''));
}

/** Mean of each point and its neighbours, a twentieth of the run wide; short runs stay as they are. */
export function movingAverage(points: readonly [number, number][]): [number, number][] {
  const reach = Math.floor(points.length / 40);
  return points.map(([x], index) => {
    const near = points.slice(Math.max(0, index - reach), index + reach + 1).map((point) => point[1]);
    const finite = near.filter(Number.isFinite);
    return [x, finite.length ? finite.reduce((sum, y) => sum + y, 0) / finite.length : Number.NaN];
  });
}
