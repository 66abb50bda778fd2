/**
 * Reads Parquet tables, in a thread of their own: hyparquet decodes damaged pages in loops that do not end, or that fill any
 * memory. One that takes too long, or dies, is a table that cannot be read; the next one is read in a new thread.
 */
import { stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import type { FileMetaData } from 'hyparquet';
import { UserError } from '../errors.ts';
import { builtFile } from './built.ts';
import { MOST_BYTES } from './parquet-limits.ts';
import type { ParquetReply, ParquetRequest } from './parquet-worker.ts';

/** Milliseconds that a page may take, besides those for the bytes of a column. Tests wait for less. */
export const parquetPatience = { ms: 15_000 };
/** A slow disk and a busy processor read and decode so many bytes in a millisecond. */
const SLOWEST = 5000;
/** Of values that are no bytes; these are outside. */
const HEAP_MEBIBYTES = 1024;

/** `broken`: what the pages do. */
type Answer = ParquetReply | { readonly broken: string };

let worker: Worker | undefined;
/** Takes the reply to the request that the worker is at. */
let settle: ((answer: Answer) => void) | undefined;
/** Requests wait for each other: who ends without an answer is the one that was asked. */
let last: Promise<unknown> = Promise.resolve();

/**
 * What the footer of a table says, no more than the file can hold.
 * @throws UserError naming the table, what was found and what was expected
 */
export async function parquetMetadata(path: string): Promise<FileMetaData> {
  return (await asked({ path })) as FileMetaData;
}

/**
 * The bytes in a cell: bytes themselves, or those of `{bytes, path}`, as Hugging Face's datasets have them.
 * @param row from 0
 * @throws UserError naming the table, what was found and what was expected
 */
export async function parquetBytes(path: string, row: number, column: string): Promise<Uint8Array> {
  return (await asked({ path, row, column })) as Uint8Array;
}

/**
 * Rows `first` to before `end` of some columns; those in a struct come with the whole of it.
 * @throws UserError naming the table, what was found and what was expected
 */
export async function parquetRows(
  path: string,
  columns: readonly string[],
  first: number,
  end: number,
): Promise<Record<string, unknown>[]> {
  return (await asked({ path, columns, first, end })) as Record<string, unknown>[];
}

function asked(request: ParquetRequest): Promise<unknown> {
  const answer = last.then(() => ask(request));
  last = answer.catch(() => {});
  return answer;
}

async function ask(request: ParquetRequest): Promise<unknown> {
  const { path } = request;
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  const ms = parquetPatience.ms + Math.min(size, MOST_BYTES) / SLOWEST;
  worker ??= begin();
  const own = worker;
  own.ref();
  let timer: NodeJS.Timeout | undefined;
  try {
    const reply = await new Promise<Answer>((resolve) => {
      settle = resolve;
      const stop = (): void => {
        if (settle !== resolve) return;
        worker = undefined;
        void own.terminate();
        resolve({ broken: `take more than ${Math.round(ms / 1000)} s to read` });
      };
      // Where this thread was busy, the reply may have come and waits: it is taken first.
      timer = setTimeout(() => setImmediate(stop), ms);
      own.postMessage(request);
    });
    if ('mistake' in reply) throw new UserError(reply.mistake);
    if ('broken' in reply) {
      throw new UserError(`${path}: found pages that ${reply.broken}; expected a Parquet table`);
    }
    if ('fault' in reply) throw new Error(reply.fault);
    return reply.found;
  } finally {
    clearTimeout(timer);
    settle = undefined;
    // Who is not asked does not keep the program from ending.
    own.unref();
  }
}

function begin(): Worker {
  const begun = new Worker(builtFile('files/parquet-worker.js'), {
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEBIBYTES },
  });
  const end = (broken: string): void => {
    if (worker !== begun) return;
    worker = undefined;
    settle?.({ broken });
  };
  begun.on('message', (reply: ParquetReply) => {
    if (worker === begun) settle?.(reply);
  });
  begun.on('error', (error) => {
    const { code, message = String(error) } = error as NodeJS.ErrnoException;
    const cause = message.split('\n', 1)[0]!.slice(0, 120);
    end(
      code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'fill the memory' : `end the thread that reads them (${cause})`,
    );
  });
  begun.on('exit', () => end('end the thread that reads them'));
  return begun;
}
