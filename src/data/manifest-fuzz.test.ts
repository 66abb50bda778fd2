// Damaged manifests: clips or one line, soon, in little memory; rows that cannot be used are lines when somebody asks for them.
//   npm run fuzz:corpora: 10,000 of each format; FUZZ_SEED repeats one
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { sfc32 } from '../random.ts';
import { damagedFile } from '../testing/damage.ts';
import { type ManifestRow, manifestRows, readManifest } from './manifest.ts';
import { writeManifest } from './manifest-write.ts';

const FILES = Number(process.env.FUZZ_FILES ?? 100);
const FIRST_SEED = Number(process.env.FUZZ_SEED ?? 1);
/** One in so many is written again. */
const WRITTEN = 20;
/** Of the processor: others may be at work. */
const MOST_SECONDS = 3;
const MOST_MEMORY = 300e6;

const folder = mkdtempSync(join(tmpdir(), 'manifest-fuzz-'));
afterAll(() => rmSync(folder, { recursive: true }));

const rows = [
  ['audio', 'lang', 'set', 'key', 'text', 'text_de', 'start', 'end', 'duration_s', 'speaker', 'pseudo_de'],
  ['1.wav', 'en', 'train', 'k1', 'Say "no, thanks".', 'Sag „nein“.', '0', '1.5', '1.5', 'anna', 'qwen3'],
  ['a.tar#b/2.flac', 'Portuguese', 'test', 'k2', 'Olá;\\n', '', '0', '0', '2.35', '', ''],
  ['long.mp3#t=10,20', 'zh', 'dev', '', '你好。', 'Hallo', '', '', '', 'bert', ''],
];
const [names, ...lines] = rows as [string[], ...string[][]];
const csv = (cells: readonly string[]): string =>
  cells.map((cell) => `"${cell.replaceAll('"', '""')}"`).join(',');
const KINDS: Readonly<Record<string, string>> = {
  'm.tsv': rows.map((row) => `${row.join('\t')}\n`).join(''),
  'm.csv': rows.map((row) => `${csv(row)}\r\n`).join(''),
  'm.jsonl': lines
    .map((row) => `${JSON.stringify(Object.fromEntries(names.map((name, i) => [name, row[i]])))}\n`)
    .join(''),
};

async function clipsOf(
  path: string,
  onBadRow?: (line: number, reason: string) => void,
): Promise<ManifestRow[]> {
  const found: ManifestRow[] = [];
  for await (const row of manifestRows(path, { withoutAudio: true, ...(onBadRow && { onBadRow }) }))
    found.push(row);
  return found;
}

/** What is read can be written, and read again. */
async function checkWritten(rows: readonly ManifestRow[], where: string): Promise<void> {
  const again = join(folder, 'again.tsv');
  const clips = rows.map(({ clip }) => clip);
  await writeManifest(again, clips);
  const written = await clipsOf(again);
  expect(
    written.map(({ clip }) => clip.audio),
    where,
  ).toEqual(clips.map(({ audio }) => audio));
}

test.each([...Object.keys(KINDS), 'm.tsv.gz', 'm.csv.gz', 'm.jsonl.gz'])('%s', async (name) => {
  const path = join(folder, name);
  const text = KINDS[name.replace('.gz', '')]!;
  const original = name.endsWith('gz') ? gzipSync(text) : Buffer.from(text);
  writeFileSync(path, original);
  expect(await readManifest(path)).toHaveLength(3);
  let read = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + FILES; seed++) {
    const where = `FUZZ_SEED=${seed}`;
    writeFileSync(path, damagedFile(name, original, sfc32(seed)));
    const before = process.memoryUsage.rss();
    const begun = process.cpuUsage();
    const bad: string[] = [];
    try {
      const found = await clipsOf(path, (line, reason) => bad.push(`${line}: ${reason}`));
      for (const { clip, line } of found) {
        expect(line, where).toBeGreaterThan(0);
        expect(clip.duration >= 0 || Number.isNaN(clip.duration), where).toBe(true);
      }
      if (found.length > 0) read++;
      for (const one of bad) expect(one, where).not.toContain('\n');
      // Without somebody who takes bad rows, they are the error.
      const strict = await clipsOf(path).catch((error: Error) => error);
      if (bad.length > 0) expect(strict, where).toBeInstanceOf(UserError);
      else expect(strict, where).toHaveLength(found.length);
      // It is brought to the disk, which takes time.
      if (seed % WRITTEN === 0) await checkWritten(found, where);
    } catch (error) {
      if (!(error instanceof UserError))
        throw new Error(`${where}: ${(error as Error).stack}`, { cause: error });
      expect(error.message, where).not.toContain('\n');
    }
    const { user, system } = process.cpuUsage(begun);
    expect((user + system) / 1e6, where).toBeLessThan(MOST_SECONDS);
    expect(process.memoryUsage.rss() - before, where).toBeLessThan(MOST_MEMORY);
  }
  // Else nothing was tested.
  expect(read).toBeGreaterThan(0);
});
