/** Runs whose outputs are all written where they are to lie. */

import { type Sizes, sizeOf } from '../graph/graph.ts';
import ort from './onnxruntime.ts';
import { SEQUENCE } from './protocol.ts';

/** What onnxruntime's binding says of an output that is no tensor. */
const NO_TENSOR = 'Non tensor type is temporarily not supported';

const ARRAYS = { float32: Float32Array, int64: BigInt64Array } as const;

/**
 * Runs a session whose first output is a sequence. onnxruntime's binding for Node copies every output once more, also those that
 * the run wrote to memory it was given: of all gradients of a Whisper base this is 300 MB, and a tenth of a step's time. A
 * sequence it cannot hand over, so it ends there, after the run and before the copies.
 * @param fetches memory of each output; null: new memory
 */
export async function runInPlace(
  session: ort.InferenceSession,
  feeds: Readonly<Record<string, ort.Tensor>>,
  fetches: Readonly<Record<string, ort.Tensor | null>>,
): Promise<Record<string, ort.Tensor>> {
  const sizes = sizesOf(session, feeds);
  const results: Record<string, ort.Tensor> = {};
  for (const value of session.outputMetadata) {
    if (!value.isTensor || fetches[value.name] === undefined) continue;
    results[value.name] = fetches[value.name] ?? emptyTensor(value, sizes);
  }
  try {
    await session.run(feeds, { ...results, [SEQUENCE]: null });
  } catch (error) {
    if (!(error as Error).message.startsWith(NO_TENSOR)) throw error;
  }
  return results;
}

function sizesOf(session: ort.InferenceSession, feeds: Readonly<Record<string, ort.Tensor>>): Sizes {
  const sizes = new Map<string, number>();
  for (const value of session.inputMetadata) {
    if (!value.isTensor) continue;
    value.shape.forEach((dim, axis) => {
      if (typeof dim === 'string') sizes.set(dim, feeds[value.name]!.dims[axis]!);
    });
  }
  return sizes;
}

function emptyTensor({ type, shape }: ort.InferenceSession.TensorValueMetadata, sizes: Sizes): ort.Tensor {
  const dims = shape.map((dim) => sizeOf(dim, sizes));
  const data = new ARRAYS[type as keyof typeof ARRAYS](dims.reduce((a, b) => a * b, 1));
  return new ort.Tensor(type as 'float32', data as Float32Array, dims);
}
