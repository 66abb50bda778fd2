/** Reads columns of Parquet tables, a few thousand rows at a time; recordings in them stay where they are. */
import { open } from 'node:fs/promises';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetSchema } from 'hyparquet';
import { UserError } from '../errors.ts';
import { parquetRows } from '../files/parquet.ts';
import { cannotOpen } from '../files/read.ts';

/** Rows that are read together. */
const ROWS = 4096;
/** Bytes of texts that are read together; a footer that claims more lies, or holds recordings in a column of texts. */
const MAX_CHUNK_BYTES = 1 << 30;

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

/**
 * What `use` makes of a Parquet table, which is open meanwhile.
 * @throws UserError where it is none, or its parts are not where its footer says
 */
export async function* withParquet<T>(
  file: string,
  use: (table: ParquetTable) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const handle = await open(file).catch((error: unknown) => {
    throw cannotOpen(file, error, 'a Parquet table');
  });
  try {
    const { size } = await handle.stat();
    const buffer: AsyncBuffer = {
      byteLength: size,
      async slice(start, end = size) {
        if (!(start >= 0 && end >= start && end <= size && end - start <= MAX_CHUNK_BYTES)) {
          throw new Error(`bytes ${start} to ${end} of a file of ${size}`);
        }
        const bytes = new Uint8Array(end - start);
        let done = 0;
        while (done < bytes.length) {
          const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
          if (bytesRead === 0) throw new Error('the file ends before');
          done += bytesRead;
        }
        return bytes.buffer;
      },
    };
    yield* use(await tableOf(file, buffer));
  } finally {
    await handle.close();
  }
}

async function tableOf(file: string, buffer: AsyncBuffer): Promise<ParquetTable> {
  const metadata = await reading(file, () => checkedMetadata(buffer));
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

/** Any error of the reader is one of the file: it throws plain ones. */
async function reading<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const message = (error as Error).message.replace(/\s+/g, ' ').slice(0, 200);
    throw new UserError(`${file}: cannot be read as Parquet (${message}); expected a Parquet table`);
  }
}

/** The footer, refused where it claims what the file cannot hold. */
async function checkedMetadata(buffer: AsyncBuffer): Promise<FileMetaData> {
  const metadata = await parquetMetadataAsync(buffer);
  const groups = metadata.row_groups.reduce((sum, { num_rows }) => sum + Number(num_rows), 0);
  const rows = Number(metadata.num_rows);
  if (!Number.isSafeInteger(rows) || rows < 0 || rows !== groups) {
    throw new Error(`its footer counts ${metadata.num_rows} rows, its groups ${groups}`);
  }
  for (const { columns } of metadata.row_groups) {
    for (const { meta_data } of columns) {
      if (!meta_data) continue;
      const bytes = Number(meta_data.total_compressed_size);
      const start = Number(meta_data.dictionary_page_offset ?? meta_data.data_page_offset);
      if (!(start >= 0 && bytes >= 0 && start + bytes <= buffer.byteLength)) {
        throw new Error(`its column ${meta_data.path_in_schema.join('.')} lies beyond the end of the file`);
      }
    }
  }
  return metadata;
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
