/** Compiled graphs of the computing thread, and tensors that stay there between runs. */

import { fromHost, lookUp, toHost, weightOf } from './memory.ts';
import ort from './onnxruntime.ts';
import { productWeights } from './product-weights.ts';
import type { DeclaredTensor, HostTensor, RequestOf } from './protocol.ts';

interface Program {
  session: ort.InferenceSession;
  fed: readonly string[];
  gradients: readonly string[];
}

const keptTensors = new Map<number, ort.Tensor>();
const programs = new Map<number, Program>();
let nextId = 1;

export async function load({ bytes, builtIn, fed, gradients, arena }: RequestOf<'load'>, threads: number) {
  const laidOut = productWeights((name) => weightOf(name) as ort.TypedTensor<'float32'>);
  const externalData = builtIn.map((name) => {
    const data = laidOut(name) ?? (weightOf(name).data as Float32Array);
    return { path: name, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  });
  const session = await ort.InferenceSession.create(bytes, {
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
  const id = nextId++;
  programs.set(id, { session, fed, gradients });
  return id;
}

/** A model that another program wrote, which onnxruntime optimises. Files of external data lie beside it. */
export async function loadFile(file: string, threads: number) {
  const session = await ort.InferenceSession.create(file, {
    enableMemPattern: false,
    intraOpNumThreads: threads,
    logSeverityLevel: 3, // its warnings are about the file, and not for who uses it
  });
  const id = nextId++;
  programs.set(id, { session, fed: [], gradients: [] });
  const declared = (all: readonly ort.InferenceSession.ValueMetadata[]): DeclaredTensor[] =>
    all.map((value) => ({
      name: value.name,
      dtype: value.isTensor ? value.type : 'no tensor',
      shape: value.isTensor ? value.shape : [],
    }));
  return { id, inputs: declared(session.inputMetadata), outputs: declared(session.outputMetadata) };
}

export async function unload(program: number): Promise<void> {
  await lookUp(programs, program, 'program').session.release();
  programs.delete(program);
}

/** @param gradientOf memory that the gradient of a weight is written to */
export async function run(
  request: RequestOf<'run'>,
  gradientOf: (name: string) => ort.Tensor,
): Promise<{ fetched: Record<string, HostTensor>; kept: Record<string, number> }> {
  const { session, fed, gradients } = lookUp(programs, request.program, 'program');
  const feeds: Record<string, ort.Tensor> = {};
  for (const name of fed) feeds[name] = weightOf(name);
  for (const [name, value] of Object.entries(request.feeds)) {
    feeds[name] = typeof value === 'number' ? lookUp(keptTensors, value, 'tensor') : fromHost(value);
  }
  const fetches: Record<string, ort.Tensor | null> = {};
  for (const name of [...request.fetch, ...request.keep]) fetches[name] = null;
  for (const name of gradients) fetches[`gradient:${name}`] = gradientOf(name);
  const results = await session.run(feeds, fetches);
  free(request.free);
  const fetched: Record<string, HostTensor> = {};
  const kept: Record<string, number> = {};
  for (const name of request.keep) {
    keptTensors.set(nextId, results[name]!);
    kept[name] = nextId++;
  }
  for (const name of request.fetch) {
    const { dtype, shape, data } = toHost(results[name]!);
    // Copied, because a buffer that onnxruntime lent cannot change threads.
    fetched[name] = { dtype, shape, data: data.slice() };
  }
  return { fetched, kept };
}

export function free(ids: readonly number[]): void {
  for (const id of ids) {
    lookUp(keptTensors, id, 'tensor').dispose();
    keptTensors.delete(id);
  }
}
