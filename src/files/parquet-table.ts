/** Reads columns of Parquet tables, a few thousand rows at a time; recordings in them stay where they are. */
import type { FileMetaData } from 'hyparquet';
import { UserError } from '../errors.ts';
import { parquetMetadata, parquetRows } from './parquet.ts';

/** Rows that are read together. */
const ROWS = 4096;

export interface ParquetTable {
  readonly rowCount: number;
  /** Names of the columns; those in structs with dots: `audio.path`. */
  readonly columns: readonly string[];
  /** Columns that hold recordings: the bytes of files, or structs `{bytes, path}`. */
  readonly audio: readonly string[];
  /** Names of the classes by column (`ClassLabel` of Hugging Face). */
  readonly classes: ReadonlyMap<string, readonly string[]>;
  /** Rows with the values of columns; those in a struct come with the whole of it. */
  readonly rows: (
    columns: readonly string[],
  ) => AsyncGenerator<{ row: number; values: Record<string, unknown> }>;
}

/** @throws UserError where the file is no Parquet table, or its parts are not where its footer says */
export async function parquetTable(file: string): Promise<ParquetTable> {
  const metadata = await parquetMetadata(file);
  // When a table is read: the help of commands needs no library.
  const { parquetSchema } = await import('hyparquet');
  const schema = parquetSchema(metadata);
  const columns: string[] = [];
  const visit = (tree: typeof schema, path: readonly string[]): void => {
    for (const child of tree.children) {
      const name = [...path, child.element.name];
      const isStruct = child.children.length > 0 && child.element.converted_type === undefined;
      if (isStruct) visit(child, name);
      else columns.push(name.join('.'));
    }
  };
  visit(schema, []);
  const features = featuresOf(metadata);
  const structs = schema.children
    .filter(({ children }) => children.some(({ element }) => element.name === 'bytes'))
    .map(({ element }) => element.name);
  const named = [...features].filter(([, feature]) => feature._type === 'Audio').map(([name]) => name);
  const classes = new Map<string, readonly string[]>();
  for (const [name, { _type, names }] of features) {
    if (_type === 'ClassLabel' && Array.isArray(names)) classes.set(name, names.map(String));
  }
  const names = schema.children.map(({ element }) => element.name);
  const rowCount = Number(metadata.num_rows);
  return {
    rowCount,
    columns,
    audio: named.length > 0 ? named.filter((name) => names.includes(name)) : structs,
    classes,
    async *rows(wanted) {
      const top = new Set(wanted.map((name) => (names.includes(name) ? name : name.split('.')[0]!)));
      for (let rowStart = 0; rowStart < rowCount; rowStart += ROWS) {
        const rowEnd = Math.min(rowStart + ROWS, rowCount);
        const found = await parquetRows(file, [...top], rowStart, rowEnd);
        if (found.length !== rowEnd - rowStart) {
          throw new UserError(
            `${file}: found ${found.length} of rows ${rowStart} to ${rowEnd}; expected all that its footer counts`,
          );
        }
        for (const [i, values] of found.entries()) yield { row: rowStart + i, values };
      }
    },
  };
}

interface Feature {
  readonly _type?: unknown;
  readonly names?: unknown;
}

/** Columns as Hugging Face's `datasets` describes them in the footer. */
function featuresOf({ key_value_metadata = [] }: FileMetaData): Map<string, Feature> {
  const text = key_value_metadata.find(({ key }) => key === 'huggingface')?.value;
  if (text === undefined) return new Map();
  try {
    const features: unknown = JSON.parse(text)?.info?.features ?? {};
    return new Map(
      Object.entries(features as Record<string, unknown>).filter(
        (entry): entry is [string, Feature] => typeof entry[1] === 'object' && entry[1] !== null,
      ),
    );
  } catch {
    return new Map(); // what describes the columns is not needed to read them
  }
}
