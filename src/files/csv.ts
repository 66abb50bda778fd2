/** Reads comma-separated values (RFC 4180) of any size, with memory for a piece of the file. */
import { CsvError, parse } from 'csv-parse';
import { UserError } from '../errors.ts';
import { textPieces } from './lines.ts';

/** Characters of a row. A longer one is a quotation mark that nothing closes, or another kind of file. */
const MAX_ROW = 1 << 24;

export interface CsvRow {
  readonly cells: readonly string[];
  /** Number of its line, from 1; of a row with line breaks in its cells, of the last. */
  readonly line: number;
  /** Between the cells of the file: a comma, or what its first line has in its place. */
  readonly delimiter: string;
}

/**
 * The rows of a file, without blank ones. Quotation marks inside of a cell that does not begin with one are text. Rows may
 * differ in their number of cells.
 * @param expected description of the expected file, for messages
 * @throws UserError, after the rows before it, where a quotation mark is not closed; as textLines does
 */
export async function* csvRows(file: string, expected: string): AsyncGenerator<CsvRow, void, undefined> {
  let rows: CsvRow[] = [];
  let last = 0;
  let delimiter = ',';
  const open = () =>
    parse({
      delimiter,
      info: true,
      relax_column_count: true,
      relax_quotes: true,
      skip_empty_lines: true,
      max_record_size: MAX_ROW,
      // Rows are taken as they are parsed: those before an error, too.
      on_record: (row: unknown, { lines }: { readonly lines: number }) => {
        rows.push({ cells: (row as { readonly record: string[] }).record, line: lines, delimiter });
        return null;
      },
    });
  let parser: ReturnType<typeof open> | undefined;
  const taken = (): CsvRow[] => {
    const some = rows;
    rows = [];
    last = some.at(-1)?.line ?? last;
    return some;
  };
  const failed = (error: unknown): unknown => {
    if (!(error instanceof CsvError)) return error;
    const isQuote = error.code === 'CSV_QUOTE_NOT_CLOSED' || error.code === 'CSV_MAX_RECORD_SIZE';
    const found = isQuote
      ? 'a quotation mark that opens in this row and none that closes it'
      : error.message.split('\n')[0]!.slice(0, 200);
    return new UserError(`${file}:${last + 1}: found ${found}; expected ${expected}`);
  };
  try {
    for await (const { text } of textPieces(file, expected)) {
      if (!parser) {
        const header = text.slice(0, text.indexOf('\n') + 1 || text.length);
        // Spreadsheets write semicolons where the comma is the decimal point.
        delimiter = [',', ';', '\t'].find((character) => header.includes(character)) ?? ',';
        parser = open().on('error', () => {});
      }
      const error = await done((end) => parser!.write(text, end));
      yield* taken();
      if (error) throw failed(error);
    }
    if (!parser) return;
    const error = await done((end) => parser!.resume().end(end));
    yield* taken();
    if (error) throw failed(error);
  } finally {
    parser?.destroy();
  }
}

/** What a call gives to its callback. */
const done = (call: (end: (error?: Error | null) => void) => void): Promise<Error | null | undefined> =>
  new Promise((resolve) => call(resolve));
