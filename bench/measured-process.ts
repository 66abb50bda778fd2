/** Runs a command of whisper-transfer in a process of its own, and measures it. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inRepository } from './result.ts';

export interface ProcessCost {
  /** Wall-clock time, and until the first line on standard output: the first step of `train`. */
  readonly seconds: number;
  readonly first: number;
  /** Largest resident set. */
  readonly bytes: number;
  /** Seconds of processor time: other programs do not count. */
  readonly cpu: number;
}

export interface Watch {
  /** Folder for a file of measurements. */
  readonly scratch: string;
  /** Called with pieces of what it writes. `stop` ends it as Ctrl-C does, which is then no failure. */
  readonly onOutput?: (text: string, stop: () => void) => void;
  readonly onError?: (text: string, stop: () => void) => void;
}

/** @throws with the end of its messages where it fails */
export function measuredProcess(
  args: readonly string[],
  { scratch, onOutput, onError }: Watch,
): Promise<ProcessCost> {
  const memory = join(scratch, 'memory.json');
  const report = `import fs from 'node:fs'; process.on('exit', () => { const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage(); fs.writeFileSync(${JSON.stringify(memory)}, JSON.stringify([1024 * maxRSS, (userCPUTime + systemCPUTime) / 1e6])); });`;
  const started = performance.now();
  const since = () => (performance.now() - started) / 1000;
  return new Promise((resolve, reject) => {
    let first: number | undefined;
    let said = '';
    let stopped = false;
    const hook = `data:text/javascript,${encodeURIComponent(report)}`;
    const child = spawn(process.execPath, ['--import', hook, inRepository('dist/cli/main.js'), ...args]);
    // A second signal would end it without its checkpoint.
    const stop = () => {
      if (stopped) return;
      stopped = true;
      child.kill('SIGINT');
    };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      first ??= since();
      onOutput?.(text, stop);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-2000);
      onError?.(text, stop);
    });
    child.on('close', (code) => {
      if (code !== 0 && !stopped) return reject(new Error(`${args[0]}: ${said}`));
      const [bytes, cpu] = JSON.parse(readFileSync(memory, 'utf8')) as [number, number];
      resolve({ seconds: since(), first: first ?? since(), bytes, cpu });
    });
  });
}
