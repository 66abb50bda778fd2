/** A confusion matrix as an SVG picture. */

import { largest } from '../extremes.ts';
import { escapeHtml } from './escape.ts';
import { shorten } from './format.ts';
import { coordinate, nothing, svg } from './svg.ts';

/** Largest number of classes with numbers in the cells. */
const MAX_NUMBERED = 20;
const SIDE = 340;
const LEFT = 96;
/** For the last slanted label. */
const MARGIN = 44;

/**
 * Rows: true labels, columns: answers; a cell is the darker the larger its share of the row.
 * @param counts a row per label
 */
export function confusionChart(
  title: string,
  labels: readonly string[],
  counts: readonly (readonly number[])[],
): string {
  if (labels.length === 0) return nothing(title);
  const cell = SIDE / labels.length;
  const size = Math.max(5, Math.min(11.5, cell * 0.8));
  const parts: string[] = [];
  const top =
    34 +
    5 *
      Math.min(
        16,
        largest(labels, (label) => label.length),
      );
  labels.forEach((label, i) => {
    const name = escapeHtml(shorten(label).slice(0, 16));
    const middle = coordinate((i + 0.5) * cell);
    parts.push(
      `<text class="tick end" font-size="${size}" style="font-size:${size}px" x="${LEFT - 5}" y="${coordinate(top + middle + size / 3)}">${name}</text>`,
      `<text class="tick" style="font-size:${size}px" transform="translate(${coordinate(LEFT + middle + size / 3)} ${top - 5}) rotate(-60)">${name}</text>`,
    );
    const total = counts[i]!.reduce((sum, count) => sum + count, 0);
    counts[i]!.forEach((count, j) => {
      if (count === 0) return;
      const share = count / total;
      const [x, y] = [coordinate(LEFT + j * cell), coordinate(top + i * cell)];
      const tip = escapeHtml(`${label} → ${labels[j]}: ${count} of ${total}`);
      parts.push(
        `<rect class="${i === j ? 'after' : 'wrong'}" x="${x}" y="${y}" width="${coordinate(cell)}" height="${coordinate(cell)}" fill-opacity="${coordinate(0.12 + 0.58 * share)}"><title>${tip}</title></rect>`,
      );
      if (labels.length <= MAX_NUMBERED) {
        parts.push(
          `<text class="value middle" x="${coordinate(x + cell / 2)}" y="${coordinate(y + cell / 2 + 4)}">${count}</text>`,
        );
      }
    });
  });
  parts.push(
    `<rect class="frame" x="${LEFT}" y="${top}" width="${SIDE}" height="${SIDE}"/>`,
    `<text class="axis" x="0" y="12">rows: true label, columns: answer</text>`,
  );
  return svg(title, LEFT + SIDE + MARGIN, top + SIDE + 6, parts.join(''));
}
