import { escapeHtml } from './escape.ts';
import type { Column } from './terminal.ts';

/** `rows` as an HTML table which scrolls sideways where it is too wide; `label` is what a screen reader says. */
export function htmlTable<Row>(label: string, rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const numeric = columns.map(
    ({ align, value }) => align === 'right' || rows.every((row) => typeof value(row) === 'number'),
  );
  const cell = (tag: string, text: string | number, column: number, attributes = '') =>
    `<${tag}${attributes}${numeric[column] ? ' class="number"' : ''}>${escapeHtml(text)}</${tag}>`;
  const body = rows.map(
    (row) => `<tr>${columns.map(({ value }, i) => cell('td', value(row), i)).join('')}</tr>`,
  );
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(label)}">
<table>
<thead><tr>${columns.map(({ heading }, i) => cell('th', heading, i, ' scope="col"')).join('')}</tr></thead>
<tbody>${body.join('\n')}</tbody>
</table></div>`;
}

/** Names with their values, as they would be typed. */
export function definitions(entries: readonly (readonly [string, unknown])[], className = ''): string {
  return `<dl${className && ` class="${className}"`}>${entries.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd><code>${escapeHtml(value)}</code></dd>`).join('')}</dl>`;
}

/** `learningRate` → `learning rate`. */
export function spaced(name: string): string {
  return name.replace(/(?<=[a-z0-9])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
