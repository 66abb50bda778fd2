import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteWords } from './byte-words.ts';
import { NgramTable } from './ngram-table.ts';

test('numbers n-grams in the order of their arrival, as a map would', () => {
  const key = fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }));
  fc.assert(
    fc.property(fc.array(key, { maxLength: 3000 }), fc.array(key, { maxLength: 100 }), (added, asked) => {
      const table = new NgramTable();
      const map = new Map<string, number>();
      for (const [context, word] of added) {
        const id = `${context} ${word}`;
        if (!map.has(id)) map.set(id, map.size);
        expect(table.add(context, word)).toBe(map.get(id));
      }
      for (const [context, word] of asked)
        expect(table.find(context, word)).toBe(map.get(`${context} ${word}`) ?? -1);
      expect(table.size).toBe(map.size);
    }),
    { numRuns: 20 },
  );
  const table = new NgramTable();
  const numbers = Array.from({ length: 100_000 }, (_, i) => i);
  expect(numbers.map((i) => table.add(i, 2 ** 31 - 1 - i))).toEqual(numbers);
  expect(numbers.map((i) => table.find(i, 2 ** 31 - 1 - i))).toEqual(numbers);
});

test('numbers words by their bytes, as a map would', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 3 }), { maxLength: 2000 }), (texts) => {
      const words = new ByteWords();
      const map = new Map<string, number>();
      for (const text of texts) {
        const bytes = Buffer.from(`-${text}-`);
        const known = map.get(text);
        expect(words.find(bytes, 1, bytes.length - 1)).toBe(known ?? -1);
        if (known === undefined) map.set(text, map.size);
        expect(words.add(bytes, 1, bytes.length - 1)).toBe(map.get(text));
      }
      expect(words.size).toBe(map.size);
    }),
    { numRuns: 20 },
  );
});
