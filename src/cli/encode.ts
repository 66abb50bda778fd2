/** `whisper-transfer encode`: fills the cache of encoder outputs that training and retrieval read. */
import type { Command } from 'commander';
import { readManifest } from '../data/manifest.ts';
import { encodeFiles } from '../features/encoder-cache.ts';
import { startProgress } from '../report/progress.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { failedFiles, modelOption, windowOption } from './options.ts';

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
    .addOption(windowOption())
    .option('--cache <dir>', 'where encoder outputs are kept', 'out/cache')
    .option('--json', 'print the summary as JSON')
    .addHelpText('after', '\nExample:\n  $ whisper-transfer encode samples/manifest.tsv --cache out/cache')
    .action(async (manifest: string, { model: directory, window, cache, json }: Options) => {
      const clips = await readManifest(manifest);
      let failed = 0;
      await withModel(WhisperModel.load(directory), async (model) => {
        const started = performance.now();
        const progress = startProgress('encoding', clips.length);
        const encoded = await encodeFiles(
          model,
          clips.map(({ audio }) => audio),
          {
            window,
            cache,
            onProgress: (done) => progress.update(done),
            onError: (_, error) => {
              failed++;
              process.stderr.write(`${error.message}\n`);
            },
          },
        );
        progress.done();
        const frames = encoded.reduce((sum, clip) => sum + (clip?.window ?? 0), 0);
        const summary = {
          clips: clips.length - failed,
          failed,
          frames,
          seconds: (performance.now() - started) / 1000,
          cache,
        };
        console.log(
          json ? JSON.stringify(summary) : `${summary.clips} clips, ${frames} frames, kept in ${cache}`,
        );
      });
      failedFiles(failed, clips.length);
    });
}
