/**
 * Layer features of audio files, stored on disk. Means are small and stay in memory; frames of all layers are read again
 * for each batch, all layers of a clip at once. (An analysis reads all clips of a layer: features/layer-cache.ts.)
 */
import { join } from 'node:path';
import { encodingName } from '../../features/encoder-cache.ts';
import { FeatureStore } from '../../features/feature-store.ts';
import { inRounds, type RoundHandlers } from '../../features/in-rounds.ts';
import type { WhisperModel } from '../../whisper/model.ts';
import { CLIPS_AT_ONCE, type FeatureKind, type LayerFeatures, layerFeatures } from './layer-features.ts';

export type LoadFeatures = () => Promise<LayerFeatures>;

export interface FeatureFilesOptions extends RoundHandlers {
  readonly cache: string;
}

type Shape = Omit<LayerFeatures, 'values'>;

/** Features in the order of the files; undefined where a file could not be read. */
export async function featureFiles(
  model: WhisperModel,
  files: readonly string[],
  kind: FeatureKind,
  { cache, ...handlers }: FeatureFilesOptions,
): Promise<(LoadFeatures | undefined)[]> {
  const store = await FeatureStore.open<Shape>(
    join(cache, `${await encodingName(model, kind.window)}-features-${kind.pooling}`),
    ({ layers, frames, width }) => layers * frames * width,
  );
  const read = async (entry: string): Promise<LayerFeatures | undefined> => {
    const found = await store.read(entry);
    return found && { ...found.shape, values: found.values };
  };
  const loader = (features: LayerFeatures, entry: string): LoadFeatures => {
    if (features.frames === 1) return async () => features;
    return async () => {
      const kept = await read(entry);
      if (!kept) throw new Error(`${store.pathOf(entry)}: was removed or damaged while it was in use`);
      return kept;
    };
  };
  return inRounds<LoadFeatures>(
    files.map((file) => ({ files: [file] })),
    {
      ...handlers,
      perRound: CLIPS_AT_ONCE,
      find: async (entry) => {
        const kept = await read(entry);
        return kept && loader(kept, entry);
      },
      encode: async (missing, onProgress) => {
        const samples = missing.map((one) => one.samples);
        const made = await layerFeatures(model, samples, kind, onProgress);
        for (const [i, { values, layers, frames, width }] of made.entries()) {
          await store.write(missing[i]!.entry!, { layers, frames, width }, values);
        }
        return made.map((features, i) => loader(features, missing[i]!.entry!));
      },
    },
  );
}
