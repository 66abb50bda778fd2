/**
 * Quantises weights to 8 bits, half of float16, or to 4, a little over a quarter of it.
 *
 * With 8 bits each row (output channel) of a matrix, of the token embedding and of a flattened convolution kernel becomes
 * whole numbers q in −127 … 127 and one float16 scale s, with w ≈ s·q. With 4 bits q is in −7 … 7, and each 32 weights of a
 * row have a scale of their own; rows that are no multiple of 32 long are kept with 8. Biases, layer norms and positions stay
 * float16. In the file the tensor `x` is I8 and `x.scale` F16 [rows], or U8 [rows, columns / 2] (two weights a byte, the first in
 * its low half, 8 added: as onnxruntime's MatMulNBits reads them) and F16 [rows, columns / 32]. readCheckpoint undoes this as it
 * reads.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { takeTurn } from '../abort.ts';
import { rowScales } from '../backend/row-scales.ts';
import { floatBytes, readCheckpoint, type Weight } from '../checkpoint/checkpoint.ts';
import { refuseUnlessModel, writeCheckpointDirectory } from '../checkpoint/directory.ts';
import type { TensorToWrite } from '../checkpoint/safetensors-write.ts';
import { UserError } from '../errors.ts';
import { lockFolder } from '../files/lock.ts';
import { checkRoomBeside, removeLeftovers } from '../files/write-whole.ts';
import { type Bits, GROUP, SCALE_SUFFIX, storedForm } from '../graph/stored-form.ts';
import { float16ToFloat32, float32ToFloat16 } from '../half-precision.ts';
import { modelFolder } from '../hub/model-folder.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import { copyEnglishHalf } from './english-half.ts';
import { copyExperts } from './expert-files.ts';
import { isQuantized, quantMethod, storedBits } from './quantized-weights.ts';

/** Below the 50 MB from which GitHub warns about a file. */
const SHARD_BYTES = 48_000_000;

export interface QuantizedRows {
  /** [rows, columns] */
  readonly values: Int8Array;
  /** float16 bits, [rows] */
  readonly scales: Uint16Array;
  /** Σ (w − s·q)² and Σ w² */
  readonly squaredError: number;
  readonly squaredNorm: number;
}

/** Quantises each row of `data` ([rows, columns]) symmetrically into ±limit, with the float16 scale of least squared error. */
export function quantizeRows(data: Float32Array, rows: number, limit: number): QuantizedRows {
  const columns = data.length / rows;
  const values = new Int8Array(data.length);
  const scales = rowScales(data, rows, limit);
  let squaredError = 0;
  let squaredNorm = 0;
  for (let row = 0; row < rows; row++) {
    const scale = scales[row]!;
    const inverse = Math.fround(1 / scale);
    for (let i = row * columns; i < (row + 1) * columns; i++) {
      const weight = data[i]!;
      values[i] = nearest(Math.fround(weight * inverse), limit);
      squaredError += (weight - values[i]! * scale) ** 2;
      squaredNorm += weight * weight;
    }
  }
  return { values, scales: float32ToFloat16(scales), squaredError, squaredNorm };
}

/** The whole number in ±limit, ties to the even one as everywhere in onnxruntime: at 1.5·2²³ float32 has a step of 1. */
function nearest(value: number, limit: number): number {
  const cut = Math.min(limit, Math.max(-limit, value));
  return Math.fround(cut + 12_582_912) - 12_582_912;
}

/** The weight of this name after the round trip through its stored form. */
export function quantizedWeight(name: string, { shape, data }: Weight, bits: Bits): Weight {
  if (!isQuantized(name, shape)) return { shape, data: float16ToFloat32(float32ToFloat16(data)) };
  const { limit, perScale } = storedForm(shape, bits);
  const { values, scales } = quantizeRows(data, data.length / perScale, limit);
  const floats = float16ToFloat32(scales);
  return { shape, data: Float32Array.from(values, (value, i) => value * floats[Math.floor(i / perScale)]!) };
}

/** Two weights of 4 bits a byte, the first in its low half, each with 8 added. */
function halfBytes(values: Int8Array): Uint8Array {
  return Uint8Array.from(
    { length: values.length / 2 },
    (_, i) => values[2 * i]! + 8 + ((values[2 * i + 1]! + 8) << 4),
  );
}

export interface QuantizeSummary {
  /** Size of the weight files of source and target. */
  readonly sourceBytes: number;
  readonly bytes: number;
  /** Tensors of the model, and how many of them have 8 or 4 bits. */
  readonly tensors: number;
  readonly quantized: number;
  /** ‖w − ŵ‖ / ‖w‖ over these tensors: the largest, whose it is, and the mean. */
  readonly maxRelativeError: number;
  readonly maxRelativeErrorTensor: string;
  readonly meanRelativeError: number;
  readonly seconds: number;
}

export interface QuantizeOptions extends Pick<WorkOptions, 'onProgress' | 'onNote' | 'signal'> {
  /** Directory of a Whisper model in Hugging Face layout. */
  readonly model: string;
  /** Directory to write; an older model there is replaced. */
  readonly output: string;
  /** Bits of a weight. Default 8. */
  readonly bits?: 8 | 4 | undefined;
}

/**
 * Writes a Whisper model with weights of 8 or 4 bits, which is read like any other.
 *
 * @throws UserError where either directory cannot be used
 */
export async function quantize(options: QuantizeOptions): Promise<QuantizeSummary> {
  const { model: source, output: target } = options;
  if (await isSameDirectory(source, target)) {
    throw new UserError(
      `${target}: is the source itself: quantising would replace it, name another directory`,
    );
  }
  await refuseUnlessModel(target);
  await checkRoomBeside(target);
  return lockFolder(target, () => quantizeInto(options), options);
}

async function quantizeInto({
  model: source,
  output: target,
  bits = 8,
  ...work
}: QuantizeOptions): Promise<QuantizeSummary> {
  const start = performance.now();
  await removeLeftovers(dirname(target), basename(target));
  const checkpoint = await readCheckpoint(await modelFolder(source, work));
  work.signal?.throwIfAborted();
  const known = storedBits(checkpoint.config);
  if (known === 4 || known === bits)
    throw new UserError(`${source}: is int${known} already (${quantMethod(known)})`);

  const tensors: TensorToWrite[] = [];
  const errors: [name: string, relative: number][] = [];
  const progress = stageProgress(work, 'quantising', checkpoint.weights.size);
  let done = 0;
  /** Called as the tensor is written: until the last one an abort leaves nothing. */
  const bytesOf = (bytes: () => Uint8Array) => (): Uint8Array => {
    work.signal?.throwIfAborted();
    return bytes();
  };
  for (const [name, weight] of checkpoint.weights) {
    const { shape } = weight;
    await takeTurn(work.signal);
    progress(++done);
    if (!isQuantized(name, shape)) {
      tensors.push({
        name,
        shape,
        dtype: 'F16',
        bytes: bytesOf(() => floatBytes(name, weight.data, 'float16')),
      });
      continue;
    }
    const { bits: own, limit, perScale, scaleShape } = storedForm(shape, bits);
    const { values, scales, squaredError, squaredNorm } = quantizeRows(
      weight.data,
      weight.data.length / perScale,
      limit,
    );
    if (scales.some((half) => half >= 0x7c00)) {
      throw new UserError(
        `${source}: tensor "${name}" has values too large for int${own} with a float16 scale`,
      );
    }
    checkpoint.weights.delete(name); // its float32 copy is not needed any more
    errors.push([name, squaredNorm === 0 ? 0 : Math.sqrt(squaredError / squaredNorm)]);
    tensors.push(
      own === 8
        ? { name, shape, dtype: 'I8', bytes: bytesOf(() => new Uint8Array(values.buffer)) }
        : {
            name,
            shape: [shape[0]!, values.length / shape[0]! / 2],
            dtype: 'U8',
            bytes: bytesOf(() => halfBytes(values)),
          },
    );
    tensors.push({
      name: name + SCALE_SUFFIX,
      shape: scaleShape,
      dtype: 'F16',
      bytes: bytesOf(() => new Uint8Array(scales.buffer)),
    });
  }
  await writeCheckpointDirectory(target, {
    ...checkpoint,
    config: {
      ...checkpoint.config,
      quantization_config: {
        ...{ quant_method: quantMethod(bits), bits, symmetric: true },
        ...(bits === 8 ? { granularity: 'row' } : { granularity: 'group', group_size: GROUP }),
      },
    },
    companionsFrom: source,
    tensors,
    maxShardBytes: SHARD_BYTES,
  });
  await copyExperts(source, target);
  await copyEnglishHalf(source, target);
  const [worst, maxRelativeError] = errors.reduce((a, b) => (b[1] > a[1] ? b : a));
  return {
    sourceBytes: await weightBytes(source),
    bytes: await weightBytes(target),
    tensors: tensors.length - errors.length,
    quantized: errors.length,
    maxRelativeError,
    maxRelativeErrorTensor: worst,
    meanRelativeError: errors.reduce((sum, [, error]) => sum + error, 0) / errors.length,
    seconds: (performance.now() - start) / 1000,
  };
}

async function isSameDirectory(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all([a, b].map((path) => realpath(path).catch(() => undefined)));
  return first !== undefined && first === second;
}

async function weightBytes(directory: string): Promise<number> {
  const names = (await readdir(directory)).filter((name) => name.endsWith('.safetensors'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
