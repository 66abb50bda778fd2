/** Diagnoses an installation: facts for a bug report, and whether a model runs here. */
import { readdir, stat } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { candidates, deviceLacks, hasAdapter } from '../backend/device.ts';
import type { Device } from '../backend/protocol.ts';
import { defaultThreads } from '../backend/threads.ts';
import { freeDisk } from '../files/free-disk.ts';
import { cpuInstructions } from '../report/machine.ts';

export interface FolderSize {
  readonly directory: string;
  readonly files: number;
  readonly bytes: number;
}

/** A model that was loaded and has decoded a second of sound. */
export interface ModelCheck {
  readonly width: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  readonly loadSeconds: number;
  /** Seconds to encode and decode a second of audio, with compilation of the graphs. */
  readonly firstSeconds: number;
  /** The same without compilation. */
  readonly seconds: number;
}

export interface OnnxRuntime {
  readonly version: string;
  /** Execution providers; those that are not bundled need libraries of their own. */
  readonly providers: readonly { readonly name: string; readonly bundled: boolean }[];
}

/** A device other than the CPU (experimental), tried with a small graph. */
export interface DeviceCheck {
  readonly device: Device;
  /** Whether it is a graphics card: a program that computes on the CPU may stand for one. */
  readonly card: boolean;
}

export interface Failure {
  /** One line. */
  readonly error: string;
}

export interface Diagnosis {
  readonly version: string;
  readonly node: string;
  /** Kernel, its release and the architecture. */
  readonly system: string;
  readonly onnxruntime: OnnxRuntime | Failure;
  readonly devices: readonly (DeviceCheck | Failure)[];
  /** What `--device auto` computes on here: `devices` says why not on the others. */
  readonly automaticDevice: Device;
  readonly cpu: string;
  /** Undefined where the system does not say. */
  readonly instructions: readonly string[] | undefined;
  readonly cores: number;
  /** Cores that this process may use. */
  readonly usableCores: number;
  /** Computing threads of a model here. */
  readonly threads: number;
  /** Bytes. */
  readonly memory: number;
  readonly freeMemory: number;
  readonly model: FolderSize & (ModelCheck | Failure);
  readonly cache: FolderSize;
  /** Free bytes on the cache's disk. */
  readonly freeDisk: number;
}

/** Faults of the installation are part of the result, not errors. */
export async function diagnose(options: {
  readonly version: string;
  readonly model: string;
  readonly cache: string;
}): Promise<Diagnosis> {
  const processors = cpus();
  const devices = await Promise.all(
    (['webgpu', 'cuda'] as const).map((device) => checkDevice(device).catch(failure)),
  );
  return {
    version: options.version,
    node: process.version,
    system: `${process.platform} ${release()} ${process.arch}`,
    onnxruntime: await onnxruntime().catch(failure),
    devices,
    automaticDevice: automatic(devices),
    cpu: processors[0]?.model.trim() ?? 'unknown',
    instructions: await cpuInstructions(),
    cores: processors.length,
    usableCores: availableParallelism(),
    threads: defaultThreads(),
    memory: totalmem(),
    freeMemory: freemem(),
    model: { ...(await folderSize(options.model)), ...(await checkModel(options.model).catch(failure)) },
    cache: await folderSize(options.cache),
    freeDisk: await freeDisk(options.cache),
  };
}

const failure = (error: Error): Failure => ({ error: error.message.split('\n')[0]! });

/** Imported only here: a missing native library is a fault to report. */
async function onnxruntime(): Promise<OnnxRuntime> {
  const { env, listSupportedBackends } = (await import('../backend/onnxruntime.ts')).default;
  return {
    version: env.versions.node ?? 'unknown',
    providers: listSupportedBackends().map(({ name, bundled }) => ({ name, bundled })),
  };
}

async function checkDevice(device: 'webgpu' | 'cuda'): Promise<DeviceCheck> {
  const { deviceFault } = await import('../backend/try-device.ts');
  const fault = deviceLacks(device) ?? (await deviceFault(device));
  if (fault) throw fault;
  return { device, card: device === 'cuda' || hasAdapter() };
}

/** What `--device auto` computes on. */
function automatic(checks: readonly (DeviceCheck | Failure)[]): Device {
  const run = checks.flatMap((check) => ('device' in check && check.card ? [check.device] : []));
  return candidates('auto').find((device) => device === 'cpu' || run.includes(device))!;
}

async function checkModel(directory: string): Promise<ModelCheck> {
  const { WhisperModel } = await import('../whisper/model.ts');
  const { withModel } = await import('../whisper/with-model.ts');
  const { decode } = await import('./decode.ts');
  const started = performance.now();
  return withModel(WhisperModel.load(directory), async (model) => {
    const loaded = performance.now();
    // A tone: the text does not matter.
    const second = Float32Array.from({ length: SAMPLE_RATE }, (_, i) => 0.1 * Math.sin(i / 8));
    const run = async (): Promise<number> => {
      const start = performance.now();
      const clips = await model.encode([second], 'fit');
      await decode(model, clips, { prompts: [model.tokens.prompt('en', 'transcribe')], maxTokens: 8 });
      return (performance.now() - start) / 1000;
    };
    const { width, encoderLayers, decoderLayers } = model.dimensions;
    const firstSeconds = await run();
    const loadSeconds = (loaded - started) / 1000;
    return { width, encoderLayers, decoderLayers, loadSeconds, firstSeconds, seconds: await run() };
  });
}

/** A folder that is not there is empty. */
async function folderSize(directory: string): Promise<FolderSize> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  let bytes = 0;
  // A file may go while others are counted.
  for (const { parentPath, name } of files)
    bytes += await stat(join(parentPath, name)).then(
      ({ size }) => size,
      () => 0,
    );
  return { directory, files: files.length, bytes };
}
