/** Reads weights in .safetensors files: one file, or shards that model.safetensors.index.json lists. */
import { type FileHandle, open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { UserError } from '../errors.ts';
import { bfloat16ToFloat32, firstNonFinite, float16ToFloat32 } from '../half-precision.ts';
import { elementCount, parseHeader, parseHeaderLength, type TensorEntry } from './safetensors-header.ts';

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

/** 64 MB a call: few calls, and below the 2 GB that one read can take. */
export const CHUNK_BYTES = 64 * 1024 * 1024;

/** The index of a sharded Whisper takes 0.2 MB; a longer one is a damaged or hostile file. */
const MAX_INDEX_BYTES = 25_000_000;

/** Place of each tensor of the weights in `directory`; reads headers only. */
export async function readTensorEntries(directory: string): Promise<Map<string, TensorEntry>> {
  const names = await readdir(directory);
  let files: string[];
  let shardOf: Map<string, string> | undefined;
  if (names.includes(SINGLE_FILE)) {
    files = [SINGLE_FILE];
  } else if (names.includes(INDEX_FILE)) {
    shardOf = await readIndex(join(directory, INDEX_FILE));
    files = [...new Set(shardOf.values())];
  } else {
    const other = names.find((name) => /\.(bin|pt|pth|ckpt|h5|msgpack|gguf|onnx)$/.test(name));
    const found =
      other === undefined
        ? ''
        : `; ${other} is in another format: convert it with transformers ` +
          '(from_pretrained and save_pretrained write safetensors)';
    throw new UserError(`${directory}: holds no weights: expected ${SINGLE_FILE} or ${INDEX_FILE}${found}`);
  }
  const entries = new Map<string, TensorEntry>();
  for (const file of files) {
    for (const entry of await readFileEntries(join(directory, file))) {
      const earlier = entries.get(entry.name);
      if (earlier !== undefined) {
        throw new UserError(`${entry.file}: tensor "${entry.name}" is in ${basename(earlier.file)} too`);
      }
      entries.set(entry.name, entry);
    }
  }
  for (const [name, file] of shardOf ?? []) {
    const entry = entries.get(name);
    if (entry === undefined || basename(entry.file) !== file) {
      throw new UserError(
        `${join(directory, file)}: lacks tensor "${name}", which ${INDEX_FILE} places there`,
      );
    }
  }
  return entries;
}

/** The tensors of one .safetensors file, in the order of their data. */
export async function readFileEntries(file: string): Promise<TensorEntry[]> {
  return withFile(file, async (handle) => {
    const { size } = await handle.stat();
    const prefix = new Uint8Array(Math.min(8, size));
    await readFully(handle, file, prefix, 0);
    const header = new Uint8Array(parseHeaderLength(file, prefix, size));
    await readFully(handle, file, header, 8);
    return parseHeader(file, header, size);
  });
}

async function readIndex(file: string): Promise<Map<string, string>> {
  const { size } = await stat(file);
  if (size > MAX_INDEX_BYTES) throw new UserError(`${file}: ${size} bytes, the limit is ${MAX_INDEX_BYTES}`);
  let weightMap: unknown;
  try {
    weightMap = (JSON.parse(await readFile(file, 'utf8')) as { weight_map?: unknown } | null)?.weight_map;
  } catch {
    throw new UserError(`${file}: not JSON`);
  }
  if (typeof weightMap !== 'object' || weightMap === null || Object.keys(weightMap).length === 0) {
    throw new UserError(`${file}: expected "weight_map", an object that gives each tensor's file`);
  }
  const shards = Object.entries(weightMap);
  for (const [name, shard] of shards) {
    // A plain name: an index must not make us read outside its directory.
    if (typeof shard !== 'string' || !/^[\w.-]+\.safetensors$/.test(shard)) {
      throw new UserError(`${file}: tensor "${name}": expected the name of a .safetensors file beside it`);
    }
  }
  return new Map(shards);
}

/**
 * Reads tensors one after the other, in file order, as float32. Each is read into the last bytes of the array
 * it is returned in and widened there, so no second copy is ever held; the next is read meanwhile.
 *
 * @param scales for I8 and U8 tensors: by name, a factor for each row, or group of a row; without, 1 for all of it
 * @throws UserError when a file ends early or a value is not finite
 */
export async function* readFloat32(
  entries: Iterable<TensorEntry>,
  scales: ReadonlyMap<string, Float32Array> = new Map(),
): AsyncGenerator<{ entry: TensorEntry; data: Float32Array }> {
  const byFile = new Map<string, TensorEntry[]>();
  for (const entry of entries) byFile.set(entry.file, [...(byFile.get(entry.file) ?? []), entry]);
  for (const [file, inFile] of byFile) {
    inFile.sort((a, b) => a.begin - b.begin);
    const handle = await openFile(file);
    let pending: Promise<Float32Array> | undefined;
    try {
      for (const [position, entry] of inFile.entries()) {
        const data = await (pending ?? readTail(handle, entry));
        const next = inFile[position + 1];
        pending = next && readTail(handle, next);
        pending?.catch(() => {}); // reported when its turn comes, or not at all after an earlier error
        widen(entry, data, scales.get(entry.name));
        yield { entry, data };
      }
    } finally {
      await pending?.catch(() => {});
      await handle.close();
    }
  }
}

/** A float32 array for the whole tensor, its last bytes filled with the tensor as it is in the file. */
async function readTail(handle: FileHandle, entry: TensorEntry): Promise<Float32Array> {
  const data = new Float32Array(elementCount(entry.shape));
  const bytes = entry.end - entry.begin;
  const tail = new Uint8Array(data.buffer, data.byteLength - bytes, bytes);
  await readFully(handle, entry.file, tail, entry.begin);
  return data;
}

function widen(entry: TensorEntry, data: Float32Array, scales: Float32Array = Float32Array.of(1)): void {
  const { dtype, name, file } = entry;
  const { buffer, byteLength } = data;
  const count = data.length;
  if (dtype === 'F16') float16ToFloat32(new Uint16Array(buffer, byteLength - count * 2, count), data);
  if (dtype === 'BF16') bfloat16ToFloat32(new Uint16Array(buffer, byteLength - count * 2, count), data);
  if (dtype === 'I8') {
    scaleRows(new Int8Array(buffer, byteLength - count, count), scales, data);
    return; // whole numbers times scales that were checked when they were read
  }
  if (dtype === 'U8') {
    if (2 * (entry.end - entry.begin) !== count) {
      throw new UserError(`${file}: tensor "${name}" is U8, expected that of weights of the model only`);
    }
    scaleHalfBytes(new Uint8Array(buffer, byteLength - count / 2, count / 2), scales, data);
    return;
  }
  const bad = firstNonFinite(data);
  if (bad >= 0) {
    throw new UserError(`${file}: tensor "${name}": value ${bad} is ${data[bad]}, expected finite weights`);
  }
}

/** `source` may be the last quarter of `target`'s memory: values are read before they are overwritten. */
function scaleRows(source: Int8Array, scales: Float32Array, target: Float32Array): void {
  if (source.length === 0) return; // whatever the other sizes claim
  const columns = source.length / scales.length;
  for (const [row, scale] of scales.entries()) {
    const end = (row + 1) * columns;
    let i = row * columns;
    // Four at a time: V8 does not unroll by itself, and this is where reading an int8 model spends its time.
    for (; i + 3 < end; i += 4) {
      target[i] = source[i]! * scale;
      target[i + 1] = source[i + 1]! * scale;
      target[i + 2] = source[i + 2]! * scale;
      target[i + 3] = source[i + 3]! * scale;
    }
    for (; i < end; i++) target[i] = source[i]! * scale;
  }
}

/** As `scaleRows`, of weights of 4 bits, the first of a byte in its low half, each with 8 added. */
function scaleHalfBytes(source: Uint8Array, scales: Float32Array, target: Float32Array): void {
  if (source.length === 0) return;
  const perScale = source.length / scales.length;
  for (const [group, scale] of scales.entries()) {
    for (let i = group * perScale; i < (group + 1) * perScale; i++) {
      const pair = source[i]!;
      target[2 * i] = ((pair & 15) - 8) * scale;
      target[2 * i + 1] = ((pair >> 4) - 8) * scale;
    }
  }
}

async function openFile(file: string): Promise<FileHandle> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) throw new UserError(`${file}: no such file`);
  if (!found.isFile()) throw new UserError(`${file}: expected a file, found a directory or device`);
  return open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${file}: cannot be read (${error.code})`);
  });
}

async function withFile<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  const handle = await openFile(file);
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

async function readFully(
  handle: FileHandle,
  file: string,
  target: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(CHUNK_BYTES, target.length - done);
    const { bytesRead } = await handle.read(target, done, length, position + done);
    if (bytesRead === 0) throw new UserError(`${file}: ended at byte ${position + done} while it was read`);
    done += bytesRead;
  }
}
