/** `whisper-transfer cache`: what the cache of encoder outputs holds, whether it is whole, and room for more. */
import { stat } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { abortable } from '../abort.ts';
import { UserError } from '../errors.ts';
import { byteSize } from '../features/byte-size.ts';
import { pruneCache, verifyCache } from '../features/cache-clean.ts';
import { type CachedStore, cachedStores } from '../features/cached-shards.ts';
import { formatBytes, formatDuration, formatNumber } from '../report/format.ts';
import { table } from '../report/terminal.ts';
import { ExitStatus } from './exit-status.ts';
import { showWork } from './show-work.ts';

const DAY_MS = 86_400_000;
const UNITS: Readonly<Record<string, number>> = { h: DAY_MS / 24, d: DAY_MS, w: 7 * DAY_MS };

/** `30d`, `12h`, `2w`, in ms. */
function age(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([hdw])$/.exec(text.trim()) ?? [];
  if (number === undefined)
    throw new InvalidArgumentError('Expected hours, days or weeks, such as 12h, 30d, 2w.');
  return Number(number) * UNITS[unit!]!;
}

function size(text: string): number {
  const bytes = text.trim() === '0' ? 0 : byteSize(text);
  if (bytes === undefined) throw new InvalidArgumentError('Expected a size such as 20GB.');
  return bytes;
}

const cacheOption = (): Option => new Option('--cache <dir>', 'the cache').default('out/cache');
const JSON_OPTION = ['--json', 'print as JSON'] as const;

interface Options {
  cache: string;
  json?: boolean;
}

export function cacheCommand(command: Command): Command {
  command
    .command('ls')
    .description(
      'list the encoders whose outputs are kept, with their clips, sizes and last use, and decompressed archives',
    )
    .addOption(cacheOption())
    .option(...JSON_OPTION)
    .action(list);
  command
    .command('verify')
    .description('read all records and compare their checksums')
    .addOption(cacheOption())
    .option(
      '--fix',
      'rewrite shards without their damaged records, whose clips are encoded again when they are needed',
    )
    .option(...JSON_OPTION)
    .addHelpText('after', '\nThe exit status is 1 where records are damaged and stay.')
    .action(verify);
  command
    .command('prune')
    .description(
      'drop outputs and decompressed archives, the least recently used first; never what a process that lives is writing',
    )
    .addOption(cacheOption())
    .addOption(
      new Option('--older-than <age>', 'what was last used so long ago: 30d, 12h, 2w').argParser(age),
    )
    .addOption(new Option('--max-size <size>', 'until the cache is no larger, such as 20GB').argParser(size))
    .option(
      '--model <name>',
      'only of this encoder: a model directory, or the beginning of its name in `cache ls`',
    )
    .option('--dry-run', 'only say what would be dropped')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  $ whisper-transfer cache prune --older-than 30d --max-size 20GB')
    .action(prune);
  return command;
}

async function list({ cache, json }: Options): Promise<void> {
  const stores = await cachedStores(cache);
  if (json) {
    console.log(JSON.stringify(stores));
    return;
  }
  const since = (time: number): string => `${formatDuration(Math.max(0, Date.now() - time) / 1000)} ago`;
  const columns: Parameters<typeof table<CachedStore>>[1] = [
    { heading: 'encoder', value: ({ store, window }) => (window === '' ? store : store.split('-')[0]!) },
    { heading: 'model', value: ({ model }) => model },
    { heading: 'window', value: ({ window }) => window },
    { heading: 'dtype', value: ({ dtype }) => dtype },
    { heading: 'clips', value: ({ clips }) => formatNumber(clips), align: 'right' },
    { heading: 'size', value: ({ bytes }) => formatBytes(bytes), align: 'right' },
    { heading: 'begun', value: ({ begun }) => since(begun), align: 'right' },
    { heading: 'last used', value: ({ used }) => since(used), align: 'right' },
  ];
  process.stdout.write(table(stores, columns));
  const bytes = stores.reduce((sum, one) => sum + one.bytes, 0);
  console.log(`${cache}: ${formatBytes(bytes)}`);
}

async function verify({ cache, fix = false, json }: Options & { fix?: boolean }): Promise<void> {
  const work = showWork();
  const found = await abortable(work.signal, () => verifyCache(cache, { ...work, fix }));
  work.end();
  const { records, damaged, unfinished, dropped, damagedShards, skipped } = found;
  if (json) console.log(JSON.stringify(found));
  else {
    for (const shard of damagedShards) console.log(`${shard}: damaged records`);
    for (const shard of skipped) console.log(`${shard}: not mended, as a process that lives may write it`);
    const torn = unfinished > 0 ? `; ${formatBytes(unfinished)} that killed processes had begun` : '';
    console.log(
      `${cache}: ${formatNumber(records)} records, ${formatBytes(found.bytes)}: ${formatNumber(damaged)} damaged` +
        `${fix ? `, ${formatNumber(dropped)} dropped` : ''}${torn}`,
    );
  }
  if (damaged > dropped) throw new ExitStatus(1);
}

interface PruneFlags extends Options {
  olderThan?: number;
  maxSize?: number;
  model?: string;
  dryRun?: boolean;
}

async function prune({ cache, olderThan, maxSize, model, dryRun, json }: PruneFlags): Promise<void> {
  if (olderThan === undefined && maxSize === undefined && model === undefined) {
    throw new UserError('cache prune: found no rule; expected --older-than, --max-size or --model');
  }
  const pruned = await pruneCache(cache, {
    unusedSince: olderThan === undefined ? undefined : Date.now() - olderThan,
    maxBytes: maxSize,
    encoder: model === undefined ? undefined : await encoderOf(model),
    dryRun,
  });
  if (json) {
    console.log(JSON.stringify(pruned));
    return;
  }
  const { shards, archives, bytes, left, inUse } = pruned;
  const also = archives > 0 ? ` and ${formatNumber(archives)} decompressed archives` : '';
  const kept = inUse > 0 ? `; ${formatNumber(inUse)} stay, as a process that lives may write them` : '';
  console.log(
    `${cache}: ${formatNumber(shards)} shards${also}${dryRun ? ' would be' : ''} dropped, ${formatBytes(bytes)}; ${formatBytes(left)} ${dryRun ? 'would be ' : ''}left${kept}`,
  );
}

/** The fingerprint of an encoder, by which its outputs are kept. */
async function encoderOf(model: string): Promise<string> {
  if (/^[0-9a-f]{4,}$/.test(model) && !(await stat(model).catch(() => undefined))) return model;
  const { WhisperModel } = await import('../whisper/model.ts');
  const { withModel } = await import('../whisper/with-model.ts');
  return withModel(WhisperModel.load(model), (loaded) => loaded.encoderFingerprint());
}
