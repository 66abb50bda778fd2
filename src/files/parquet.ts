/**
 * Reads Parquet tables, in a thread of their own: hyparquet decodes damaged pages in loops that do not end, or that fill any
 * memory. One that takes too long, or dies, is a table that cannot be read; the next one is read in a new thread.
 */
import { stat } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { UserError } from '../errors.ts';
import { MOST_COLUMN_BYTES } from './parquet-decode.ts';
import type { ParquetReply, ParquetRequest } from './parquet-worker.ts';

/** Milliseconds that a page may take, besides those for the bytes of a column. Tests wait for less. */
export const parquetPatience = { ms: 15_000 };
/** A slow disk and a busy processor read and decode so many bytes in a millisecond. */
const SLOWEST = 5000;
/** Of values that are no bytes; these are outside. */
const HEAP_MEBIBYTES = 1024;

let worker: Worker | undefined;
/** Of the request that the worker is at. */
let answers: ((reply: ParquetReply) => void) | undefined;
let ends: ((why: string) => void) | undefined;
/** Requests wait for each other: who ends without an answer is the one that was asked. */
let last: Promise<unknown> = Promise.resolve();

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
  const ms = parquetPatience.ms + Math.min(size, MOST_COLUMN_BYTES) / SLOWEST;
  worker ??= begin();
  const own = worker;
  own.ref();
  let timer: NodeJS.Timeout | undefined;
  try {
    const reply = await new Promise<ParquetReply>((resolve) => {
      ends = (why) => resolve({ mistake: `${path}: found pages that ${why}; expected a Parquet table` });
      answers = resolve;
      timer = setTimeout(() => {
        ends?.(`take more than ${Math.round(ms / 1000)} s to read`);
        worker = undefined;
        void own.terminate();
      }, ms);
      own.postMessage(request);
    });
    if ('mistake' in reply) throw new UserError(reply.mistake);
    if ('fault' in reply) throw new Error(reply.fault);
    return reply.found;
  } finally {
    clearTimeout(timer);
    answers = undefined;
    ends = undefined;
    // Who is not asked does not keep the program from ending.
    own.unref();
  }
}

function begin(): Worker {
  // Tests run the sources; a worker needs what the build made of them.
  const url = import.meta.url.endsWith('.ts')
    ? new URL('../../dist/files/parquet-worker.js', import.meta.url)
    : new URL('./parquet-worker.js', import.meta.url);
  const begun = new Worker(url, {
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MEBIBYTES },
  });
  const dead = (why: string) => (): void => {
    if (worker !== begun) return;
    worker = undefined;
    ends?.(why);
  };
  begun.on('message', (reply: ParquetReply) => {
    if (worker === begun) answers?.(reply);
  });
  begun.on('error', dead('fill the memory'));
  begun.on('exit', dead('end the thread that reads them'));
  return begun;
}
