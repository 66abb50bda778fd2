/** Results of a bench: printed as a table, and written as JSON into out/bench. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Row {
  readonly measure: string;
  readonly ours: string;
  readonly peer?: string;
  readonly ratio?: string;
}

export interface Goal {
  readonly goal: string;
  readonly found: string;
  /** Undefined: it could not be measured, which counts as missed. */
  readonly reached: boolean | undefined;
  /** Missed by so much that no busy machine explains it: the bench ends with status 1. */
  readonly farMissed?: boolean;
}

export interface BenchResult {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly goals: readonly Goal[];
  /** Lines printed under the table: what was absent, what the peer was. */
  readonly notes: readonly string[];
  /** Versions that the peer reported. */
  readonly peerVersions?: Readonly<Record<string, string>>;
  /** All single measurements. */
  readonly raw: unknown;
}

/** From out/bench/js/bench, where this runs. */
const root = fileURLToPath(new URL('../../../../', import.meta.url));
export const inRepository = (path: string): string => join(root, path);

/** Load before the bench. A busy machine slows thread pools that spin (PyTorch's) far more than others: no fair ratio. */
const loadAtStart = loadavg()[0]!;
const QUIET_LOAD = 0.5;

export const goalsReached = ({ goals }: BenchResult): boolean =>
  goals.every(({ reached }) => reached === true);

export const goalsFarMissed = ({ goals }: BenchResult): boolean =>
  goals.some(({ farMissed }) => farMissed === true);

export function report(name: string, result: BenchResult): void {
  const { title, rows, goals, notes } = result;
  console.log(`\n${title}\n`);
  const head: Row = { measure: '', ours: 'ours', peer: 'peer', ratio: 'ratio (min – median – max)' };
  const columns = (['measure', 'ours', 'peer', 'ratio'] as const).filter((key) =>
    rows.some((row) => row[key]),
  );
  const widths = columns.map((key) => Math.max(...[head, ...rows].map((row) => (row[key] ?? '–').length)));
  for (const row of [head, ...rows]) {
    console.log(
      columns
        .map((key, i) => (row[key] ?? '–').padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
  }
  console.log('');
  for (const note of notes) console.log(note);
  if (loadAtStart > QUIET_LOAD) {
    console.log(
      `The machine was busy (load ${loadAtStart.toFixed(1)} at the start): do not trust these times and ratios.`,
    );
  }
  for (const { goal, found, reached } of goals) {
    const verdict = reached === undefined ? 'not measured' : reached ? 'reached' : 'MISSED';
    console.log(`goal: ${goal}. Found: ${found}. ${verdict}.`);
  }
  const file = inRepository(`out/bench/${name}.json`);
  mkdirSync(inRepository('out/bench'), { recursive: true });
  const record = {
    name,
    date: new Date().toISOString(),
    machine: machine(),
    versions: versions(),
    ...result,
  };
  writeFileSync(`${file}.incomplete`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${file}.incomplete`, file);
  console.log(`out/bench/${name}.json`);
}

function machine(): object {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    loadAtStart,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
  };
}

function versions(): Record<string, string> {
  const version = (file: string): string => JSON.parse(readFileSync(file, 'utf8')).version;
  return {
    'whisper-transfer': version(inRepository('package.json')),
    commit: commit(),
    node: process.versions.node,
    'onnxruntime-node': version(createRequire(import.meta.url).resolve('onnxruntime-node/package.json')),
  };
}

function commit(): string {
  try {
    return execFileSync('git', ['-C', root, 'describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}
