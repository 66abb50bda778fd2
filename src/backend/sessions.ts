/** Compiled graphs of the computing thread, and tensors that stay there between runs. */

import { fromHost, lookUp, toHost, weightOf } from './memory.ts';
import ort from './onnxruntime.ts';
import { productWeights } from './product-weights.ts';
import type { DeclaredTensor, HostTensor, RequestOf } from './protocol.ts';
import type { BlockedWeight, GradientParts, RowBlock } from './session-memory.ts';

interface Program {
  session: ort.InferenceSession;
  fed: readonly string[];
  blocks: readonly BlockedWeight[];
  gradients: readonly GradientParts[];
}

const keptTensors = new Map<number, ort.Tensor>();
const programs = new Map<number, Program>();
let nextId = 1;

export async function load(
  { bytes, builtIn, fed, blocks, gradients, arena }: RequestOf<'load'>,
  threads: number,
) {
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
    extra: {
      session: {
        set_denormal_as_zero: '1',
        // Threads that go on spinning after a training step would take the cores from the optimizer's.
        force_spinning_stop: gradients.length > 0 ? '1' : '0',
      },
    },
    ...(externalData.length > 0 && { externalData }),
  } as ort.InferenceSession.SessionOptions);
  const id = nextId++;
  programs.set(id, { session, fed, blocks, gradients });
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
  programs.set(id, { session, fed: [], blocks: [], gradients: [] });
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
  gradientOf: (name: string) => Float32Array,
): Promise<{ fetched: Record<string, HostTensor>; kept: Record<string, number> }> {
  const { session, fed, blocks, gradients } = lookUp(programs, request.program, 'program');
  const feeds: Record<string, ort.Tensor> = {};
  for (const name of fed) feeds[name] = weightOf(name);
  for (const weight of blocks) {
    Object.assign(feeds, blockTensors(weight.blocks, weightOf(weight.parameter).data as Float32Array));
  }
  for (const [name, value] of Object.entries(request.feeds)) {
    feeds[name] = typeof value === 'number' ? lookUp(keptTensors, value, 'tensor') : fromHost(value);
  }
  const fetches: Record<string, ort.Tensor | null> = {};
  for (const name of [...request.fetch, ...request.keep]) fetches[name] = null;
  for (const { parameter, blocks, added } of gradients) {
    Object.assign(fetches, blockTensors(blocks, gradientOf(parameter)));
    for (const { rows, ids } of added) {
      fetches[rows] = null;
      fetches[ids] = null;
    }
  }
  const results = await session.run(feeds, fetches);
  free(request.free);
  for (const { parameter, blocks, added } of gradients) {
    if (blocks.length === 0) gradientOf(parameter).fill(0);
    for (const { rows, ids } of added) addRows(gradientOf(parameter), results[rows]!, results[ids]!);
  }
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

/** Consecutive rows of `memory`, by the names of inputs or outputs. */
function blockTensors(blocks: readonly RowBlock[], memory: Float32Array): Record<string, ort.Tensor> {
  let end = 0;
  return Object.fromEntries(
    blocks.map(({ name, shape }) => {
      const start = end;
      end += shape.reduce((a, b) => a * b, 1);
      return [name, new ort.Tensor('float32', memory.subarray(start, end), shape)];
    }),
  );
}

/** Adds rows [n, width] to those of a table at `ids` [n], which may repeat. */
function addRows(table: Float32Array, rows: ort.Tensor, ids: ort.Tensor): void {
  const values = rows.data as Float32Array;
  const width = rows.dims[1]!;
  (ids.data as BigInt64Array).forEach((id, row) => {
    const [to, from] = [Number(id) * width, row * width];
    for (let i = 0; i < width; i++) table[to + i]! += values[from + i]!;
  });
}

export function free(ids: readonly number[]): void {
  for (const id of ids) {
    lookUp(keptTensors, id, 'tensor').dispose();
    keptTensors.delete(id);
  }
}
