/** `whisper-transfer worker`: computes what other machines' commands with --redis ask for. */
import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import { defaultThreads, THREADS_VARIABLE } from '../backend/threads.ts';
import { type Root, rootOf } from '../cluster/roots.ts';
import { lostAfter } from './cluster-options.ts';
import { interruptSignal, stoppedAt } from './interrupt.ts';
import { deviceOption, positiveInteger, printNote, threadsOption } from './options.ts';

interface Flags {
  redis: string;
  concurrency: number;
  threads?: number;
  root: Root[];
  lostAfter: number;
  allowCommands: boolean;
}

export function workerCommand(command: Command): Command {
  return command
    .addOption(
      new Option('--redis <url>', 'Redis that the coordinators use, too, such as redis://host:6379')
        .env('WHISPER_TRANSFER_REDIS')
        .makeOptionMandatory(),
    )
    .option('--concurrency <n>', 'shards at once, each in a process with its own model', positiveInteger, 1)
    .addOption(threadsOption())
    .addOption(deviceOption())
    .option(
      '--root <theirs=here>',
      "a folder that has another path on this machine than on the coordinator's, such as /mnt/corpora=/data; repeatable",
      (value: string, before: Root[]) => [...before, rootOf(value)],
      [] as Root[],
    )
    .option(
      '--lost-after <seconds>',
      'silence after which the shards of this worker go to others',
      lostAfter,
      30,
    )
    .option(
      '--allow-commands',
      'run the programs that "synthesise --command" names: whoever can write to this Redis can then run any program here',
      false,
    )
    .addHelpText(
      'after',
      '\nThreads are those of each shard; by default the usable cores are divided among them.\n' +
        'Ctrl-C ends the worker after its shards in progress; a second one at once, and others do them.\n' +
        '\nExample:\n  $ whisper-transfer worker --redis redis://10.0.0.5:6379 --concurrency 4',
    )
    .action(work);
}

async function work({ redis, concurrency, threads, root, lostAfter, allowCommands }: Flags): Promise<void> {
  const { runWorker } = await import('../cluster/worker.ts');
  const signal = interruptSignal(() => 'stopped');
  const each = threads ?? Math.max(1, Math.floor(defaultThreads() / concurrency));
  if (each * concurrency > availableParallelism())
    printNote(
      `${concurrency} x ${each} threads on ${availableParallelism()} cores: more than there are, which is slower`,
    );
  signal.addEventListener('abort', () =>
    printNote('ends after the shards in progress; Ctrl-C again: at once'),
  );
  await runWorker({
    ...{ redis, concurrency, lostAfter, allowCommands, signal },
    roots: root,
    environment: { [THREADS_VARIABLE]: String(each) },
    onNote: printNote,
  });
  throw stoppedAt(signal, 'stopped');
}
