import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { readFileEntries, readFloat32, readTensorEntries } from './safetensors.ts';
import { elementCount } from './safetensors-header.ts';
import { type TensorToWrite, writeSafetensors, writeWeights } from './safetensors-write.ts';

const root = await mkdtemp(join(tmpdir(), 'safetensors-'));
afterAll(() => rm(root, { recursive: true }));
let directory: string;
let count = 0;
beforeEach(async () => {
  directory = join(root, String(count++));
  await mkdir(directory);
});

function float32(name: string, shape: number[], values: number[]): TensorToWrite {
  return { name, shape, dtype: 'F32', bytes: () => new Uint8Array(new Float32Array(values).buffer) };
}

async function readAll(path: string): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for await (const { entry, data } of readFloat32((await readTensorEntries(path)).values())) {
    found.set(entry.name, [...data]);
  }
  return found;
}

/** A file with the given header (text, or an object to be JSON) and so many bytes of data. */
async function fileWith(header: unknown, dataBytes: number, claimedLength?: number): Promise<string> {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(claimedLength ?? json.length), true);
  bytes.set(json, 8);
  const file = join(directory, 'model.safetensors');
  await writeFile(file, bytes);
  return file;
}

async function complaint(file: string): Promise<string> {
  const error = await readFileEntries(file).then(
    () => 'no error',
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).not.toContain('\n');
  expect(error.message).toContain(file);
  return error.message;
}

const f32 = (shape: unknown, data_offsets: unknown) => ({ dtype: 'F32', shape, data_offsets });

test('what is written is read again: any names, shapes and values, in one file or shards', async () => {
  const tensor = fc.record({
    name: fc.string().filter((name) => name !== '__metadata__'),
    dtype: fc.constantFrom('F32' as const, 'I8' as const),
    shape: fc.array(fc.nat(4), { maxLength: 4 }),
    seed: fc.integer(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(tensor, { selector: ({ name }) => name, minLength: 1, maxLength: 8 }),
      fc.integer({ min: 1, max: 4000 }),
      async (described, maxShardBytes) => {
        const expected = new Map<string, number[]>();
        const tensors = described.map(({ name, dtype, shape, seed }): TensorToWrite => {
          const values = Array.from({ length: elementCount(shape) }, (_, i) => ((seed * (i + 1)) % 128) | 0);
          expected.set(name, values);
          const array = dtype === 'F32' ? new Float32Array(values) : new Int8Array(values);
          return { name, dtype, shape, bytes: () => new Uint8Array(array.buffer) };
        });
        const path = await mkdtemp(join(directory, 'case-'));
        await writeWeights(path, tensors, maxShardBytes);
        const entries = await readTensorEntries(path);
        for (const { name, dtype, shape } of described) {
          expect(entries.get(name)).toMatchObject({ dtype, shape });
        }
        const found = await readAll(path);
        expect(new Map([...found].sort())).toEqual(new Map([...expected].sort()));
        await rm(path, { recursive: true });
      },
    ),
    { numRuns: 60 },
  );
});

test('data start aligned and are ordered so that every tensor is aligned to its elements', async () => {
  await writeSafetensors(join(directory, 'model.safetensors'), [
    { name: 'odd', dtype: 'I8', shape: [3], bytes: () => new Uint8Array(3) },
    { name: 'half', dtype: 'F16', shape: [1], bytes: () => new Uint8Array(2) },
    float32('float', [1], [1]),
  ]);
  const entries = await readFileEntries(join(directory, 'model.safetensors'));
  expect(entries.map(({ name }) => name)).toEqual(['float', 'half', 'odd']);
  expect(entries[0]!.begin % 8).toBe(0);
  expect(await readdir(directory)).toEqual(['model.safetensors']);
});

test('int8 rows are multiplied by their scales', async () => {
  await writeSafetensors(join(directory, 'model.safetensors'), [
    {
      name: 'w',
      dtype: 'I8',
      shape: [2, 5],
      bytes: () => new Uint8Array([1, 2, 3, 4, 5, 255, 128, 0, 127, 1]),
    },
  ]);
  const entries = await readFileEntries(join(directory, 'model.safetensors'));
  const scales = new Map([['w', new Float32Array([0.5, 2])]]);
  for await (const { data } of readFloat32(entries, scales)) {
    expect([...data]).toEqual([0.5, 1, 1.5, 2, 2.5, -2, -256, 0, 254, 2]);
  }
});

test('of weights of 4 bits the first of a byte is in its low half, each with 8 added; each group has a scale', async () => {
  await writeSafetensors(join(directory, 'model.safetensors'), [
    { name: 'w', dtype: 'U8', shape: [2, 2], bytes: () => new Uint8Array([0x19, 0x8f, 0x7a, 0x80]) },
  ]);
  const [entry] = await readFileEntries(join(directory, 'model.safetensors'));
  const scales = new Map([['w', new Float32Array([0.5, 2])]]);
  for await (const { data } of readFloat32([{ ...entry!, shape: [2, 4] }], scales)) {
    expect([...data]).toEqual([0.5, -3.5, 3.5, 0, 4, -2, -16, 0]);
  }
  // Bytes that are no weights of 4 bits.
  await expect(readFloat32([entry!], scales).next()).rejects.toThrow(/"w" is U8, expected that of weights/);
});

test('a tensor that is not finite is refused by name', async () => {
  await writeSafetensors(join(directory, 'model.safetensors'), [
    float32('fine', [1], [1]),
    float32('bad', [2], [1, Number.NaN]),
  ]);
  await expect(readAll(directory)).rejects.toThrow(/tensor "bad": value 1 is NaN, expected finite/);
});

test('damaged and hostile headers are refused in one line', async () => {
  expect(await complaint(await fileWith('', 0, 100))).toMatch(/cut off: its header is 100 bytes/);
  expect(await complaint(await fileWith({}, 0, 2 ** 52))).toMatch(
    /header would be \d+ bytes, the limit is 25000000/,
  );
  expect(await complaint(await fileWith('{"a": nonsense', 0))).toMatch(/not JSON/);
  expect(await complaint(await fileWith('[1]', 0))).toMatch(/not a JSON object/);
  expect(await complaint(await fileWith('null', 0))).toMatch(/not a JSON object/);
  expect(await complaint(await fileWith({ a: 3 }, 0))).toMatch(/tensor "a": its entry is not an object/);
  const cases: [string, object, RegExp][] = [
    ['negative offset', f32([1], [-4, 0]), /data_offsets \[-4,0\]/],
    ['reversed offsets', f32([1], [8, 4]), /data_offsets \[8,4\]/],
    ['fractional offsets', f32([1], [0.5, 4.5]), /data_offsets/],
    ['missing offsets', { dtype: 'F32', shape: [1] }, /data_offsets undefined/],
    ['past the end', f32([4], [0, 16]), /data end at byte 16, but the file holds only 8/],
    ['shape against length', f32([3], [0, 8]), /F32 \[3\] needs 12 bytes, but its data_offsets span 8/],
    ['absurd shape', f32([2 ** 50, 2 ** 50], [0, 8]), /needs .* bytes/],
    ['negative size', f32([-2], [0, 8]), /shape \[-2\]/],
    ['shape of words', f32(['2'], [0, 8]), /shape \["2"\]/],
    [
      'other dtype',
      { dtype: 'F64', shape: [1], data_offsets: [0, 8] },
      /"F64" is not supported, only F32, F16, BF16, I8, U8/,
    ],
    ['inherited name as dtype', { dtype: 'toString', shape: [1], data_offsets: [0, 8] }, /not supported/],
    ['a hole after', f32([1], [0, 4]), /4 bytes after the last tensor/],
    ['a hole before', f32([1], [4, 8]), /4 bytes before tensor "a"/],
  ];
  for (const [what, entry, message] of cases) {
    expect(await complaint(await fileWith({ a: entry }, 8)), what).toMatch(message);
  }
  expect(await complaint(await fileWith({ a: f32([2], [0, 8]), b: f32([2], [4, 12]) }, 12))).toMatch(
    /tensor "b" overlaps tensor "a"/,
  );
});

test('a tensor named twice is refused, though JSON would keep the last', async () => {
  const entry = JSON.stringify(f32([1], [0, 4]));
  expect(await complaint(await fileWith(`{"a": ${entry}, "\\u0061": ${entry}}`, 4))).toMatch(
    /names tensor "a" twice/,
  );
  // The same words inside an entry or as a value are no second name.
  const harmless = `{"__metadata__": {"a": "a", "x": "{\\"a\\": 1,"}, "a": ${entry}}`;
  expect((await readFileEntries(await fileWith(harmless, 4))).map(({ name }) => name)).toEqual(['a']);
});

test('empty files, cut-off files and directories in place of files are refused', async () => {
  const file = join(directory, 'model.safetensors');
  await writeFile(file, '');
  expect(await complaint(file)).toMatch(/0 bytes long, too short/);
  await writeSafetensors(file, [float32('a', [4], [1, 2, 3, 4])]);
  const whole = await readFile(file);
  for (const length of [3, 8, 30, whole.length - 1]) {
    await truncate(file, length);
    expect(await complaint(file)).toMatch(/too short|cut off/);
    await writeFile(file, whole);
  }
  const entries = await readFileEntries(file);
  await truncate(file, whole.length - 1);
  await expect(readFloat32(entries).next()).rejects.toThrow(/ended at byte/);
  expect(await complaint(join(directory, 'absent.safetensors'))).toMatch(/no such file/);
  await mkdir(join(directory, 'folder.safetensors'));
  expect(await complaint(join(directory, 'folder.safetensors'))).toMatch(/found a directory/);
});

test('random bytes never crash the reader', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, smallHeader) => {
      if (smallHeader) bytes.fill(0, 1, 8);
      const file = join(directory, 'model.safetensors');
      await writeFile(file, bytes);
      await readFileEntries(file).catch((error) => expect(error).toBeInstanceOf(UserError));
    }),
    { numRuns: 100 },
  );
});

test('an index must agree with its shards and stay in its directory', async () => {
  const indexed = async (weightMap: unknown) => {
    await writeFile(
      join(directory, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: weightMap }),
    );
    return expect(readTensorEntries(directory)).rejects;
  };
  await writeSafetensors(join(directory, 'one.safetensors'), [float32('a', [1], [1])]);
  await writeSafetensors(join(directory, 'two.safetensors'), [float32('a', [1], [1])]);
  await (await indexed({ a: '../one.safetensors' })).toThrow(
    /expected the name of a .safetensors file beside it/,
  );
  await (await indexed({ a: 'one.safetensors', b: 'one.safetensors' })).toThrow(/lacks tensor "b"/);
  await (await indexed({ a: 'one.safetensors', b: 'two.safetensors' })).toThrow(
    /"a" is in one.safetensors too/,
  );
  await (await indexed({ a: 'three.safetensors' })).toThrow(/three.safetensors: no such file/);
  await (await indexed({})).toThrow(/expected "weight_map"/);
  await (await indexed(undefined)).toThrow(/expected "weight_map"/);
  await writeFile(join(directory, 'model.safetensors.index.json'), '{');
  await expect(readTensorEntries(directory)).rejects.toThrow(/not JSON/);
});

test('weights in another format are named', async () => {
  await writeFile(join(directory, 'pytorch_model.bin'), 'x');
  await expect(readTensorEntries(directory)).rejects.toThrow(/pytorch_model.bin is in another format/);
});
