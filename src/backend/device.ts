/** Where models compute: on the CPU, or on a graphics card through one of onnxruntime's providers. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { UserError } from '../errors.ts';
import type { Device } from './protocol.ts';

/** `auto`: cuda where its libraries are, else webgpu where there is a graphics card, else cpu. */
export type DeviceChoice = 'cpu' | 'webgpu' | 'cuda' | 'auto';
export const DEVICE_CHOICES = ['cpu', 'webgpu', 'cuda', 'auto'] as const satisfies readonly DeviceChoice[];

/** Variable of the environment with the device of models that are loaded without one; the flag --device sets it. */
export const DEVICE_VARIABLE = 'WHISPER_TRANSFER_DEVICE';

/** @throws UserError where the variable names no device */
export function defaultDevice(): DeviceChoice {
  const given = process.env[DEVICE_VARIABLE];
  if (given === undefined || given === '') return 'cpu';
  if ((DEVICE_CHOICES as readonly string[]).includes(given)) return given as DeviceChoice;
  throw new UserError(`${DEVICE_VARIABLE}: found "${given}"; expected ${DEVICE_CHOICES.join(', ')}`);
}

/** The devices to try, in this order. */
export function candidates(choice: DeviceChoice): readonly Device[] {
  if (choice !== 'auto') return [choice];
  return [
    ...(hasCudaProvider() ? ['cuda' as const] : []),
    ...(hasAdapter() ? ['webgpu' as const] : []),
    'cpu',
  ];
}

/** Whether onnxruntime's library for CUDA lies where it looks for it: beside its binding for Node. */
export function hasCudaProvider(): boolean {
  return existsSync(join(bindingFolder(), 'libonnxruntime_providers_cuda.so'));
}

function bindingFolder(): string {
  const main = createRequire(import.meta.url).resolve('onnxruntime-node');
  return join(dirname(main), '..', 'bin', 'napi-v6', process.platform, process.arch);
}

/**
 * Whether there is a graphics card for WebGPU. On Linux programs that draw on the CPU call themselves adapters, too, so there
 * the devices count; elsewhere the system brings its own driver.
 * @param drivers files of drivers, which the environment may name
 */
export function hasAdapter(drivers = namedDrivers()): boolean {
  if (process.platform !== 'linux') return true;
  if (/swiftshader|lvp_icd/i.test(drivers)) return false;
  const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
  return (
    names('/dev/dri').some((name) => name.startsWith('renderD')) ||
    names('/dev').some((name) => /^nvidia\d+$|^dxg$/.test(name))
  );
}

export type GraphicsDevice = Exclude<Device, 'cpu'>;

/**
 * Whether a driver of Vulkan may find a card: without one its loader complains on the terminal before it says so. A driver that the
 * environment names is taken at its word.
 */
const mayHaveDriver = (): boolean => hasAdapter() || namedDrivers() !== '';

const namedDrivers = (): string =>
  `${process.env.VK_ICD_FILENAMES ?? ''}${process.env.VK_DRIVER_FILES ?? ''}`;

/** What a device lacks, as far as can be seen without trying it. */
export function deviceLacks(device: GraphicsDevice): UserError | undefined {
  if (device === 'cuda' && !hasCudaProvider()) return missingDevice(device, '');
  if (device === 'webgpu' && !mayHaveDriver()) return missingDevice(device, 'found no graphics card');
  return undefined;
}

/** How to get what a device needs. */
const NEEDS: Readonly<Record<GraphicsDevice, string>> = {
  cuda:
    'ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node fetches its provider (Linux x64); it needs an NVIDIA driver, ' +
    'and cuDNN 9 and CUDA 12 (CUDA 13 with the libraries of the PyPI wheel onnxruntime-gpu of the same version) on LD_LIBRARY_PATH',
  webgpu: 'it needs a graphics card with a driver of Vulkan, Direct3D 12 or Metal',
};

/** A device that does not run here, in one line. @param reason onnxruntime's words */
export function missingDevice(device: GraphicsDevice, reason: string): UserError {
  const found =
    device === 'cuda' && !hasCudaProvider()
      ? "onnxruntime's CUDA provider is not here"
      : // Without the place in onnxruntime's sources.
        firstLine(/Failed to get .*/.exec(reason)?.[0] ?? reason);
  return new UserError(`device ${device}: ${found}; ${NEEDS[device]}`);
}

const OUT_OF_MEMORY =
  /out of memory|failed to allocate|OutOfMemory|OUT_OF_DEVICE_MEMORY|ALLOC_FAILED|BFCArena|bad_alloc|exceeds the max.*buffer|device (was|is) lost/i;

/** The device's memory is too small. */
export class DeviceMemoryError extends UserError {}

/** What an error of onnxruntime on a device means to the user: itself, but for lack of memory or of float16. */
export function deviceError(device: Device, message: string): Error {
  if (/requires f16 but the device does not support/.test(message))
    return new UserError(
      `device ${device}: this card does not compute in float16; expected --compute float32`,
    );
  if (device === 'cpu' || !OUT_OF_MEMORY.test(message)) return new Error(message);
  return new DeviceMemoryError(
    `device ${device}: its memory does not suffice (${firstLine(message)}); expected more of it, fewer or shorter clips at once ` +
      '(in training a smaller --batch-size with --optimizer.accumulate, or --optimizer.recompute true), or --device cpu',
  );
}

const firstLine = (text: string): string => text.trim().split('\n')[0]!.slice(0, 300);
