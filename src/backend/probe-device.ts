/** A process that tries the device of its argument and prints what is wrong with it: run by try-device.ts. */
import type { Device } from './protocol.ts';
import { Runtime } from './runtime.ts';

try {
  const runtime = await Runtime.tried({ threads: 1, device: process.argv[2] as Device });
  await runtime.close();
} catch (error) {
  process.stdout.write((error as Error).message);
  process.exitCode = 1;
}
