/**
 * Whether a device runs, tried in a process of its own: drivers and their loader write to the terminal, and a broken one ends
 * the process that it is in.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UserError } from '../errors.ts';
import { builtFile } from '../files/built.ts';
import { type GraphicsDevice, missingDevice } from './device.ts';

const LONGEST_MS = 60_000;
const tried = new Map<GraphicsDevice, Promise<UserError | undefined>>();

/** What is wrong with a device, in one line, or nothing. */
export function deviceFault(device: GraphicsDevice): Promise<UserError | undefined> {
  let fault = tried.get(device);
  if (!fault) {
    fault = probed(device);
    tried.set(device, fault);
  }
  return fault;
}

async function probed(device: GraphicsDevice): Promise<UserError | undefined> {
  const script = fileURLToPath(builtFile('backend/probe-device.js'));
  try {
    await promisify(execFile)(process.execPath, [script, device], { timeout: LONGEST_MS });
    return undefined;
  } catch (error) {
    const { stdout = '', signal } = error as { stdout?: string; signal?: string };
    const line = stdout.trim().split('\n')[0]!;
    return line
      ? new UserError(line)
      : missingDevice(device, `its driver ended the process (${signal ?? 'status'})`);
  }
}
