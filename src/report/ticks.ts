import { largest } from '../extremes.ts';
/** Positions of the marks of an axis, and the text of each. */
export interface Ticks {
  values: number[];
  labels: string[];
  /** The outermost marks: the axis runs from one to the other. */
  low: number;
  high: number;
}

/**
 * About `count` marks at 1, 2 or 5 times a power of ten which enclose [low, high]. An empty, reversed or
 * non-finite range gets marks all the same, so that a chart of nothing is still a chart.
 */
export function niceTicks(low: number, high: number, count = 5): Ticks {
  let [from, to] = [Math.min(low, high), Math.max(low, high)].map(withinReach) as [number, number];
  if (Number.isNaN(low + high) || !(to - from > Math.max(Math.abs(from), Math.abs(to)) * 1e-9)) {
    const middle = Number.isNaN(from) ? 0.5 : from;
    const margin = middle === 0 ? 0.5 : Math.abs(middle) / 2;
    [from, to] = [middle - margin, middle + margin];
  }
  const step = niceStep((to - from) / Math.max(1, count));
  const first = Math.floor(from / step + 1e-9);
  const last = Math.ceil(to / step - 1e-9);
  const values: number[] = [];
  // Multiplying, not adding up, keeps the marks exact; toPrecision drops the last binary digits (0.30000000000000004).
  for (let index = first; index <= last; index++) values.push(Number((index * step).toPrecision(12)));
  const largest = Math.max(Math.abs(values[0]!), Math.abs(values.at(-1)!));
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const label = (value: number): string => {
    if (value === 0) return '0';
    if (largest < 1e-3 || largest >= 1e6)
      return String(Number(value.toPrecision(3)).toExponential()).replace('e+', 'e');
    return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  };
  return { values, labels: values.map(label), low: values[0]!, high: values.at(-1)! };
}

/** Beyond these sizes a step between marks would round to zero or to infinity. */
function withinReach(value: number): number {
  return Math.abs(value) < 1e-100 ? 0 : Math.max(-1e100, Math.min(1e100, value));
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = rough / power;
  return (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10) * power;
}

/** Scores are often low; a scale to 100 would hide them. */
export function ceiling(values: readonly number[]): number {
  const highest = Math.max(0, largest(values.filter(Number.isFinite), Number));
  return [5, 10, 20, 40, 60, 100].find((value) => value >= highest) ?? highest;
}
