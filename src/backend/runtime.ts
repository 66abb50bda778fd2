/** Runs graphs in a thread of their own, so that the program stays responsive while it computes. */
import { tmpdir } from 'node:os';
import { Worker } from 'node:worker_threads';
import { builtFile } from '../files/built.ts';
import { Graph } from '../graph/graph.ts';
import { writeOnnx } from '../graph/onnx.ts';
import { cast } from '../graph/ops.ts';
import type { Bits } from '../graph/stored-form.ts';
import {
  type AdamWConstants,
  type BatchSchedule,
  scheduleRow,
  stepGraph,
  stepsGraph,
  weightGroups,
} from '../graph/training-steps.ts';
import {
  candidates,
  type DeviceChoice,
  defaultDevice,
  deviceError,
  deviceLacks,
  type GraphicsDevice,
  hasAdapter,
  missingDevice,
} from './device.ts';
import {
  type AdamWOptions,
  type AdamWState,
  BUSY,
  type DeclaredTensor,
  type Device,
  ENDING,
  type HostTensor,
  type Reply,
  type Request,
  type WorkerOptions,
} from './protocol.ts';
import { sessionMemory } from './session-memory.ts';
import './telemetry.ts';
import { defaultThreads } from './threads.ts';
import { deviceFault } from './try-device.ts';

export { gradientOutput } from '../graph/backward.ts';
export type { AdamWOptions, AdamWState, DeclaredTensor, Device, HostTensor } from './protocol.ts';

/** A tensor that stays in the computing thread, as an input of later runs. Freed by `Runtime.free` or `run`'s `free`. */
export class DeviceTensor {
  constructor(readonly id: number) {}
}

/** A compiled graph. */
export class Program {
  constructor(
    readonly id: number,
    readonly inputs: readonly string[],
    readonly outputs: readonly string[],
  ) {}
}

export interface ProgramOptions {
  /** Which weights are built in: packed once for fast products, fixed from then on. The others are fed at each run. */
  readonly builtIn: (name: string) => boolean;
  /**
   * Whether onnxruntime keeps the memory of finished runs for the next. False for runs whose shapes keep
   * growing: their memory fits no later run. Default true.
   */
  readonly arena?: boolean;
  /** Which outputs runs keep: they stay on the device. Default: none. */
  readonly keeps?: (output: string) => boolean;
}

export interface ProgramRunOptions {
  /** Outputs to bring to this thread. */
  readonly fetch?: readonly string[];
  /** Outputs that stay in the computing thread. */
  readonly keep?: readonly string[];
  /** Device tensors to free after this run. */
  readonly free?: readonly DeviceTensor[];
}

export interface ProgramOutputs {
  readonly fetched: Readonly<Record<string, HostTensor>>;
  readonly kept: Readonly<Record<string, DeviceTensor>>;
}

/** Name of the output of a metric that a training step reports beside its loss. */
export const reportOutput = (name: string): string => `report:${name}`;

export function float32(data: Float32Array, shape: readonly number[]): HostTensor {
  return { dtype: 'float32', shape, data };
}

export function int64(values: readonly number[], shape: readonly number[] = [values.length]): HostTensor {
  return { dtype: 'int64', shape, data: BigInt64Array.from(values, BigInt) };
}

/**
 * A thread that ends in the middle of a native call takes the whole process with it, with a message about Napi and exit code
 * 134. So a process that exits while graphs run waits for the run in progress.
 */
const running = new Set<Int32Array<SharedArrayBuffer>>();
const LONGEST_WAIT_MS = 60_000;

function waitForRuns(): void {
  for (const flags of running) Atomics.store(flags, ENDING, 1);
  for (const flags of running) Atomics.wait(flags, BUSY, 1, LONGEST_WAIT_MS);
}

export interface RuntimeOptions {
  readonly threads?: number | undefined;
  /** Default: cpu. */
  readonly device?: Device | undefined;
}

export interface DeviceStepsOptions extends AdamWConstants {
  /** Whether several batches make a step. */
  readonly accumulates: boolean;
  /** State of an earlier training of the same weights: its arrays move to the computing thread. */
  readonly state?: AdamWState | undefined;
  /** Whether steps are the body of a loop, with the state copied to the device and back at each run. Default: not on WebGPU. */
  readonly looped?: boolean;
}

/** A batch of a run of steps. */
export interface DeviceBatch extends BatchSchedule {
  readonly feeds: Readonly<Record<string, HostTensor>>;
}

/** Training steps on a device: `Runtime.deviceSteps`. */
export interface DeviceSteps {
  /** @returns for each scalar output of the training graph, and for `norm` and `taken` (AdamWUpdate), its value for each batch */
  readonly run: (batches: readonly DeviceBatch[]) => Promise<Readonly<Record<string, readonly number[]>>>;
  /** Frees all but weights and moments; the next run builds it again. */
  readonly unload: () => Promise<void>;
  /** Ends the training; the weights keep their values. */
  readonly release: () => Promise<void>;
}

export class Runtime {
  /** Threads that compute: sums depend on their number in the last bits. */
  readonly threads: number;
  readonly device: Device;
  readonly #worker: Worker;
  readonly #pending = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #nextId = 1;
  /** Set once the thread ends or is being ended: nothing can be computed from then on. */
  #closing: Promise<void> | undefined;
  #multipliesBytes: Promise<boolean> | undefined;
  /** Called when no reply is pending. */
  #onIdle: (() => void) | undefined;

  /**
   * A thread for a device, which was tried. Default: that of the environment (WHISPER_TRANSFER_DEVICE), or the CPU.
   * @throws UserError where it does not run here, with what it needs
   */
  static async open(
    options: { readonly threads?: number | undefined; readonly device?: DeviceChoice | undefined } = {},
  ): Promise<Runtime> {
    const choice = options.device ?? defaultDevice();
    for (const device of candidates(choice)) {
      if (device === 'cpu') return new Runtime({ ...options, device });
      // A driver that the environment names is meant, and tests name one.
      const fault = deviceLacks(device) ?? (hasAdapter() ? await deviceFault(device) : undefined);
      if (!fault) return Runtime.tried({ ...options, device });
      if (choice !== 'auto') throw fault;
    }
    throw new Error('internal: no device');
  }

  /** A thread for a device, in which a small graph ran. @throws UserError where it does not run here */
  static async tried(options: RuntimeOptions & { readonly device: Device }): Promise<Runtime> {
    const runtime = new Runtime(options);
    try {
      await runtime.#request({ type: 'probe' });
      return runtime;
    } catch (error) {
      await runtime.close();
      throw missingDevice(options.device as GraphicsDevice, (error as Error).message);
    }
  }

  constructor({ threads = defaultThreads(), device = 'cpu' }: RuntimeOptions = {}) {
    this.threads = threads;
    this.device = device;
    const flags = new Int32Array(new SharedArrayBuffer(8));
    // The loader of Vulkan complains on the terminal where it is not set, though nothing is shown on a screen.
    if (device === 'webgpu' && process.platform === 'linux') process.env.XDG_RUNTIME_DIR ??= tmpdir();
    const workerData: WorkerOptions = { threads, device, flags };
    // None of node's options: with --input-type, say, a thread cannot begin.
    this.#worker = new Worker(builtFile('backend/worker.js'), { workerData, execArgv: [] });
    if (running.size === 0) process.once('exit', waitForRuns);
    running.add(flags);
    this.#worker.on('message', (reply: Reply) => {
      const waiting = this.#pending.get(reply.id);
      this.#pending.delete(reply.id);
      if (this.#pending.size === 0) {
        // A model that was not closed does not keep the program from ending.
        this.#worker.unref();
        this.#onIdle?.();
      }
      if ('error' in reply) waiting?.reject(deviceError(device, reply.error));
      else waiting?.resolve(reply.value as never);
    });
    this.#worker.on('error', (error) => this.#fail(error as Error));
    this.#worker.on('exit', () => {
      this.#fail(new Error('the computing thread ended'));
      this.#closing ??= Promise.resolve();
      running.delete(flags);
      if (running.size === 0) process.off('exit', waitForRuns);
    });
  }

  #fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    this.#onIdle?.();
  }

  #request<T>(request: Request, transfer: ArrayBuffer[] = []): Promise<T> {
    if (this.#closing) return Promise.reject(new TypeError('the model is closed'));
    return new Promise<T>((resolve, reject) => {
      const id = this.#nextId++;
      this.#worker.ref();
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, request }, transfer);
    });
  }

  /** Moves weights to the computing thread: the caller's arrays become empty. */
  store(
    weights: Iterable<readonly [string, { readonly shape: readonly number[]; readonly data: Float32Array }]>,
  ): Promise<void> {
    const entries = [...weights].map(([name, { shape, data }]) => [name, float32(data, shape)] as const);
    const buffers = new Set(entries.map(([, { data }]) => data.buffer as ArrayBuffer));
    return this.#request({ type: 'store', weights: entries }, [...buffers]);
  }

  /** Copies of stored weights. */
  read(names: readonly string[]): Promise<HostTensor[]> {
    return this.#request({ type: 'read', names });
  }

  /** Computes the scales of stored weights for this many bits and stores them beside them (row-scales.ts). */
  storeRowScales(names: readonly string[], bits: Bits): Promise<void> {
    return this.#request({ type: 'row-scales', names, bits });
  }

  /**
   * Whether products of unsigned and signed bytes are exact here: where the processor has instructions for them (VNNI, ARM's), in
   * which they are fast. Elsewhere onnxruntime adds pairs of them in 16 bits, which overflow.
   */
  multipliesBytes(): Promise<boolean> {
    this.#multipliesBytes ??= this.#tryBytes();
    return this.#multipliesBytes;
  }

  /** @throws UserError where the device does not compute in float16 */
  async requireFloat16(): Promise<void> {
    const graph = new Graph();
    graph.output('y', cast(cast(graph.input('x', [1]), 'float16'), 'float32'));
    const program = await this.load(graph, { builtIn: () => true, arena: false });
    await this.run(program, { x: float32(Float32Array.of(1), [1]) }, { fetch: ['y'] });
    await this.unload(program);
  }

  async #tryBytes(): Promise<boolean> {
    const count = 64;
    const graph = new Graph();
    const x = graph.input('x', ['rows', count], 'uint8');
    const weight = graph.constant(new Int8Array(count * count).fill(127), [count, count]);
    const sums = graph.emit('MatMulInteger', [x, weight], [{ shape: ['rows', count], dtype: 'int32' }])[0]!;
    graph.output('sums', sums);
    const program = await this.load(graph, { builtIn: () => true, arena: false });
    const given: HostTensor = {
      dtype: 'uint8',
      shape: [count, count],
      data: new Uint8Array(count * count).fill(255),
    };
    const { fetched } = await this.run(program, { x: given }, { fetch: ['sums'] });
    await this.unload(program);
    return (fetched.sums!.data as Int32Array).every((sum) => sum === count * 127 * 255);
  }

  async load(graph: Graph, { builtIn, arena = true, keeps = () => false }: ProgramOptions): Promise<Program> {
    const memory = sessionMemory(graph, (name) => !builtIn(name));
    const model = writeOnnx(graph, builtIn, undefined, memory);
    const { bytes, fed } = model;
    const id = await this.#request<number>({
      type: 'load',
      bytes,
      builtIn: model.builtIn,
      fed,
      blocks: memory.weights,
      gradients: memory.gradients,
      kept: model.outputs.filter(keeps),
      arena,
    });
    return new Program(id, model.inputs, model.outputs);
  }

  /**
   * Loads an ONNX file that another program wrote.
   * @throws Error with onnxruntime's words where it cannot
   */
  async loadFile(file: string): Promise<{
    program: Program;
    inputs: readonly DeclaredTensor[];
    outputs: readonly DeclaredTensor[];
  }> {
    const { id, inputs, outputs } = await this.#request<{
      id: number;
      inputs: DeclaredTensor[];
      outputs: DeclaredTensor[];
    }>({ type: 'load-file', file });
    const names = (all: readonly DeclaredTensor[]): string[] => all.map(({ name }) => name);
    return { program: new Program(id, names(inputs), names(outputs)), inputs, outputs };
  }

  unload(program: Program): Promise<void> {
    return this.#request({ type: 'unload', program: program.id });
  }

  async run(
    program: Program,
    feeds: Readonly<Record<string, HostTensor | DeviceTensor>>,
    { fetch = [], keep = [], free = [] }: ProgramRunOptions,
  ): Promise<ProgramOutputs> {
    const given: Record<string, HostTensor | number> = {};
    for (const name of program.inputs) {
      const value = feeds[name];
      if (!value) throw new Error(`internal: program input "${name}" was not given`);
      given[name] = value instanceof DeviceTensor ? value.id : value;
    }
    const { fetched, kept } = await this.#request<{
      fetched: Record<string, HostTensor>;
      kept: Record<string, number>;
    }>({
      type: 'run',
      program: program.id,
      feeds: given,
      fetch,
      keep,
      free: free.map(({ id }) => id),
    });
    return {
      fetched,
      kept: Object.fromEntries(Object.entries(kept).map(([name, id]) => [name, new DeviceTensor(id)])),
    };
  }

  async free(tensors: readonly DeviceTensor[]): Promise<void> {
    if (tensors.length > 0) await this.#request({ type: 'free', tensors: tensors.map(({ id }) => id) });
  }

  /**
   * AdamW over the named stored weights. There is one optimizer at a time.
   * @param state of an earlier one of the same names, to resume from: its arrays move to the computing thread.
   * Default: the moments are zero.
   * @param accumulates whether steps follow sums of gradients: see `accumulateGradients`
   */
  createAdamW(names: readonly string[], state?: AdamWState, accumulates = false): Promise<void> {
    const moments = state ? [...state.means, ...state.squares] : [];
    const buffers = moments.map(({ buffer }) => buffer as ArrayBuffer);
    return this.#request({ type: 'adamw-create', names, accumulates, state }, buffers);
  }

  /** A copy of the optimizer's state. */
  adamWState(): Promise<AdamWState> {
    return this.#request({ type: 'adamw-state' });
  }

  /** A copy of the gradients of the last run, one weight's after another's, in the order of the optimizer's names. */
  gradients(): Promise<Float32Array> {
    return this.#request({ type: 'adamw-gradients' });
  }

  /**
   * Adds the gradients of the last run to their sums, `share` times. The next step follows the sums, divided by all shares
   * together.
   * @param reset discard what was added before
   * @param gradients in place of those of the last run; as `gradients` gives them. They move to the computing thread
   */
  accumulateGradients(share: number, reset: boolean, gradients?: Float32Array): Promise<void> {
    const buffers = gradients ? [gradients.buffer as ArrayBuffer] : [];
    return this.#request({ type: 'adamw-accumulate', share, reset, gradients }, buffers);
  }

  /** One step on the gradients of the last run, or on their sums. Returns their L2 norm before clipping; if it is not finite, nothing changed. */
  stepAdamW(options: AdamWOptions): Promise<number> {
    return this.#request({ type: 'adamw-step', options });
  }

  /** Frees the optimizer's memory; the weights keep their values. */
  releaseAdamW(): Promise<void> {
    return this.#request({ type: 'adamw-release' });
  }

  /**
   * Training steps with AdamW on the named stored weights, as graphs for the device. There is one optimizer at a time.
   * @param training graph with the outputs `loss`, the gradients, and any number of metrics
   */
  async deviceSteps(
    training: Graph,
    names: readonly string[],
    { state, accumulates, looped = this.device !== 'webgpu', ...constants }: DeviceStepsOptions,
  ): Promise<DeviceSteps> {
    const groups = weightGroups(
      names.map((name) => [name, training.parameters.get(name)!.shape as readonly number[]]),
    );
    const graph = (looped ? stepsGraph : stepGraph)(training, groups, { ...constants, accumulates });
    const model = writeOnnx(graph, () => true);
    const moments = state ? [...state.means, ...state.squares] : [];
    const buffers = moments.map(({ buffer }) => buffer as ArrayBuffer);
    await this.#request({ type: 'steps-create', groups, accumulates, state }, buffers);
    const inputs = [...training.inputs.keys()];
    const scalars = model.outputs.filter((name) => !name.startsWith('next.'));
    const { bytes, builtIn } = model;
    let isLoaded = false;
    const unload = async () => {
      if (isLoaded) await this.#request({ type: 'steps-unload' });
      isLoaded = false;
    };
    return {
      run: async (batches) => {
        if (!isLoaded) await this.#request({ type: 'steps-load', bytes, builtIn, inputs, scalars, looped });
        isLoaded = true;
        return this.#request({
          type: 'steps-run',
          batches: batches.map(({ feeds, ...schedule }) => ({ feeds, schedule: scheduleRow(schedule) })),
          beta1: constants.beta1,
          beta2: constants.beta2,
        });
      },
      unload,
      release: async () => {
        await unload();
        await this.#request({ type: 'steps-release' });
      },
    };
  }

  /** Rejects pending requests, and ends the thread when the one in progress is done. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const { reject } of this.#pending.values()) reject(new Error('the model was closed'));
    if (this.#pending.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#worker.terminate();
  }
}
