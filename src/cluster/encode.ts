/** Shards of `encode`: clips whose encoder outputs go into the shared cache. */
import { resolve } from 'node:path';
import { resolveReference } from '../audio/audio-reference.ts';
import type { ClipFiles } from '../data/recording.ts';
import type { CacheDtype } from '../features/encoded-record.ts';
import { CLIPS_PER_ROUND, EncoderOutputs } from '../features/encoder-outputs.ts';
import { type FilledCache, fillable } from '../features/fill-cache.ts';
import { recordingLengths } from '../features/recording-lengths.ts';
import { inBatches } from '../lists.ts';
import type { WorkOptions } from '../report/progress.ts';
import type { WindowMode } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { withModel } from '../whisper/with-model.ts';
import { type ClusterOptions, shardResults } from './coordinator.ts';
import type { JobKind } from './kinds.ts';
import { type FailedRow, isFailed, type Row } from './run.ts';

export interface EncodeOptions {
  readonly window: WindowMode;
  /** Absolute path. */
  readonly cache: string;
  readonly cacheDtype?: CacheDtype | undefined;
  readonly cacheLimit?: number | undefined;
}

export interface EncodeRow extends Row {
  /** Absolute path. */
  readonly audio: string;
  /** Seconds, as the manifest says; null where it does not. */
  readonly duration: number | null;
}

export interface EncodedRow {
  readonly frames: number;
}

export const encodeShards: JobKind<EncodeOptions, EncodeRow, EncodedRow> = {
  async open({ cache, ...options }, context) {
    const model = await WhisperModel.load(context.model);
    const outputs = await EncoderOutputs.open(model, {
      ...options,
      cache: context.here(cache),
      maxBytes: 0,
      onNote: context.onNote,
      onDamage: context.onDamage,
    });
    // The same steps as fillCache's, so that what cannot be read is reported as there.
    return async (rows) => {
      const clips = rows.map(({ audio, duration }) => ({
        audio: context.here(audio),
        duration: duration ?? Number.NaN,
      }));
      const results: (EncodedRow | FailedRow)[] = new Array(rows.length);
      const reasons: string[] = [];
      const lengths = await recordingLengths(outputs.memo, clips, {
        onSkip: (reason) => reasons.push(reason),
      });
      const readable: number[] = [];
      for (const [i, length] of lengths.entries()) {
        if (length === undefined) results[i] = { error: reasons.shift()! };
        else readable.push(i);
      }
      const errors = new Map<string, string>();
      const shapes = await outputs.shapes(
        readable.map((i) => ({ files: [clips[i]!.audio] })),
        { onError: (file, { message }) => errors.set(file, message) },
      );
      for (const [k, i] of readable.entries()) {
        const shape = shapes[k];
        results[i] = shape ? { frames: shape.window } : { error: errors.get(clips[i]!.audio)! };
      }
      return results;
    };
  },
};

/** As fillCache, by workers. @param model its folder @throws UserError where the disk has no room */
export async function fillCacheOnWorkers(
  cluster: ClusterOptions,
  model: string,
  clips: readonly ClipFiles[],
  { window, cache, cacheDtype, cacheLimit, onSkip, ...work }: EncodeOptions & WorkOptions,
): Promise<FilledCache> {
  // The same check as of one process, before any worker begins; what cannot be read is told with the results.
  await withModel(WhisperModel.load(model), (loaded) =>
    fillable(loaded, clips, { window, cache, cacheDtype, cacheLimit, ...work }),
  );
  const rows = clips.map(
    ({ audio, duration }): EncodeRow => ({
      name: audio,
      audio: resolveReference('', audio),
      duration: Number.isNaN(duration) ? null : duration,
    }),
  );
  const shards = [...inBatches(rows, CLIPS_PER_ROUND)];
  const options: EncodeOptions = { window, cache: resolve(cache), cacheDtype, cacheLimit };
  const job = {
    kind: 'encode',
    options,
    model,
    shards,
    filesOf: ({ audio }: EncodeRow) => [audio],
    folders: [options.cache],
  };
  let [filled, frames] = [0, 0];
  for await (const { result } of shardResults<EncodeRow, EncodedRow>(cluster, job, {
    ...work,
    stage: 'encoding',
  })) {
    for (const row of result!.results) {
      if (isFailed(row)) onSkip?.(row.error);
      else {
        filled++;
        frames += row.frames;
      }
    }
  }
  return { clips: filled, failed: clips.length - filled, frames };
}
