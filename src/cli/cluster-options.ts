/** Options of commands whose work several machines can share. */
import { type Command, InvalidArgumentError } from 'commander';
import type { ClusterOptions, WorkerView } from '../cluster/coordinator.ts';
import { UserError } from '../errors.ts';
import { formatNumber } from '../report/format.ts';
import { table, usesColour } from '../report/terminal.ts';
import type { ShownWork } from './show-work.ts';

export interface ClusterFlags {
  redis?: string;
  store?: string;
  progress?: boolean;
}

const DEFAULT_STORE = 'out/cluster';
/** Between two tables of workers. */
const TABLE_MS = 10_000;

/** Adds `--redis`, `--store` and `--progress`. */
export function addClusterOptions(command: Command): Command {
  return command
    .option(
      '--redis <url>',
      'have the work done by workers ("whisper-transfer worker") over this Redis, such as redis://host:6379',
    )
    .option(
      '--store <place>',
      `with --redis: folder that all machines see, or s3://bucket/prefix, for results on their way (default: ${DEFAULT_STORE})`,
    )
    .option('--progress', 'with --redis: every ten seconds a table of the workers');
}

/** @returns undefined where the work is done in this process */
export function clusterOf(
  { redis, store, progress }: ClusterFlags,
  work: ShownWork,
): ClusterOptions | undefined {
  if (redis === undefined) {
    const flag = store !== undefined ? '--store' : progress ? '--progress' : undefined;
    if (flag) throw new UserError(`${flag}: expected --redis with it`);
    return undefined;
  }
  let shownAt = performance.now();
  return {
    redis,
    store: store ?? DEFAULT_STORE,
    onWorkers: (workers) => {
      if (!progress || performance.now() - shownAt < TABLE_MS) return;
      shownAt = performance.now();
      work.clear();
      process.stderr.write(workerTable(workers));
    },
  };
}

/** A line for each worker. */
const workerTable = (workers: readonly WorkerView[]): string =>
  table(
    workers,
    [
      { heading: 'worker', value: ({ host, pid }) => `${host}:${pid}` },
      {
        heading: 'doing',
        value: ({ lost, own, doing }) =>
          lost ? 'lost' : own || doing === 'waiting' ? doing : `${doing} for another run`,
      },
      { heading: 'done', value: ({ own, rows }) => (own ? formatNumber(rows) : ''), align: 'right' },
      {
        heading: 'a second',
        value: ({ own, lost, rate }) => (own && !lost ? formatNumber(rate, 1) : ''),
        align: 'right',
      },
      { heading: 'crashes', value: ({ crashes }) => (crashes > 0 ? crashes : ''), align: 'right' },
    ],
    { colour: usesColour(process.stderr) },
  );

/** Parses seconds that messages and locks allow for. */
export function lostAfter(value: string): number {
  const seconds = Number(value);
  if (!(seconds >= 1 && seconds <= 3600)) throw new InvalidArgumentError('Expected seconds, from 1 to 3600.');
  return seconds;
}
