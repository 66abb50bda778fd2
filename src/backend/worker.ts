/**
 * The thread in which everything is computed: onnxruntime's run() blocks, and values that stay here (weights,
 * caches, gradients) are never copied between threads. See runtime.ts for the other side.
 */
import { parentPort, workerData } from 'node:worker_threads';
import ort from 'onnxruntime-node';
import { SCALE_SUFFIX, scaleShape } from '../graph/int8.ts';
import { AdamW } from './adamw.ts';
import type { HostTensor, Reply, Request, WorkerOptions } from './protocol.ts';
import { rowScales } from './row-scales.ts';

if (!parentPort) throw new Error('internal: graph/worker must run as a worker thread');
const port = parentPort;
const { threads } = workerData as WorkerOptions;

interface Program {
  session: ort.InferenceSession;
  fed: readonly string[];
  gradients: readonly string[];
}

const weights = new Map<string, ort.Tensor>();
const residents = new Map<number, ort.Tensor>();
const programs = new Map<number, Program>();
let optimizer: AdamW | undefined;
let nextId = 1;

function fromHost({ dtype, shape, data }: HostTensor): ort.Tensor {
  return new ort.Tensor(dtype as 'float32', data as Float32Array, shape);
}

function toHost(tensor: ort.Tensor): HostTensor {
  return {
    dtype: tensor.type as HostTensor['dtype'],
    shape: tensor.dims,
    data: tensor.data as HostTensor['data'],
  };
}

function found<K, V>(map: ReadonlyMap<K, V>, key: K, what: string): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`internal: no ${what} ${String(key)} in the worker`);
  return value;
}

async function handle(request: Request): Promise<{ value: unknown; transfer?: ArrayBuffer[] }> {
  switch (request.type) {
    case 'store':
      for (const [name, tensor] of request.weights) {
        const trained = optimizer?.parameters.get(name);
        // The optimizer goes on with these values: its memory is where the weight is.
        if (trained) (trained.data as Float32Array).set(tensor.data as Float32Array);
        else weights.set(name, fromHost(tensor));
      }
      return { value: undefined };
    case 'read': {
      // Copies: the weight itself stays in use here.
      const values = request.names.map((name) => {
        const { dtype, shape, data } = toHost(found(weights, name, 'weight'));
        return { dtype, shape, data: data.slice() };
      });
      return { value: values, transfer: values.map(({ data }) => data.buffer as ArrayBuffer) };
    }
    case 'row-scales':
      for (const name of request.names) {
        const { data, dims } = found(weights, name, 'weight');
        const scales = rowScales(data as Float32Array, dims[0]!);
        weights.set(`${name}${SCALE_SUFFIX}`, new ort.Tensor('float32', scales, scaleShape(dims)));
      }
      return { value: undefined };
    case 'load': {
      const externalData = request.builtIn.map((name) => {
        const data = found(weights, name, 'weight').data as Float32Array;
        return { path: name, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
      });
      const session = await ort.InferenceSession.create(request.bytes, {
        // The graph is written for the runtime as it is; its optimisers cost start-up time and gain nothing measurable.
        graphOptimizationLevel: 'disabled',
        enableCpuMemArena: request.arena,
        // A plan for each new shape of inputs would be kept, and its memory with it; lengths vary from run to run.
        enableMemPattern: false,
        intraOpNumThreads: threads,
        // Numbers below 1e-38, which the tails of softmax and GELU are full of, make products several times as slow.
        extra: { session: { set_denormal_as_zero: '1' } },
        ...(externalData.length > 0 && { externalData }),
      } as ort.InferenceSession.SessionOptions);
      const id = nextId++;
      programs.set(id, { session, fed: request.fed, gradients: request.gradients });
      return { value: id };
    }
    case 'unload': {
      await found(programs, request.program, 'program').session.release();
      programs.delete(request.program);
      return { value: undefined };
    }
    case 'run': {
      const { session, fed, gradients } = found(programs, request.program, 'program');
      const feeds: Record<string, ort.Tensor> = {};
      for (const name of fed) feeds[name] = found(weights, name, 'weight');
      for (const [name, value] of Object.entries(request.feeds)) {
        feeds[name] = typeof value === 'number' ? found(residents, value, 'resident') : fromHost(value);
      }
      const fetches: Record<string, ort.Tensor | null> = {};
      for (const name of [...request.fetch, ...request.keep]) fetches[name] = null;
      for (const name of gradients)
        fetches[`gradient:${name}`] = found(optimizer!.gradients, name, 'gradient');
      const results = await session.run(feeds, fetches);
      for (const id of request.free) free(id);
      const fetched: Record<string, HostTensor> = {};
      const kept: Record<string, number> = {};
      const transfer: ArrayBuffer[] = [];
      for (const name of request.keep) {
        residents.set(nextId, results[name]!);
        kept[name] = nextId++;
      }
      for (const name of request.fetch) {
        const { dtype, shape, data } = toHost(results[name]!);
        // Copied, because a buffer that onnxruntime lent cannot change threads.
        const copy = data.slice();
        fetched[name] = { dtype, shape, data: copy };
        transfer.push(copy.buffer as ArrayBuffer);
      }
      return { value: { fetched, kept }, transfer };
    }
    case 'free':
      for (const id of request.residents) free(id);
      return { value: undefined };
    case 'adamw-create': {
      optimizer = new AdamW(
        request.names.map((name) => [name, found(weights, name, 'weight')]),
        request.accumulates,
        request.state,
      );
      for (const [name, tensor] of optimizer.parameters) weights.set(name, tensor);
      return { value: undefined };
    }
    case 'adamw-accumulate':
      return { value: optimizer!.accumulate(request.share, request.anew) };
    case 'adamw-step':
      return { value: optimizer!.step(request.options) };
    case 'adamw-state': {
      const state = optimizer!.state();
      const buffers = [...state.means, ...state.squares].map(({ buffer }) => buffer as ArrayBuffer);
      return { value: state, transfer: buffers };
    }
    case 'adamw-release':
      // The weights move out of the optimizer's memory, so that it can go.
      for (const [name, tensor] of optimizer!.parameters) {
        weights.set(name, new ort.Tensor('float32', (tensor.data as Float32Array).slice(), tensor.dims));
      }
      optimizer = undefined;
      return { value: undefined };
  }
}

function free(id: number): void {
  found(residents, id, 'resident').dispose();
  residents.delete(id);
}

// One request at a time, in the order of arrival.
let last: Promise<unknown> = Promise.resolve();
port.on('message', ({ id, request }: { id: number; request: Request }) => {
  last = last.then(async () => {
    try {
      const { value, transfer = [] } = await handle(request);
      port.postMessage({ id, value } satisfies Reply, transfer);
    } catch (error) {
      port.postMessage({ id, error: error instanceof Error ? error.message : String(error) } satisfies Reply);
    }
  });
});
