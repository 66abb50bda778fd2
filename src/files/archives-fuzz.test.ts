// Damaged tars and Parquet tables: a member or cell is read, or refused with a line; never another error, and never without end.
//   npm run fuzz:corpora: 10,000 of each kind; FUZZ_SEED repeats one
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { packTar } from 'modern-tar';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { damaged } from '../testing/damage.ts';
import { parquetBytes, parquetPatience } from './parquet.ts';
import { tarIndex, tarMembers } from './tar.ts';

const FILES = Number(process.env.FUZZ_FILES ?? 150);
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 1);
/** Of one damaged file: gigabytes that a header claims must not be taken. */
const MOST_MEMORY = 300_000_000;
/** Of the processor: others may be at work. */
const MOST_SECONDS = 3;
/** A page that does not end costs so much. */
parquetPatience.ms = 1000;

const folder = mkdtempSync(join(tmpdir(), 'archives-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const recordings = Array.from({ length: 4 }, (_, i) =>
  Uint8Array.from({ length: 700 + i }, (_, k) => (k * (i + 3)) % 251),
);

async function each(
  kind: string,
  bytes: Uint8Array,
  read: (file: string) => Promise<readonly Uint8Array[] | undefined>,
): Promise<void> {
  let whole = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + FILES; seed++) {
    const file = join(folder, `${seed}.${kind}`);
    writeFileSync(file, damaged(bytes, seed));
    const before = process.memoryUsage.rss();
    const begun = process.cpuUsage();
    try {
      if ((await read(file))?.every((one, i) => Buffer.from(one).equals(recordings[i]!))) whole++;
    } catch (error) {
      if (!(error instanceof UserError))
        throw new Error(`FUZZ_SEED=${seed}: ${String(error)}`, { cause: error });
      expect(error.message, `FUZZ_SEED=${seed}`).not.toContain('\n');
    } finally {
      rmSync(file);
    }
    const { user, system } = process.cpuUsage(begun);
    expect((user + system) / 1e6, `FUZZ_SEED=${seed}`).toBeLessThan(MOST_SECONDS);
    expect(process.memoryUsage.rss() - before, `FUZZ_SEED=${seed}`).toBeLessThan(MOST_MEMORY);
  }
  // Else nothing was tested.
  expect(whole).toBeGreaterThan(0);
}

test('tar', async () => {
  const names = ['a.flac', `${'long/'.repeat(40)}b.flac`, 'ü.flac', './d.flac'];
  const bytes = await packTar(
    names.map((name, i) => ({ header: { name, size: recordings[i]!.length }, body: recordings[i]! })),
  );
  await each('tar', bytes, async (file) => {
    const index = await tarIndex(file);
    for (const name of names) await index.find(name).catch(expectLine);
    for await (const { offset, size } of tarMembers(file)) {
      expect(Number.isSafeInteger(offset) && Number.isSafeInteger(size) && size >= 0).toBe(true);
    }
    return [];
  });
});

function expectLine(error: unknown): void {
  if (!(error instanceof UserError)) throw error;
}

const parquetOf = (codec: 'UNCOMPRESSED' | 'SNAPPY' | 'GZIP'): Uint8Array =>
  new Uint8Array(
    parquetWriteBuffer({
      schema: [
        { name: 'root', num_children: 2 },
        { name: 'audio', repetition_type: 'OPTIONAL', num_children: 2 },
        { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
        { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
        { name: 'text', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      ],
      columnData: [
        { name: 'audio', data: recordings.map((one, i) => ({ bytes: one, path: `${i}.flac` })) },
        { name: 'text', data: ['a', 'b', 'c', 'd'] },
      ],
      rowGroupSize: 2,
      codec,
      compressors: { GZIP: (input) => gzipSync(input) },
    }),
  );

test.each(['UNCOMPRESSED', 'SNAPPY', 'GZIP'] as const)('Parquet, %s', async (codec) => {
  await each('parquet', parquetOf(codec), (file) =>
    Promise.all(recordings.map((_, row) => parquetBytes(file, row, 'audio'))),
  );
});
