/** Decodes Parquet tables. Damaged pages keep the library busy without end, or in need of any memory: parquet.ts runs this in a thread. */
import type { FileHandle } from 'node:fs/promises';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors as decompressors } from 'hyparquet-compressors';
import { UserError } from '../errors.ts';
import { MOST_BYTES } from './parquet-limits.ts';
import { cannotOpen, openFile } from './read.ts';

const EXPECTED = 'a Parquet table';
/** Snappy makes a text at most so many times smaller. A page of it that claims more would take memory for nothing. */
const SNAPPY_RATIO = 100;

const compressors: typeof decompressors = {
  ...decompressors,
  SNAPPY(input, length) {
    if (length > SNAPPY_RATIO * (input.length + 64))
      throw new Error(`a page of ${length} bytes in ${input.length}`);
    return decompressors.SNAPPY!(input, length);
  },
};
/** Tables whose description is kept. */
const MAX_KNOWN = 16;

interface Known {
  readonly path: string;
  /** Size, time and inode: another one is another table. */
  readonly place: string;
  readonly metadata: Promise<FileMetaData>;
}

interface OpenTable extends Omit<Known, 'metadata'> {
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
}

interface Group {
  readonly path: string;
  readonly place: string;
  readonly column: string;
  readonly start: number;
  readonly rows: Promise<readonly unknown[]>;
}

const known: Known[] = [];
/** Rows are read in order, mostly. */
let lastGroup: Group | undefined;

/** parquetMetadata of parquet.ts, in its thread. */
export const parquetMetadata = (path: string): Promise<FileMetaData> =>
  withTable(path, async ({ metadata }) => metadata);

/** parquetRows of parquet.ts, in its thread. */
export const parquetRows = (
  path: string,
  columns: readonly string[],
  first: number,
  end: number,
): Promise<Record<string, unknown>[]> =>
  withTable(path, ({ file, metadata }) =>
    guarded(path, () =>
      parquetReadObjects({
        ...{ file, metadata, compressors, rowStart: first, rowEnd: end },
        columns: [...columns],
        utf8: false,
        useOffsetIndex: true,
      }),
    ),
  );

/** parquetBytes of parquet.ts, in its thread. */
export async function parquetBytes(path: string, row: number, column: string): Promise<Uint8Array> {
  const value = await withTable(path, (table) => cellOf(table, row, column));
  const bytes = value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null)?.bytes;
  // A view is sent with all that it is a view of.
  if (bytes instanceof Uint8Array) return bytes.slice();
  const named = (value as { path?: unknown } | null)?.path;
  const what =
    value === null || value === undefined
      ? 'nothing'
      : typeof value === 'object'
        ? `no bytes${typeof named === 'string' ? ` (only the path ${JSON.stringify(named)})` : ''}`
        : `a ${typeof value}`;
  throw new UserError(
    `${path}: row ${row}: found ${what} in the column ${JSON.stringify(column)}; expected the bytes of a recording`,
  );
}

/** What `use` makes of a table, which is open meanwhile. */
async function withTable<T>(path: string, use: (table: OpenTable) => Promise<T>): Promise<T> {
  const { handle, found } = await openFile(path, EXPECTED);
  try {
    const place = `${found.size} ${found.mtimeMs} ${found.ino}`;
    const file = bufferOf(handle, found.size);
    return await use({ path, place, file, metadata: await described(path, place, file) });
  } catch (error) {
    throw cannotOpen(path, error, EXPECTED);
  } finally {
    await handle.close();
  }
}

async function cellOf(
  { path, place, file, metadata }: OpenTable,
  row: number,
  column: string,
): Promise<unknown> {
  const columns = new Set(
    metadata.row_groups[0]?.columns.map(({ meta_data }) => meta_data?.path_in_schema[0]),
  );
  if (!columns.has(column)) {
    throw new UserError(
      `${path}: found the columns ${[...columns].join(', ') || '(none)'}; expected ${JSON.stringify(column)} among them`,
    );
  }
  let start = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    if (row < start + rows) {
      const chunks = group.columns.filter(({ meta_data }) => meta_data?.path_in_schema[0] === column);
      const bytes = chunks.reduce(
        (sum, { meta_data: about }) =>
          sum + Math.max(Number(about?.total_compressed_size), Number(about?.total_uncompressed_size)),
        0,
      );
      if (!(bytes <= MOST_BYTES)) {
        throw new UserError(
          `${path}: found ${bytes} bytes of ${JSON.stringify(column)} in a row group; expected at most ${MOST_BYTES}`,
        );
      }
      const read = (rowStart: number, rowEnd: number, useOffsetIndex: boolean) =>
        guarded(path, () =>
          parquetReadObjects({
            ...{ file, metadata, compressors, rowStart, rowEnd, useOffsetIndex },
            columns: [column],
            utf8: false,
          }).then((found) => found.map((one) => one[column] as unknown)),
        );
      // With an index of its pages a cell takes its page alone.
      const isIndexed = chunks.every(({ offset_index_offset }) => offset_index_offset !== undefined);
      if (isIndexed) return (await read(row, row + 1, true))[0];
      const is = lastGroup;
      if (is?.path !== path || is.place !== place || is.column !== column || is.start !== start) {
        lastGroup = { path, place, column, start, rows: read(start, start + rows, false) };
      }
      const current = lastGroup!;
      try {
        return (await current.rows)[row - start];
      } catch (error) {
        if (lastGroup === current) lastGroup = undefined;
        throw error;
      }
    }
    start += rows;
  }
  throw new UserError(`${path}: found ${start} rows; expected row ${row}, counted from 0, among them`);
}

async function described(path: string, place: string, file: AsyncBuffer): Promise<FileMetaData> {
  const at = known.findIndex((one) => one.path === path && one.place === place);
  const [one] =
    at < 0 ? [{ path, place, metadata: guarded(path, () => checkedMetadata(file)) }] : known.splice(at, 1);
  known.unshift(one!);
  known.length = Math.min(known.length, MAX_KNOWN);
  try {
    return await one!.metadata;
  } catch (error) {
    known.splice(known.indexOf(one!) >>> 0, 1);
    throw error;
  }
}

/** The footer, refused where it claims what the file cannot hold. */
async function checkedMetadata(file: AsyncBuffer): Promise<FileMetaData> {
  const metadata = await parquetMetadataAsync(file);
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
      if (!(start >= 0 && bytes >= 0 && start + bytes <= file.byteLength)) {
        throw new Error(`its column ${meta_data.path_in_schema.join('.')} lies beyond the end of the file`);
      }
    }
  }
  return metadata;
}

/** What is wrong with a file is the user's to know, whatever a library calls it. */
async function guarded<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UserError || !(error instanceof Error) || 'syscall' in error) throw error;
    const words = error.message.split('\n')[0]!.slice(0, 120);
    throw new UserError(`${path}: found what does not read as Parquet (${words}); expected ${EXPECTED}`);
  }
}

function bufferOf(handle: FileHandle, size: number): AsyncBuffer {
  return {
    byteLength: size,
    async slice(start, end = size) {
      if (!(start >= 0 && start <= end && end <= size && end - start <= MOST_BYTES))
        throw new Error(`bytes ${start} to ${end} of ${size}`);
      const { bytesRead, buffer } = await handle.read(new Uint8Array(end - start), 0, end - start, start);
      if (bytesRead < end - start) throw new Error('cut off');
      return buffer.buffer;
    },
  };
}
