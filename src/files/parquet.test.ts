// Damaged Parquet pages that keep the decoder busy for ever, or fill its memory: one line, and the next table is read.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { UserError } from '../errors.ts';
import { parquetPatience, parquetRows } from './parquet.ts';

const folder = mkdtempSync(join(tmpdir(), 'parquet-'));
const { ms } = parquetPatience;
beforeAll(() => {
  parquetPatience.ms = 1000;
});
afterAll(() => {
  parquetPatience.ms = ms;
  rmSync(folder, { recursive: true });
});

afterEach(() => vi.restoreAllMocks());

const VALUES = ['x', 'y', null, 'x'];
const good = new Uint8Array(
  parquetWriteBuffer({
    codec: 'UNCOMPRESSED',
    columnData: [{ name: 'speaker', data: VALUES, type: 'STRING', nullable: true }],
  }),
);
/** The length of its definition levels, 2, in the header of its page; as a varint in zigzag. */
const LENGTH = Buffer.from(good).indexOf(Buffer.from([0x15, 4, 0x15, 0, 0, 0, 3])) + 1;
/** Its definition levels: a run of bits. */
const LEVELS = LENGTH + 5;
/** A byte of a varint that goes on in the next one: a length of -1,408. */
const NEGATIVE = [LENGTH, [0xff]] as const;
/** A run of 2^30 - 1 equal levels. */
const LONG_RUN = [LEVELS, [0xfe, 0xff, 0xff, 0xff, 0x07, 1]] as const;

/** @param damage where, and which bytes */
function read(name: string, [at, damage]: readonly [number, readonly number[]] = [0, []]): Promise<unknown> {
  const bytes = new Uint8Array(good);
  bytes.set(damage, at);
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return parquetRows(path, ['speaker'], 0, VALUES.length);
}
const rows = VALUES.map((speaker) => ({ speaker }));

test('a page that never ends is one line, and the next table is read', async () => {
  const both = [read('endless.parquet', NEGATIVE), read('good.parquet')];
  const [endless, whole] = await Promise.allSettled(both);
  const found = 'found pages that take more than 1 s to read; expected a Parquet table';
  expect(endless).toMatchObject({ reason: new UserError(`${join(folder, 'endless.parquet')}: ${found}`) });
  expect(whole).toMatchObject({ value: rows });
});

test('a page that fills any memory is one line, and the next table is read', async () => {
  await expect(read('bomb.parquet', LONG_RUN)).rejects.toThrow(
    /^\S*bomb\.parquet: found .*; expected a Parquet table$/,
  );
  expect(await read('good.parquet')).toEqual(rows);
});

test('a reply that came while this thread was busy for longer than a page may take is taken', async () => {
  await read('good.parquet');
  const { postMessage } = Worker.prototype;
  vi.spyOn(Worker.prototype, 'postMessage').mockImplementationOnce(function (this: Worker, request) {
    postMessage.call(this, request);
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500));
  });
  expect(await read('good.parquet')).toEqual(rows);
});

test('a thread that ends says why, and the next table is read', async () => {
  vi.spyOn(Worker.prototype, 'postMessage').mockImplementationOnce(function (this: Worker) {
    this.emit('error', new Error('a cause\nand its trace'));
    void this.terminate();
  });
  const path = join(folder, 'good.parquet');
  await expect(read('good.parquet')).rejects.toThrow(
    new UserError(
      `${path}: found pages that end the thread that reads them (a cause); expected a Parquet table`,
    ),
  );
  expect(await read('good.parquet')).toEqual(rows);
});

test('a program that has read a table ends by itself', () => {
  const path = join(folder, 'program.parquet');
  writeFileSync(path, good);
  const url = new URL('../../dist/files/parquet.js', import.meta.url).href;
  const program = `
    import { parquetBytes } from ${JSON.stringify(url)};
    await parquetBytes(${JSON.stringify(path)}, 0, 'speaker').catch(({ message }) => console.log(message));`;
  const words = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    timeout: 20_000,
    encoding: 'utf8',
  });
  expect(words).toBe(
    `${path}: row 0: found a string in the column "speaker"; expected the bytes of a recording\n`,
  );
});
