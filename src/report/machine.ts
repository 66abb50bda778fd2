/** The machine that results were measured on: processor, cores, versions. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus, totalmem } from 'node:os';
import { promisify } from 'node:util';

/** The machine and the versions that a result was measured with. */
export interface Machine {
  cpu: string;
  cores: number;
  memoryGb: number;
  node: string;
  onnxruntime: string;
}

export async function machine(): Promise<Machine> {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.version,
    onnxruntime: createRequire(import.meta.url)('onnxruntime-node/package.json').version,
  };
}

/** Instructions that matter to matrix products, by the names that Linux and macOS have for them. */
const INSTRUCTIONS: readonly (readonly [name: string, flags: RegExp])[] = [
  ['AVX2', /\bavx2\b/i],
  ['AVX-512', /\bavx512f\b/i],
  ['VNNI', /\bavx(512)?_?vnni\b/i],
  ['AMX', /\bamx_int8\b/i],
  ['NEON', /\b(asimd|neon)\b/i],
  ['dot product', /\b(asimddp|FEAT_DotProd: 1)\b/],
  ['int8 matrices', /\b(i8mm|FEAT_I8MM: 1)\b/],
];

/** Instruction sets of the processor; undefined where the system does not report them (Windows on x64). */
export async function cpuInstructions(
  platform: NodeJS.Platform = process.platform,
  arch: string = process.arch,
): Promise<string[] | undefined> {
  const flags = await processorFlags(platform).catch(() => undefined);
  // Each 64-bit ARM processor has NEON.
  if (arch !== 'arm64' && flags === undefined) return undefined;
  const text = `${flags ?? ''} ${arch === 'arm64' ? 'neon' : ''}`;
  return INSTRUCTIONS.filter(([, pattern]) => pattern.test(text)).map(([name]) => name);
}

async function processorFlags(platform: NodeJS.Platform): Promise<string | undefined> {
  if (platform === 'linux') {
    return /^(?:flags|Features)\s*:(.*)$/m.exec(await readFile('/proc/cpuinfo', 'utf8'))?.[1];
  }
  if (platform !== 'darwin') return undefined;
  const names = ['machdep.cpu.leaf7_features', 'hw.optional.arm.FEAT_DotProd', 'hw.optional.arm.FEAT_I8MM'];
  // Names that this processor lacks go to standard error; those that it has are printed all the same.
  const { stdout } = await promisify(execFile)('sysctl', names).catch((error) => error as { stdout: string });
  return stdout;
}
