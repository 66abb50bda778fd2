/** The thread in which Parquet tables are decoded. */
import { parentPort } from 'node:worker_threads';
import { UserError } from '../errors.ts';
import { parquetBytes, parquetRows } from './parquet-decode.ts';

export type ParquetRequest =
  | { readonly path: string; readonly row: number; readonly column: string }
  | {
      readonly path: string;
      readonly columns: readonly string[];
      readonly first: number;
      readonly end: number;
    };

export type ParquetReply =
  | { readonly found: Uint8Array | Record<string, unknown>[] }
  | { readonly mistake: string }
  | { readonly fault: string };

async function answer(request: ParquetRequest): Promise<ParquetReply> {
  try {
    if ('row' in request) return { found: await parquetBytes(request.path, request.row, request.column) };
    return { found: await parquetRows(request.path, request.columns, request.first, request.end) };
  } catch (error) {
    if (error instanceof UserError) return { mistake: error.message };
    return { fault: String((error as Error).stack ?? error) };
  }
}

parentPort!.on('message', async (request: ParquetRequest) => {
  parentPort!.postMessage(await answer(request));
});
