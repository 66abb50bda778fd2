/** Named weights as float32 in a safetensors file of their own: heads on top of Whisper. */
import { UserError } from '../errors.ts';
import { writing } from '../files/write-whole.ts';
import type { Weight } from './checkpoint.ts';
import { readFileEntries, readFloat32 } from './safetensors.ts';
import { writeSafetensors } from './safetensors-write.ts';

/** Writes weights as float32 into one safetensors file. */
export function writeFloat32Weights(file: string, weights: ReadonlyMap<string, Weight>): Promise<void> {
  const tensors = [...weights].map(([name, { shape, data }]) => ({
    name,
    shape,
    dtype: 'F32' as const,
    bytes: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }));
  return writing(file, () => writeSafetensors(file, tensors));
}

/** Reads weights of the given shapes as float32. @throws UserError where the file does not hold exactly these */
export async function readFloat32Weights(
  file: string,
  shapes: ReadonlyMap<string, readonly number[]>,
): Promise<Map<string, Weight>> {
  const weights = new Map<string, Weight>();
  for await (const { entry, data } of readFloat32(await readFileEntries(file))) {
    weights.set(entry.name, { shape: entry.shape, data });
  }
  for (const [name, shape] of shapes) {
    const found = weights.get(name)?.shape;
    if (found?.join() !== shape.join()) {
      throw new UserError(
        `${file}: found ${found ? `[${found}]` : 'no such weight'} as "${name}"; expected [${shape}]`,
      );
    }
  }
  return weights;
}
