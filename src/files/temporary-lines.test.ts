/** Values that are put on the disk for a while come back sorted, or by their keys, whatever memory may hold. */
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { below, sfc32 } from '../random.ts';
import { inParts, type Ordered, sortedByOrder } from './temporary-lines.ts';

async function* from<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}
async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) found.push(value);
  return found;
}
const temporary = (): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith('whisper-transfer-'));

test.each([
  1, 3, 7, 50, 99, 100, 1000,
])('values are sorted by runs of %i; equal ones stay in their order', async (most) => {
  const random = sfc32(most);
  const values = Array.from(
    { length: 100 },
    (_, i): Ordered<{ text: string }> => ({
      order: below(30, random),
      value: { text: `ü\n${i}` },
    }),
  );
  const expected = [...values].sort((a, b) => a.order - b.order).map(({ value }) => value);
  expect(await all(sortedByOrder(from(values), most))).toEqual(expected);
});

test('nothing stays on the disk where reading stops in the middle, or fails', async () => {
  const before = temporary();
  const values = Array.from({ length: 10 }, (_, order) => ({ order, value: order }));
  for await (const _ of sortedByOrder(from(values), 3)) break;
  const failing = async function* (): AsyncGenerator<Ordered<number>> {
    yield* values;
    throw new Error('cut off');
  };
  await expect(all(sortedByOrder(failing(), 3))).rejects.toThrow('cut off');
  expect(temporary().filter((name) => !before.includes(name))).toEqual([]);
});

test('values come back by parts: all of a key in one of them, in their order', async () => {
  const values = Array.from({ length: 500 }, (_, i) => ({ key: `k${i % 7}`, i }));
  const parts = await all(
    inParts<{ key: string; i: number }, { key: string; i: number }[]>(4, async function* ({ add, read }) {
      for (const value of values) await add(value.key, value);
      for await (const part of read()) yield await all(part);
    }),
  );
  expect(parts.flat().sort((a, b) => a.i - b.i)).toEqual(values);
  for (const key of new Set(values.map((value) => value.key))) {
    const own = parts.filter((part) => part.some((value) => value.key === key));
    expect(own).toHaveLength(1);
    const places = own[0]!.filter((value) => value.key === key).map(({ i }) => i);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  }
});
