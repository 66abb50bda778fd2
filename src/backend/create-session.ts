/** Sessions of onnxruntime as this program has them, on the thread's device. */
import { workerData } from 'node:worker_threads';
import { weightOf } from './memory.ts';
import ort from './onnxruntime.ts';
import { productWeights } from './product-weights.ts';
import type { WorkerOptions } from './protocol.ts';

const { device } = workerData as WorkerOptions;

/** Whether outputs can stay on the device between runs: onnxruntime keeps those of WebGPU; CUDA's pass through the host. */
export const keepsOnDevice = device === 'webgpu';

interface CreationOptions {
  readonly builtIn: readonly string[];
  readonly threads: number;
  readonly arena?: boolean;
  /** Outputs that stay on the device. */
  readonly onDevice?: readonly string[];
}

export async function createSession(
  bytes: Uint8Array,
  { builtIn, threads, arena = true, onDevice = [] }: CreationOptions,
): Promise<ort.InferenceSession> {
  const laidOut = productWeights((name) => weightOf(name) as ort.TypedTensor<'float32'>);
  const externalData = builtIn.map((name) => {
    const data = laidOut(name) ?? (weightOf(name).data as Float32Array);
    return { path: name, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  });
  return ort.InferenceSession.create(bytes, {
    ...(device !== 'cpu' && {
      executionProviders: [device],
      logSeverityLevel: 4 as const, // errors are thrown; it warns that it computes shapes on the CPU
    }),
    ...(device === 'webgpu' &&
      onDevice.length > 0 && {
        preferredOutputLocation: Object.fromEntries(onDevice.map((name) => [name, 'gpu-buffer'])),
      }),
    // The graph is written for the runtime as it is; its optimisers cost start-up time and gain nothing measurable.
    graphOptimizationLevel: 'disabled',
    enableCpuMemArena: arena,
    // A plan for each new shape of inputs would be kept, and its memory with it; lengths vary from run to run.
    enableMemPattern: false,
    intraOpNumThreads: threads,
    // Numbers below 1e-38, which the tails of softmax and GELU are full of, make products several times as slow.
    extra: { session: { set_denormal_as_zero: '1' } },
    ...(externalData.length > 0 && { externalData }),
  } as ort.InferenceSession.SessionOptions);
}
