/**
 * Cache of the outputs of all encoder layers: computed in one pass, then read layer by layer, as they do not fit into
 * memory together. A folder per layer, with entries as for the encoder's output.
 */
import { join } from 'node:path';
import { float32ToFloat16 } from '../checkpoint/half-precision.ts';
import { type EncodedClip, frameValues, type WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import {
  type EncodingStore,
  encodingName,
  encodingStore,
  readEncoded,
  writeEncoded,
} from './encoder-cache.ts';
import { entryName, inRounds, type RoundHandlers } from './in-rounds.ts';

/** Clips encoded and written together: all their layers are in memory. */
const CLIPS_PER_ROUND = 8;

export class LayerCache {
  private constructor(
    readonly model: WhisperModel,
    /** Store of each layer; 0: the input of the first. */
    readonly layers: readonly EncodingStore[],
    readonly window: WindowMode,
  ) {}

  static async open(model: WhisperModel, cache: string, window: WindowMode): Promise<LayerCache> {
    const folder = join(cache, `${await encodingName(model, window)}-layers`);
    const count = model.dimensions.encoderLayers + 1;
    const layers = await Promise.all(
      Array.from({ length: count }, (_, layer) => encodingStore(join(folder, String(layer)))),
    );
    return new LayerCache(model, layers, window);
  }

  /** Encodes missing clips. */
  async fill(files: readonly string[], handlers: RoundHandlers = {}): Promise<void> {
    const recordings = files.map((file) => ({ files: [file] }));
    await inRounds<true>(recordings, {
      ...handlers,
      perRound: CLIPS_PER_ROUND,
      // The last layer is written last: if it exists, the others do.
      find: async (entry) => ((await this.layers.at(-1)!.shapeOf(entry)) ? true : undefined),
      encode: async (missing) => {
        const states = await this.model.encodeLayers(
          missing.map(({ samples }) => samples),
          this.window,
        );
        for (const [layer, clips] of states.entries()) {
          for (const [i, clip] of clips.entries()) {
            const frames = float32ToFloat16(frameValues(clip));
            await writeEncoded(this.layers[layer]!, missing[i]!.entry!, { ...clip, frames });
          }
        }
        return missing.map(() => true);
      },
    });
  }

  /**
   * Output of one layer for a file; undefined where `fill` could not read the file.
   * @param layer 0: the input of the first layer
   */
  async read(file: string, layer: number): Promise<EncodedClip | undefined> {
    const entry = await entryName({ files: [file] }).catch(() => undefined);
    return entry === undefined ? undefined : readEncoded(this.layers[layer]!, entry);
  }
}
