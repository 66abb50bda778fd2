// Archives in gzip are read as those in the open: one name for a member, one content, and no damage passed over.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { packTar } from 'modern-tar';
import { afterAll, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { tarMembers } from './tar.ts';

const folder = mkdtempSync(join(tmpdir(), 'tar-'));
afterAll(() => rmSync(folder, { recursive: true }));

const LONG = `${'folder/'.repeat(30)}long.flac`;
/** More than is read at once, and no whole number of blocks. */
const LARGE = Uint8Array.from({ length: 700_001 }, (_, i) => (i * 31) % 251);
const member = (name: string, body: Uint8Array) => ({ header: { name, size: body.length }, body });
const bytes = await packTar([
  member('ü.txt', Buffer.from('said')),
  member('empty', new Uint8Array(0)),
  { header: { name: 'folder/', size: 0, type: 'directory' } },
  member(LONG, LARGE),
]);

interface Found {
  readonly name: string;
  readonly other: string | undefined;
  readonly content: Buffer;
}

/** @param isWanted whose content is read; that of others passes */
async function membersOf(path: string, isWanted = (_name: string) => true): Promise<Found[]> {
  const found: Found[] = [];
  for await (const { name, other, content } of tarMembers(path)) {
    const pieces: Buffer[] = [];
    if (isWanted(name)) for await (const piece of content()) pieces.push(piece);
    found.push({ name, other, content: Buffer.concat(pieces) });
  }
  return found;
}

test('the same members and contents with gzip and without', async () => {
  const [open, compressed] = [join(folder, 'open.tar'), join(folder, 'compressed.tar.gz')];
  writeFileSync(open, bytes);
  writeFileSync(compressed, gzipSync(bytes));
  const plain = await membersOf(open);
  expect(plain.map(({ name, other }) => [name, other])).toEqual([
    ['ü.txt', undefined],
    ['empty', undefined],
    ['folder/', 'a folder'],
    [LONG, undefined],
  ]);
  expect(plain[0]!.content.toString()).toBe('said');
  expect(plain[3]!.content.equals(LARGE)).toBe(true);
  const found = await membersOf(compressed);
  expect(found.map(({ name, other }) => [name, other])).toEqual(
    plain.map(({ name, other }) => [name, other]),
  );
  expect(found.every(({ content }, i) => content.equals(plain[i]!.content))).toBe(true);
  const passed = await membersOf(compressed, (name) => name === 'ü.txt');
  expect(passed.map(({ name }) => name)).toEqual(plain.map(({ name }) => name));
});

test('what is cut off or damaged in gzip is one line, after the members before it', async () => {
  const path = join(folder, 'damaged.tgz');
  const message = async (damaged: Uint8Array): Promise<string> => {
    writeFileSync(path, damaged);
    const error = await membersOf(path, () => false).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message.replace(path, '');
  };
  expect(await message(gzipSync(bytes.subarray(0, 500_000)))).toBe(
    ': found it cut off after 500000 bytes; expected a whole archive',
  );
  const header = new Uint8Array(bytes);
  header[0]! ^= 1;
  expect(await message(gzipSync(header))).toBe(
    ': found no header of a member (its checksum is wrong) at its beginning; expected a tar archive',
  );
  const checksum = gzipSync(bytes);
  checksum[checksum.length - 8]! ^= 1;
  expect(await message(checksum)).toMatch(/^: found damaged gzip data \(.*\); expected a tar archive$/);
  writeFileSync(path, gzipSync(bytes.subarray(0, 500_000)));
  const read = async () => {
    for await (const { name, content } of tarMembers(path))
      if (name === LONG) for await (const _ of content());
  };
  await expect(read()).rejects.toThrow(
    `${path}: found the member ${JSON.stringify(LONG)} cut off; expected a whole archive`,
  );
});

test('a tar that is cut off gives its whole members, and names the one that is not', async () => {
  const path = join(folder, 'cut.tar');
  const found: string[] = [];
  const contents = [3000, 5000].map((size, i) => ({
    header: { name: `${i}.flac`, size },
    body: new Uint8Array(size),
  }));
  writeFileSync(path, (await packTar(contents)).subarray(0, 512 + 3072 + 512 + 1000));
  const read = async () => {
    for await (const { name } of tarMembers(path)) found.push(name);
  };
  await expect(read()).rejects.toThrow(
    `${path}: found the member "1.flac" cut off: 1000 of 5000 bytes; expected a whole archive`,
  );
  expect(found).toEqual(['0.flac']);
});
