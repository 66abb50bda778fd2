/** Tables are joined by their keys in whatever order they are, with as few rows in memory as are allowed. */
import { expect, test } from 'vitest';
import { below, sfc32 } from '../random.ts';
import { joinRows } from './join-rows.ts';
import { MembersByName, stemOf } from './members-by-name.ts';

interface Row {
  readonly id: string;
  readonly text: string;
}

async function joined(tables: readonly (readonly Row[])[], most?: number): Promise<string[]> {
  const found: string[] = [];
  const streams = tables.map(async function* (table) {
    yield* table;
  });
  for await (const rows of joinRows(streams, ({ id }) => id, most))
    found.push(rows.map((row) => (row ? `${row.id}=${row.text}` : '–')).join(' '));
  return found.sort();
}

test.each([0, 1, 5, 50, 1000])('in any order, with %i keys in memory', async (most) => {
  const random = sfc32(7);
  const tables = [0, 1, 2].map((table) => {
    const rows = Array.from({ length: 60 }, (_, i) => ({ id: `id ${i}`, text: `${table}.${i}` }));
    for (let i = rows.length - 1; i > 0; i--) {
      const other = below(i + 1, random);
      [rows[i], rows[other]] = [rows[other]!, rows[i]!];
    }
    // Each table lacks some.
    return rows.filter((_, i) => i % 10 !== table);
  });
  const byId = new Map<string, string[]>();
  for (const [i, table] of tables.entries()) {
    for (const { id, text } of table) {
      if (!byId.has(id)) byId.set(id, ['–', '–', '–']);
      byId.get(id)![i] = `${id}=${text}`;
    }
  }
  expect(await joined(tables, most)).toEqual([...byId.values()].map((rows) => rows.join(' ')).sort());
});

test('recordings in archives are found by their names, in the order of the archives', () => {
  const members = new MembersByName();
  const names = Array.from({ length: 3000 }, (_, i) => `part_${i % 3}/clip ${i}.v2.ogg`);
  for (const name of names) members.add('/a/one.tar', name);
  members.add('/a/two.tar', 'x.wav');
  members.add('/a/two.tar', 'part_9/clip 5.v2.flac');
  for (const [order, name] of names.entries()) {
    if (order !== 5) expect(members.find(stemOf(name))).toEqual({ audio: `/a/one.tar#${name}`, order });
  }
  expect(members.find('x')).toEqual({ audio: '/a/two.tar#x.wav', order: 3000 });
  // As tar unpacks them, the last of a name counts.
  expect(members.find('clip 5.v2')!.audio).toBe('/a/two.tar#part_9/clip 5.v2.flac');
  expect(members.find('clip')).toBeUndefined();
});
