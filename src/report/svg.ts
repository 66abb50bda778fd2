/**
 * Charts as inline SVG text. Colours come from the page's classes, so that they follow its light or dark scheme;
 * each chart is drawn about as wide as it is shown, so that its text keeps its size on a narrow screen.
 */
import { largest } from '../extremes.ts';
import { escapeHtml } from './escape.ts';
import { formatNumber } from './format.ts';
import { figureStyle } from './page-style.ts';
import { niceTicks } from './ticks.ts';

const CHART_WIDTH = 400;
const MAX_LINE_POINTS = 1000; // more do not show at this width

export interface Bar {
  label: string;
  value: number;
  /** Text at the bar's end. */
  text: string;
}

export interface BarPair {
  label: string;
  before: number;
  after: number;
}

export interface BarGroup {
  label: string;
  bars: {
    className: string;
    value: number;
    /** Drawn as a thin line over the bar. */
    interval?: readonly [number, number];
  }[];
}

export interface Line {
  /** `raw` is drawn faint behind a `main` line. */
  kind: 'raw' | 'main';
  /** [x, y]; a point that is not finite interrupts the line. */
  points: [number, number][];
}

/** One bar for each of `rows`, labels above; `title` is what a screen reader says. */
export function barList(title: string, rows: readonly Bar[]): string {
  const high = Math.max(0, largest(rows.map((row) => row.value).filter(Number.isFinite), Number)) || 1;
  return bars(
    title,
    rows.map((row) => ({
      label: row.label,
      bars: [{ className: 'after', share: row.value / high, text: row.text }],
    })),
    14,
  );
}

/** A bar before and a bar after for each of `rows`, on one scale from 0 to `high`; `text` prints a value. */
export function barPairs(
  title: string,
  rows: readonly BarPair[],
  high: number,
  text: (value: number) => string = (value) => formatNumber(value, 1),
): string {
  const scale = Number.isFinite(high) && high > 0 ? high : 1;
  const bar = (className: string, value: number) => ({ className, share: value / scale, text: text(value) });
  return bars(
    title,
    rows.map((row) => ({ label: row.label, bars: [bar('before', row.before), bar('after', row.after)] })),
    11,
  );
}

/** Bars of several systems for each of `rows`, with their intervals, on one scale from 0 to `high`. */
export function barGroups(
  title: string,
  rows: readonly BarGroup[],
  high: number,
  text: (value: number) => string = (value) => formatNumber(value, 1),
): string {
  const scale = Number.isFinite(high) && high > 0 ? high : 1;
  return bars(
    title,
    rows.map((row) => ({
      label: row.label,
      bars: row.bars.map(({ className, value, interval }) => ({
        className,
        share: value / scale,
        text: text(value),
        ...(interval && { interval: [interval[0] / scale, interval[1] / scale] as const }),
      })),
    })),
    11,
  );
}

interface BarRow {
  label: string;
  bars: { className: string; share: number; text: string; interval?: readonly [number, number] }[];
}

function bars(title: string, rows: readonly BarRow[], thickness: number): string {
  if (rows.length === 0) return nothing(title);
  const longest = CHART_WIDTH - 58; // room for the value at the bar's end
  const parts: string[] = [];
  let y = 0;
  for (const row of rows) {
    y += 18;
    parts.push(`<text class="label" x="0" y="${y - 5}">${escapeHtml(row.label)}</text>`);
    for (const { className, share, text, interval } of row.bars) {
      const along = (part: number) => (Number.isFinite(part) ? Math.min(1, part) * longest : 0);
      const length = Number.isFinite(share) ? Math.max(1, along(share)) : 0;
      const [low, end] = interval ? [along(interval[0]), Math.max(length, along(interval[1]))] : [0, length];
      parts.push(
        `<rect class="${className}" x="0" y="${y}" width="${coordinate(length)}" height="${thickness}" rx="2"/>`,
        `<text class="value" x="${coordinate(end + 6)}" y="${y + thickness - 1.5}">${escapeHtml(text)}</text>`,
      );
      if (interval) {
        const middle = y + thickness / 2;
        parts.push(
          `<path class="interval" d="M${coordinate(low)} ${middle}H${coordinate(along(interval[1]))}M${coordinate(low)} ${middle - 3}v6M${coordinate(along(interval[1]))} ${middle - 3}v6"/>`,
        );
      }
      y += thickness + 2;
    }
    y += 9;
  }
  return svg(title, CHART_WIDTH, y, parts.join(''));
}

/** Lines over a common pair of axes with named units. */
export function lineChart(
  title: string,
  lines: readonly Line[],
  axes: { x: string; y: string; fromZero?: boolean },
): string {
  const finite = lines.flatMap((line) => line.points).filter((point) => point.every(Number.isFinite));
  if (finite.length === 0) return nothing(title);
  const [width, height, left, right, top, bottom] = [CHART_WIDTH, 250, 52, 12, 24, 42];
  const xs = extent(finite.map((point) => point[0]));
  const ys = extent(finite.map((point) => point[1]));
  const y = niceTicks(axes.fromZero ? Math.min(0, ys[0]) : ys[0], ys[1], 5);
  const x = niceTicks(xs[0], xs[1], 5);
  const toX = (value: number) =>
    coordinate(left + ((value - x.low) / (x.high - x.low)) * (width - left - right));
  const toY = (value: number) =>
    coordinate(height - bottom - ((value - y.low) / (y.high - y.low)) * (height - top - bottom));
  const parts = [`<text class="axis" x="0" y="12">${escapeHtml(axes.y)}</text>`];
  y.values.forEach((value, index) => {
    parts.push(
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${toY(value)}" y2="${toY(value)}"/>`,
      `<text class="tick end" x="${left - 6}" y="${toY(value) + 4}">${y.labels[index]}</text>`,
    );
  });
  x.values.forEach((value, index) => {
    parts.push(
      `<line class="mark" x1="${toX(value)}" x2="${toX(value)}" y1="${height - bottom}" y2="${height - bottom + 4}"/>`,
      `<text class="tick middle" x="${toX(value)}" y="${height - bottom + 17}">${x.labels[index]}</text>`,
    );
  });
  parts.push(
    `<text class="axis middle" x="${(left + width - right) / 2}" y="${height - 6}">${escapeHtml(axes.x)}</text>`,
  );
  for (const line of lines) parts.push(drawLine(line, toX, toY));
  return svg(title, width, height, parts.join(''));
}

function drawLine(line: Line, toX: (x: number) => number, toY: (y: number) => number): string {
  const stride = Math.ceil(line.points.length / MAX_LINE_POINTS);
  const last = line.points.length - 1;
  let path = '';
  let dots = '';
  let run = 0;
  let previous: [number, number] | undefined;
  // A run of a single point would draw nothing: it becomes a dot.
  const endRun = (): void => {
    if (run === 1)
      dots += `<circle class="${line.kind}" cx="${toX(previous![0])}" cy="${toY(previous![1])}" r="3"/>`;
    run = 0;
  };
  line.points.forEach((point, index) => {
    if (index % stride !== 0 && index !== last) return;
    if (!point.every(Number.isFinite)) {
      endRun();
      return;
    }
    path += `${run === 0 ? 'M' : 'L'}${toX(point[0])} ${toY(point[1])}`;
    run++;
    previous = point;
  });
  endRun();
  return `<path class="line ${line.kind}" d="${path}"/>${dots}`;
}

/** An `svg` element that scales down with its column and says `title` to a screen reader. */
export function svg(title: string, width: number, height: number, content: string): string {
  return `<svg role="img" aria-label="${escapeHtml(title)}" viewBox="0 0 ${width} ${coordinate(height)}" width="${width}">${content}</svg>`;
}

/** Placeholder for a chart without data. */
export function nothing(title: string): string {
  return svg(`${title}: no data`, CHART_WIDTH, 40, '<text class="axis" x="0" y="24">no data</text>');
}

/** Rounds to a hundredth of a pixel: short numbers keep the page small. */
export function coordinate(value: number): number {
  return Number.isFinite(value) ? Math.round(value * 100) / 100 : 0;
}

function extent(values: readonly number[]): [number, number] {
  // Not Math.min(...values): a long run would overflow the stack.
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
}

/** A chart as a file of its own, with the page's colours inside. */
export function svgFile(image: string): string {
  const named = image.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" ');
  return `${named.replace('>', `><style>${figureStyle}</style>`)}\n`;
}
