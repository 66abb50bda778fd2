/** Texts of any size are read line by line, compressed or not; what would fill memory or time is one line of error. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { textLines } from './lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'lines-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: Uint8Array | string): string {
  const path = join(folder, 'f');
  writeFileSync(path, content);
  return path;
}
async function read(path: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { text, number } of textLines(path, 'a text')) lines[number - 1] = text;
  return lines;
}

test.each([
  ['', []],
  ['a', ['a']],
  ['\ufeffa\r\n\n\ufeffb\n', ['a', '', '\ufeffb']],
  ['é\n'.repeat(300_000), new Array(300_000).fill('é')],
])('lines of a text: %#', async (text, lines) => {
  expect(await read(file(text))).toEqual(lines);
  expect(await read(file(gzipSync(text)))).toEqual(lines);
});

test('what is no text is one line', async () => {
  await expect(read(join(folder, 'gone'))).rejects.toThrow(/gone: found no such file; expected a text$/);
  await expect(read(folder)).rejects.toThrow(/found a directory; expected a text$/);
  const latin = Buffer.concat([Buffer.from('a\nb\n'), Buffer.from('caf\xe9\n', 'latin1')]);
  await expect(read(file(latin))).rejects.toThrow(
    /f:3: found bytes that are not UTF-8 text; expected a text$/,
  );
  const cut = gzipSync('a\n'.repeat(10_000)).subarray(0, 40);
  await expect(read(file(cut))).rejects.toThrow(
    /f: found damaged gzip data \(unexpected end of file\); expected a text$/,
  );
  await expect(read(file(Buffer.alloc(17 << 20, 'a')))).rejects.toThrow(
    /f:1: found a line of more than 16 MiB/,
  );
});

test('a gzip file that expands a thousandfold is refused, and a line of a gigabyte', async () => {
  await expect(
    read(file(gzipSync(Buffer.alloc(80 << 20, `${'a'.repeat(4095)}\n`), { level: 9 }))),
  ).rejects.toThrow(/f: expands to more than 200 times its \d+ bytes; expected a text$/);
  await expect(read(file(gzipSync(Buffer.alloc(30 << 20), { level: 9 })))).rejects.toThrow(
    /f:1: found a line of more than 16 MiB/,
  );
});
