/** Writes weights into .safetensors files: one file, or shards with an index. */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceWhole, writeJson } from '../files/write-whole.ts';
import { CHUNK_BYTES, INDEX_FILE, SINGLE_FILE } from './safetensors.ts';
import { DTYPE_BYTES, type Dtype, elementCount } from './safetensors-header.ts';

/** A tensor to write; `bytes` is called when its turn comes, so that only one needs to be held converted. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  bytes(): Uint8Array;
}

/** Writes one .safetensors file, which appears only when it is complete. */
export async function writeSafetensors(file: string, tensors: readonly TensorToWrite[]): Promise<void> {
  // Wide dtypes first, as the reference implementation does: then every tensor is aligned to its element.
  const ordered = [...tensors].sort((a, b) => DTYPE_BYTES[b.dtype] - DTYPE_BYTES[a.dtype]);
  const described: [string, unknown][] = [['__metadata__', { format: 'pt' }]];
  let offset = 0;
  for (const { name, dtype, shape } of ordered) {
    const end = offset + tensorBytes({ dtype, shape });
    described.push([name, { dtype, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(described)));
  const header = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20); // spaces: data start aligned
  header.set(json);
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(header.length), true);

  await replaceWhole(file, async (incomplete) => {
    const handle = await open(incomplete, 'w');
    try {
      await writeFully(handle, prefix);
      await writeFully(handle, header);
      for (const tensor of ordered) {
        const bytes = tensor.bytes();
        if (bytes.length !== tensorBytes(tensor)) {
          throw new Error(
            `internal: tensor "${tensor.name}" has ${bytes.length} bytes, not as its shape says`,
          );
        }
        await writeFully(handle, bytes);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  });
}

/**
 * Writes weights into `directory`, as one file or, where they exceed `maxShardBytes`, as shards with an index.
 * Tensors keep their order over the shards; one that is larger than a shard gets its own.
 */
export async function writeWeights(
  directory: string,
  tensors: readonly TensorToWrite[],
  maxShardBytes: number,
): Promise<void> {
  const shards: TensorToWrite[][] = [];
  let room = -1;
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor);
    if (bytes > room) {
      shards.push([]);
      room = maxShardBytes;
    }
    room -= bytes;
    shards.at(-1)!.push(tensor);
  }
  if (shards.length <= 1) return writeSafetensors(join(directory, SINGLE_FILE), tensors);

  const weightMap = new Map<string, string>();
  const total = String(shards.length).padStart(5, '0');
  for (const [index, shard] of shards.entries()) {
    const file = `model-${String(index + 1).padStart(5, '0')}-of-${total}.safetensors`;
    await writeSafetensors(join(directory, file), shard);
    for (const { name } of shard) weightMap.set(name, file);
  }
  const totalBytes = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(weightMap) };
  await writeJson(join(directory, INDEX_FILE), index);
}

function tensorBytes({ dtype, shape }: Pick<TensorToWrite, 'dtype' | 'shape'>): number {
  return elementCount(shape) * DTYPE_BYTES[dtype];
}

async function writeFully(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(CHUNK_BYTES, bytes.length - done));
    done += bytesWritten;
  }
}
