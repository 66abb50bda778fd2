/** Tab-separated tables as pandas writes them without quotes: CoVoST 2, Common Voice, VoxPopuli. */
import { textLines } from '../files/lines.ts';
import type { Reading } from './corpus.ts';
import { checkColumns } from './text.ts';

export interface TableRow {
  /** File and line. */
  readonly where: string;
  readonly values: Readonly<Record<string, string>>;
}

/**
 * Rows of a table with a header, backslashes before special characters. A row with another number of cells is reported.
 * @throws UserError where the file cannot be read or lacks a column
 */
export async function* escapedRows(
  file: string,
  needed: readonly string[],
  { skip }: Pick<Reading, 'skip'>,
  /** Name of the file in messages. */
  name = file,
): AsyncGenerator<TableRow> {
  let names: readonly string[] | undefined;
  for await (const { text, number } of textLines(file, 'a table in UTF-8 text')) {
    const cells = text.split('\t');
    const where = `${name}:${number}`;
    if (names === undefined) {
      names = cells;
      checkColumns(where, names, needed);
    } else if (cells.length === names.length) {
      const values: Record<string, string> = {};
      for (const [i, cell] of cells.entries()) {
        values[names[i]!] = cell.includes('\\') ? cell.replace(/\\(.)/g, '$1') : cell;
      }
      yield { where, values };
    } else if (text.trim() !== '') {
      skip(
        where,
        'another number of columns',
        `found ${cells.length}; expected ${names.length} as in the header`,
      );
    }
  }
  if (names === undefined) checkColumns(`${name}:1`, [], needed);
}
