/**
 * Layer features of audio files, stored on disk. Means are small and stay in memory; frames of all layers are read again
 * for each batch, all layers of a clip at once. (An analysis reads all clips of a layer: features/layer-cache.ts.)
 */
import { join } from 'node:path';
import { UserError } from '../../errors.ts';
import { encodingName } from '../../features/encoder-outputs.ts';
import { inRounds, type RoundHandlers } from '../../features/in-rounds.ts';
import { RecordingMemo } from '../../features/recording-memo.ts';
import { ABOUT_BYTES, Shards } from '../../features/shards.ts';
import type { WhisperModel } from '../../whisper/model.ts';
import { CLIPS_AT_ONCE, type FeatureKind, type LayerFeatures, layerFeatures } from './layer-features.ts';

export type LoadFeatures = () => Promise<LayerFeatures>;

export interface FeatureFilesOptions extends RoundHandlers {
  readonly cache: string;
}

/** Features in the order of the files; undefined where a file could not be read. */
export async function featureFiles(
  model: WhisperModel,
  files: readonly string[],
  kind: FeatureKind,
  { cache, ...handlers }: FeatureFilesOptions,
): Promise<(LoadFeatures | undefined)[]> {
  const folder = join(cache, `${await encodingName(model, kind.window)}-features-${kind.pooling}`);
  const shards = await Shards.open(folder);
  const read = async (key: string): Promise<LayerFeatures | undefined> => {
    const found = await shards.read(key);
    return found && featuresOf(found);
  };
  const loader = (features: LayerFeatures, key: string): LoadFeatures => {
    if (features.frames === 1) return async () => features;
    return async () => {
      const kept = await read(key);
      if (!kept) {
        throw new UserError(
          `${folder}: features were removed or damaged; expected them to stay during the run`,
        );
      }
      return kept;
    };
  };
  return inRounds<LoadFeatures>(
    files.map((file) => ({ files: [file] })),
    {
      perRound: CLIPS_AT_ONCE,
      memo: await RecordingMemo.open(cache),
      find: async (key) => {
        const kept = await read(key);
        return kept && loader(kept, key);
      },
      encode: async (missing, onProgress) => {
        const samples = missing.map((one) => one.samples);
        const made = await layerFeatures(model, samples, kind, onProgress);
        await shards.add(made.map((features, i) => ({ key: missing[i]!.key!, ...recordOf(features) })));
        return made.map((features, i) => loader(features, missing[i]!.key!));
      },
    },
    handlers,
  );
}

function recordOf({ layers, frames, width, values }: LayerFeatures) {
  const about = Buffer.alloc(ABOUT_BYTES);
  [layers, frames, width].forEach((value, i) => {
    about.writeUInt32LE(value, 4 * i);
  });
  return { about, payload: new Uint8Array(values.buffer, values.byteOffset, values.byteLength) };
}

function featuresOf({ about, payload }: { about: Buffer; payload: Buffer }): LayerFeatures {
  const [layers, frames, width] = [0, 4, 8].map((place) => about.readUInt32LE(place)) as [
    number,
    number,
    number,
  ];
  const values = new Uint16Array(payload.buffer, payload.byteOffset, payload.length / 2);
  return { layers, frames, width, values };
}
