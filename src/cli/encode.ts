/** `whisper-transfer encode`: fills the cache of encoder outputs that training and retrieval read. */
import type { Command } from 'commander';
import { abortable } from '../abort.ts';
import { UserError } from '../errors.ts';
import type { CacheDtype } from '../features/encoded-record.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { addClusterOptions, type ClusterFlags, clusterOf } from './cluster-options.ts';
import {
  addCacheOptions,
  deviceOption,
  failedFiles,
  modelOption,
  threadsOption,
  windowOption,
} from './options.ts';
import { showWork } from './show-work.ts';

interface Options extends ClusterFlags {
  model: string;
  window: WindowMode;
  cache?: string;
  cacheDtype: CacheDtype;
  cacheLimit?: number;
  json?: boolean;
}

export function encodeCommand(command: Command): Command {
  command
    .argument('<manifest>', 'TSV, CSV or JSONL manifest with an "audio" column')
    .addOption(modelOption())
    .addOption(threadsOption())
    .addOption(deviceOption())
    .addOption(windowOption());
  addCacheOptions(command, 'folder where encoder outputs are kept');
  return addClusterOptions(command)
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', '\nExample:\n  $ whisper-transfer encode samples/manifest.tsv --cache out/cache')
    .action(encode);
}

async function encode(
  manifest: string,
  { model: directory, json, redis, store, progress, ...options }: Options,
): Promise<void> {
  const { cache } = options;
  if (cache === undefined) throw new UserError('--cache off: expected a folder, as encode fills it');
  const { readManifest } = await import('../data/manifest.ts');
  const { fillCache } = await import('../features/fill-cache.ts');
  const { WhisperModel } = await import('../whisper/model.ts');
  const { withModel } = await import('../whisper/with-model.ts');
  const clips = await readManifest(manifest, {}, ({ audio, duration }) => ({ audio, duration }));
  const started = performance.now();
  const work = showWork('run again to continue: what was encoded is kept');
  const cluster = clusterOf({ redis, store, progress }, work);
  const filled = await abortable(work.signal, async () => {
    if (!cluster)
      return withModel(WhisperModel.load(directory), (model) =>
        fillCache(model, clips, { ...work, ...options }),
      );
    const { fillCacheOnWorkers } = await import('../cluster/encode.ts');
    return fillCacheOnWorkers(cluster, directory, clips, { ...work, ...options, cache });
  });
  work.end();
  const seconds = (performance.now() - started) / 1000;
  const summary = { clips: filled.clips, failed: filled.failed, frames: filled.frames, seconds, cache };
  console.log(
    json ? JSON.stringify(summary) : `${summary.clips} clips, ${summary.frames} frames, kept in ${cache}`,
  );
  failedFiles(summary.failed, clips.length);
}
