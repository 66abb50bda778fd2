/**
 * The computing thread: onnxruntime's run() blocks, and values that stay here (weights, caches, gradients) are never
 * copied between threads. See runtime.ts for the other side.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { probe } from './copy.ts';
import * as steps from './device-steps.ts';
import { fromHost, setRowScales, setWeight, weightCopies } from './memory.ts';
import * as optimizer from './optimizer.ts';
import { BUSY, ENDING, type HostTensor, type Reply, type Request, type WorkerOptions } from './protocol.ts';
import * as sessions from './sessions.ts';

if (!parentPort) throw new Error('internal: backend/worker must run as a worker thread');
const port = parentPort;
const { threads, flags } = workerData as WorkerOptions;

interface Handled {
  readonly value: unknown;
  readonly transfer?: ArrayBuffer[];
}

async function handle(request: Request): Promise<Handled> {
  switch (request.type) {
    case 'probe':
      return { value: await probe() };
    case 'store':
      for (const [name, tensor] of request.weights) {
        if (!setTrained(name, tensor)) setWeight(name, fromHost(tensor));
      }
      return { value: undefined };
    case 'read': {
      await steps.download();
      const value = weightCopies(request.names);
      return { value, transfer: buffersOf(value.map(({ data }) => data)) };
    }
    case 'row-scales':
      return { value: setRowScales(request.names, request.bits) };
    case 'load':
      return { value: await sessions.load(request, threads) };
    case 'load-file':
      return { value: await sessions.loadFile(request.file, threads) };
    case 'unload':
      return { value: await sessions.unload(request.program) };
    case 'run': {
      const value = await sessions.run(request, optimizer.gradientOf);
      return { value, transfer: buffersOf(Object.values(value.fetched).map(({ data }) => data)) };
    }
    case 'free':
      return { value: sessions.free(request.tensors) };
    case 'adamw-create':
      return { value: optimizer.create(request) };
    case 'adamw-gradients': {
      const value = optimizer.gradients();
      return { value, transfer: buffersOf([value]) };
    }
    case 'adamw-accumulate':
      return { value: optimizer.accumulate(request) };
    case 'adamw-step':
      return { value: optimizer.step(request.options) };
    case 'adamw-state': {
      const value = steps.isTraining() ? await steps.state() : optimizer.state();
      return { value, transfer: buffersOf([...value.means, ...value.squares]) };
    }
    case 'adamw-release':
      return { value: optimizer.release() };
    case 'steps-create':
      return { value: steps.create(request) };
    case 'steps-load':
      return { value: await steps.load(request, threads) };
    case 'steps-run':
      return { value: await steps.run(request) };
    case 'steps-unload':
      return { value: await steps.unload() };
    case 'steps-release':
      return { value: steps.release() };
  }
}

const setTrained = (name: string, tensor: HostTensor): boolean =>
  steps.isTraining() ? steps.setTrained(name, tensor) : optimizer.setTrained(name, tensor);

const buffersOf = (arrays: readonly HostTensor['data'][]): ArrayBuffer[] =>
  arrays.map(({ buffer }) => buffer as ArrayBuffer);

// One request at a time, in the order of arrival.
let last: Promise<unknown> = Promise.resolve();
port.on('message', ({ id, request }: { id: number; request: Request }) => {
  last = last.then(async () => {
    Atomics.store(flags, BUSY, 1);
    try {
      if (Atomics.load(flags, ENDING)) return;
      const { value, transfer = [] } = await handle(request);
      port.postMessage({ id, value } satisfies Reply, transfer);
    } catch (error) {
      port.postMessage({ id, error: error instanceof Error ? error.message : String(error) } satisfies Reply);
    } finally {
      Atomics.store(flags, BUSY, 0);
      Atomics.notify(flags, BUSY);
    }
  });
});
