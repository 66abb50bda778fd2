/** Compiled graphs of the computing thread, and tensors that stay there between runs. */

import { copied } from './copy.ts';
import { createSession, keepsOnDevice } from './create-session.ts';
import { runInPlace } from './in-place-run.ts';
import { fromHost, lookUp, toHost, weightOf } from './memory.ts';
import ort from './onnxruntime.ts';
import type { DeclaredTensor, HostTensor, RequestOf } from './protocol.ts';
import type { BlockedWeight, GradientParts, RowBlock } from './session-memory.ts';

interface Program {
  session: ort.InferenceSession;
  fed: readonly string[];
  blocks: readonly BlockedWeight[];
  gradients: readonly GradientParts[];
  /** Outputs that stay on a graphics card. */
  onDevice: ReadonlySet<string>;
}

const keptTensors = new Map<number, ort.Tensor>();
const programs = new Map<number, Program>();
let nextId = 1;

export async function load(
  { bytes, builtIn, fed, blocks, gradients, kept, arena }: RequestOf<'load'>,
  threads: number,
) {
  const session = await createSession(bytes, { builtIn, threads, arena, onDevice: kept });
  const id = nextId++;
  const onDevice = new Set(keepsOnDevice ? kept : []);
  programs.set(id, { session, fed, blocks, gradients, onDevice });
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
  programs.set(id, { session, fed: [], blocks: [], gradients: [], onDevice: new Set() });
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
  const { session, fed, blocks, gradients, onDevice } = lookUp(programs, request.program, 'program');
  const feeds: Record<string, ort.Tensor> = {};
  for (const name of fed) feeds[name] = weightOf(name);
  for (const weight of blocks) {
    Object.assign(feeds, blockTensors(weight.blocks, weightOf(weight.parameter).data as Float32Array));
  }
  for (const [name, value] of Object.entries(request.feeds)) {
    feeds[name] = typeof value === 'number' ? lookUp(keptTensors, value, 'tensor') : fromHost(value);
  }
  const fetches: Record<string, ort.Tensor | null> = {};
  // Where some outputs stay on the card, the binding gives onnxruntime the last run's tensor for each that is not asked for.
  const asked = onDevice.size > 0 ? session.outputNames : [...request.fetch, ...request.keep];
  for (const name of asked) fetches[name] = null;
  for (const { parameter, blocks, added } of gradients) {
    Object.assign(fetches, blockTensors(blocks, gradientOf(parameter)));
    for (const { rows, ids } of added) {
      fetches[rows] = null;
      fetches[ids] = null;
    }
  }
  const results =
    gradients.length > 0 ? await runInPlace(session, feeds, fetches) : await session.run(feeds, fetches);
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
    const { dtype, shape, data } = toHost(onDevice.has(name) ? await copied(results[name]!) : results[name]!);
    // Copied, because a buffer that onnxruntime lent cannot change threads.
    fetched[name] = { dtype, shape, data: data.slice() };
  }
  for (const name of onDevice) if (!(name in kept)) results[name]!.dispose();
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
