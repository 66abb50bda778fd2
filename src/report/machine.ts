/** On what the numbers were measured. */
import { cpus, totalmem } from 'node:os';

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
  const { env } = await import('onnxruntime-node');
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 1e9),
    node: process.version,
    onnxruntime: env.versions.node ?? 'unknown',
  };
}
