/** The thread in which Parquet tables are decoded. */
import { parentPort } from 'node:worker_threads';
import type { FileMetaData } from 'hyparquet';
import { UserError } from '../errors.ts';
import { parquetBytes, parquetMetadata, parquetRows } from './parquet-decode.ts';

export type ParquetRequest =
  | { readonly path: string }
  | { readonly path: string; readonly row: number; readonly column: string }
  | {
      readonly path: string;
      readonly columns: readonly string[];
      readonly first: number;
      readonly end: number;
    };

export type ParquetReply =
  | { readonly found: FileMetaData | Uint8Array | Record<string, unknown>[] }
  | { readonly mistake: string }
  | { readonly fault: string };

/** Values of a page: those of a row group are fewer, mostly. */
const MAX_VALUES = 2 ** 25;

// A damaged run writes far beyond the end of the array that the decoder made for a page. Growing it, V8 ends the whole
// process, whatever the limits of this thread: so here an array that is made with a length keeps it.
globalThis.Array = new Proxy(Array, {
  construct(target, args: unknown[], made) {
    const [length] = args;
    if (made !== globalThis.Array || args.length !== 1 || typeof length !== 'number')
      return Reflect.construct(target, args, made === globalThis.Array ? target : made);
    if (length > MAX_VALUES) throw new Error(`${length} values in a page`);
    return Object.preventExtensions(new target(length).fill(undefined));
  },
});

async function answer(request: ParquetRequest): Promise<ParquetReply> {
  try {
    if ('row' in request) return { found: await parquetBytes(request.path, request.row, request.column) };
    if ('columns' in request)
      return { found: await parquetRows(request.path, request.columns, request.first, request.end) };
    return { found: await parquetMetadata(request.path) };
  } catch (error) {
    if (error instanceof UserError) return { mistake: error.message };
    return { fault: String((error as Error).stack ?? error) };
  }
}

parentPort!.on('message', async (request: ParquetRequest) => {
  parentPort!.postMessage(await answer(request));
});
