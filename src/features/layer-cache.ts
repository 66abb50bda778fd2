/**
 * What each encoder layer makes of audio files, on disk: all layers come from one pass, and are then read layer by layer,
 * as they would not fit into memory together. A folder a layer, its entries as those of the encoder's output.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readAudio } from '../audio/audio-file.ts';
import { float32ToFloat16 } from '../checkpoint/half-precision.ts';
import { type EncodedClip, frameValues, type WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import {
  type EncodeFilesOptions,
  encodingName,
  entryName,
  readEntry,
  readHeader,
  writeEntry,
} from './encoder-cache.ts';

/** Encoded and written together: all their layers are in memory. */
const CLIPS_PER_ROUND = 8;

export class LayerCache {
  private constructor(
    readonly model: WhisperModel,
    /** Of each layer, from what enters the first: layer 0. */
    readonly folders: readonly string[],
    readonly window: WindowMode,
  ) {}

  static async open(model: WhisperModel, cache: string, window: WindowMode): Promise<LayerCache> {
    const encoding = await encodingName(model, window);
    const folders = Array.from({ length: model.dimensions.encoderLayers + 1 }, (_, layer) =>
      join(cache, `${encoding}-layers`, String(layer)),
    );
    for (const folder of folders) await mkdir(folder, { recursive: true });
    return new LayerCache(model, folders, window);
  }

  /** Encodes what is not there yet. */
  async fill(
    files: readonly string[],
    { onProgress, onError }: Pick<EncodeFilesOptions, 'onProgress' | 'onError'> = {},
  ): Promise<void> {
    let round: { name: string; samples: Float32Array }[] = [];
    const encodeRound = async (): Promise<void> => {
      const layers = await this.model.encodeLayers(
        round.map(({ samples }) => samples),
        this.window,
      );
      for (const [layer, clips] of layers.entries()) {
        for (const [i, clip] of clips.entries()) {
          await writeEntry(
            join(this.folders[layer]!, round[i]!.name),
            clip,
            float32ToFloat16(frameValues(clip)),
          );
        }
      }
      round = [];
    };
    for (const [i, file] of files.entries()) {
      try {
        const name = await entryName({ files: [file] });
        // The last layer is written last: where it is, the others are.
        if (!(await readHeader(join(this.folders.at(-1)!, name)))) {
          round.push({ name, samples: await readAudio(file) });
        }
      } catch (error) {
        if (!onError) throw error;
        onError(file, error as Error);
      }
      if (round.length >= CLIPS_PER_ROUND) await encodeRound();
      onProgress?.(i + 1 - round.length);
    }
    if (round.length > 0) await encodeRound();
    onProgress?.(files.length);
  }

  /**
   * One layer of a file, as it leaves the layer; undefined where `fill` could not read the file.
   * @param layer 0: what enters the first layer
   */
  async read(file: string, layer: number): Promise<EncodedClip | undefined> {
    try {
      return await readEntry(join(this.folders[layer]!, await entryName({ files: [file] })));
    } catch {
      return undefined;
    }
  }
}
