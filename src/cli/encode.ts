/** `whisper-transfer encode`: fills the cache of encoder outputs that training and retrieval read. */
import type { Command } from 'commander';
import { abortable } from '../abort.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { failedFiles, modelOption, threadsOption, windowOption } from './options.ts';
import { showWork } from './show-work.ts';

interface Options {
  model: string;
  window: WindowMode;
  cache: string;
  json?: boolean;
}

export function encodeCommand(command: Command): Command {
  return command
    .argument('<manifest>', 'TSV or JSONL manifest with an "audio" column')
    .addOption(modelOption())
    .addOption(threadsOption())
    .addOption(windowOption())
    .option('--cache <dir>', 'folder where encoder outputs are kept', 'out/cache')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', '\nExample:\n  $ whisper-transfer encode samples/manifest.tsv --cache out/cache')
    .action(encode);
}

async function encode(manifest: string, { model: directory, window, cache, json }: Options): Promise<void> {
  const { readManifest } = await import('../data/manifest.ts');
  const { storedClips } = await import('../features/encoded-clips.ts');
  const { WhisperModel } = await import('../whisper/model.ts');
  const { withModel } = await import('../whisper/with-model.ts');
  const clips = await readManifest(manifest);
  const started = performance.now();
  const work = showWork('run again to continue: what was encoded is kept');
  const encoded = await abortable(work.signal, () =>
    withModel(WhisperModel.load(directory), (model) =>
      storedClips(model, clips, { ...work, window, cache, maxBytes: 0 }),
    ),
  );
  const summary = {
    clips: encoded.length,
    failed: clips.length - encoded.length,
    frames: encoded.reduce((sum, one) => sum + one.encoded.window, 0),
    seconds: (performance.now() - started) / 1000,
    cache,
  };
  console.log(
    json ? JSON.stringify(summary) : `${summary.clips} clips, ${summary.frames} frames, kept in ${cache}`,
  );
  failedFiles(summary.failed, clips.length);
}
