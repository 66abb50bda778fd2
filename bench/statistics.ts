export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2;
}

export interface Ratios {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Ratios of neighbouring measurements: other load of the machine then affects both. */
export function pairwise(ours: readonly number[], peer: readonly number[]): Ratios {
  const ratios = ours.map((value, i) => value / peer[i]!);
  return { min: Math.min(...ratios), median: median(ratios), max: Math.max(...ratios) };
}

export const seconds = (value: number): string => `${value.toFixed(value < 10 ? 3 : 1)} s`;
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
export const showRatios = ({ min, median, max }: Ratios): string =>
  `${min.toFixed(2)} – ${median.toFixed(2)} – ${max.toFixed(2)}`;

export interface Line {
  readonly intercept: number;
  readonly slope: number;
  /** Share of the variance of y that the line explains. */
  readonly r2: number;
}

/** The line of least squares y = intercept + slope · x. */
export function fittedLine(x: readonly number[], y: readonly number[]): Line {
  const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
  const [mx, my] = [mean(x), mean(y)];
  const covariance = mean(x.map((v, i) => (v - mx) * (y[i]! - my)));
  const slope = covariance / mean(x.map((v) => (v - mx) ** 2));
  const intercept = my - slope * mx;
  const left = mean(y.map((v, i) => (v - intercept - slope * x[i]!) ** 2));
  return { intercept, slope, r2: 1 - left / mean(y.map((v) => (v - my) ** 2)) };
}
