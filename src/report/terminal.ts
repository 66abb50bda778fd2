import { displayWidth, fitWidth } from './display-width.ts';
import { withoutControls } from './escape.ts';

const STYLES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;
export type Style = keyof typeof STYLES;

/** Widest column unless it says otherwise: a transcript may run to hundreds of characters. */
const MAX_COLUMN_WIDTH = 60;

export interface Column<Row> {
  heading: string;
  /** The cell's text. */
  value: (row: Row) => string | number;
  /** @default 'right' for a column that holds numbers only, else 'left' */
  align?: 'left' | 'right';
  /** Longer text is cut with `…`. @default 60 */
  maxWidth?: number;
  style?: (row: Row) => Style | undefined;
}

/** Anything that may be a terminal, such as `process.stdout`. */
export interface MaybeTerminal {
  isTTY?: boolean;
  hasColors?: (count?: number) => boolean;
}

/** Whether to colour: on a terminal only, and not under NO_COLOR (https://no-color.org) or TERM=dumb. */
export function usesColour(stream: MaybeTerminal): boolean {
  if (!stream.isTTY || process.env.NO_COLOR || process.env.TERM === 'dumb') return false;
  return stream.hasColors?.() ?? true;
}

/**
 * `rows` as lines of aligned columns below their headings, each line ended. Chinese takes two columns a character.
 * Control characters in the cells are made harmless.
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { colour = usesColour(process.stdout) }: { colour?: boolean } = {},
): string {
  const laidOut = columns.map((column) => {
    const values = rows.map((row) => column.value(row));
    const cut = (text: string) =>
      fitWidth(withoutControls(text).replace(/\s+/g, ' '), column.maxWidth ?? MAX_COLUMN_WIDTH);
    const cells = values.map((value) => cut(String(value)));
    const heading = cut(column.heading);
    const width = cells.reduce((widest, cell) => Math.max(widest, displayWidth(cell)), displayWidth(heading));
    const numeric = values.length > 0 && values.every((value) => typeof value === 'number');
    return {
      column,
      cells,
      heading,
      width,
      right: (column.align ?? (numeric ? 'right' : 'left')) === 'right',
    };
  });
  const line = (part: (laid: (typeof laidOut)[number]) => { text: string; style: Style | undefined }) =>
    laidOut
      .map((laid, index) => {
        const { text, style } = part(laid);
        const gap = ' '.repeat(laid.width - displayWidth(text));
        const drawn = colour && style ? paint(text, style) : text;
        // No blanks at the end of a line: they would wrap in a narrow terminal.
        return laid.right ? gap + drawn : index === laidOut.length - 1 ? drawn : drawn + gap;
      })
      .join('  ')
      .trimEnd();
  const head = line(({ heading }) => ({ text: heading, style: 'bold' }));
  const rule = line(({ width }) => ({ text: '─'.repeat(width), style: 'dim' }));
  const body = rows.map((row, index) =>
    line(({ column, cells }) => ({ text: cells[index]!, style: column.style?.(row) })),
  );
  return [head, rule, ...body].map((text) => `${text}\n`).join('');
}

/** `text` between the escape codes of `style`. */
export function paint(text: string, style: Style): string {
  const [on, off] = STYLES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}
