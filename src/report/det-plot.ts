/** DET curves: misses against false alarms, both on the scale of the normal deviate (Martin et al. 1997). */
import { escapeHtml } from './escape.ts';
import { coordinate, svg } from './svg.ts';

const TICKS = [0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8];
const MIN_RATE = 0.0005;
const MAX_RATE = 0.9;
const [LEFT, TOP, SIDE] = [52, 24, 330];

/** Inverse of the normal distribution function (Acklam's rational approximation, relative error below 1.2e-9). */
export function probit(p: number): number {
  const tail = (q: number): number => {
    const numerator =
      ((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) *
        q +
        4.374664141464968) *
        q +
      2.938163982698783;
    const denominator =
      (((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) *
        q +
      1;
    return numerator / denominator;
  };
  if (p < 0.02425) return tail(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - 0.02425) return -tail(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  const numerator =
    (((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
      2.506628277459239) *
    q;
  const denominator =
    ((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
    1;
  return numerator / denominator;
}

/**
 * Draws DET curves as SVG.
 * @param points rates between 0 and 1; points beyond the axes are drawn on their edge
 */
export function detPlot(
  title: string,
  points: readonly { readonly falseAlarm: number; readonly miss: number }[],
): string {
  const [low, high] = [probit(MIN_RATE), probit(MAX_RATE)];
  const along = (rate: number): number =>
    ((probit(Math.max(MIN_RATE, Math.min(MAX_RATE, rate))) - low) / (high - low)) * SIDE;
  const x = (rate: number): number => coordinate(LEFT + along(rate));
  const y = (rate: number): number => coordinate(TOP + SIDE - along(rate));
  const bottom = TOP + SIDE;
  const grid = TICKS.map((rate) => {
    const text = `${Number((100 * rate).toPrecision(2))}`;
    return (
      `<line class="grid" x1="${LEFT}" x2="${LEFT + SIDE}" y1="${y(rate)}" y2="${y(rate)}"/>` +
      `<line class="grid" x1="${x(rate)}" x2="${x(rate)}" y1="${TOP}" y2="${bottom}"/>` +
      `<text class="tick end" x="${LEFT - 6}" y="${y(rate) + 4}">${text}</text>` +
      `<text class="tick middle" x="${x(rate)}" y="${bottom + 17}">${text}</text>`
    );
  });
  // Of millions of points most fall onto the one before.
  const places: string[] = [];
  for (const { falseAlarm, miss } of points) {
    const place = `${x(falseAlarm)} ${y(miss)}`;
    if (place !== places.at(-1)) places.push(place);
  }
  return svg(
    title,
    LEFT + SIDE + 6,
    bottom + 42,
    `<text class="axis" x="0" y="12">${escapeHtml('missed pairs of one speaker, %')}</text>${grid.join('')}` +
      `<text class="axis middle" x="${LEFT + SIDE / 2}" y="${bottom + 36}">false alarms, %</text>` +
      `<path class="line raw" d="M${LEFT} ${bottom}L${LEFT + SIDE} ${TOP}"/><path class="line main" d="M${places.join('L')}"/>`,
  );
}
