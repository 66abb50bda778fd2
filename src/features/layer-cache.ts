/**
 * Cache of the outputs of all encoder layers: computed in one pass, then read layer by layer, as they do not fit into
 * memory together. A folder of shards per layer, with records as for the encoder's output.
 */
import { join } from 'node:path';
import type { EncodedClip, WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { encodedClip, encodedRecord } from './encoded-record.ts';
import { encodingName } from './encoder-outputs.ts';
import { inRounds, type RoundHandlers } from './in-rounds.ts';
import { RecordingMemo } from './recording-memo.ts';
import { Shards } from './shards.ts';

/** Clips encoded and written together: all their layers are in memory. */
const CLIPS_PER_ROUND = 8;

export class LayerCache {
  private constructor(
    readonly model: WhisperModel,
    /** Outputs of each layer; 0: the input of the first. */
    readonly layers: readonly Shards[],
    readonly window: WindowMode,
    readonly memo: RecordingMemo,
  ) {}

  static async open(model: WhisperModel, cache: string, window: WindowMode): Promise<LayerCache> {
    const folder = join(cache, `${await encodingName(model, window)}-layers`);
    const count = model.dimensions.encoderLayers + 1;
    const layers = await Promise.all(
      Array.from({ length: count }, (_, layer) => Shards.open(join(folder, String(layer)))),
    );
    return new LayerCache(model, layers, window, await RecordingMemo.open(cache));
  }

  /** Encodes missing clips. */
  async fill(files: readonly string[], handlers: RoundHandlers = {}): Promise<void> {
    await inRounds<object>(
      files.map((file) => ({ files: [file] })),
      {
        perRound: CLIPS_PER_ROUND,
        memo: this.memo,
        find: async (key) => (this.layers.every((layer) => layer.about(key)) ? this : undefined),
        encode: async (missing, _, signal) => {
          const samples = missing.map((one) => one.samples);
          const states = await this.model.encodeLayers(samples, this.window, { signal });
          for (const [layer, clips] of states.entries()) {
            await this.layers[layer]!.add(
              clips.map((clip, i) => ({ key: missing[i]!.key!, ...encodedRecord(clip, 'float16') })),
            );
          }
          return missing;
        },
      },
      handlers,
    );
  }

  /**
   * Output of one layer for a file, encoded again where it is damaged; undefined where the file cannot be read.
   * @param layer 0: the input of the first layer
   */
  async read(file: string, layer: number): Promise<EncodedClip | undefined> {
    const key = await this.memo.keyOf({ files: [file] }).catch(() => undefined);
    if (key === undefined) return undefined;
    const found = await this.#stored(key, layer);
    if (found) return found;
    await this.fill([file], { onError: () => {} });
    return this.#stored(key, layer);
  }

  async #stored(key: string, layer: number): Promise<EncodedClip | undefined> {
    const found = await this.layers[layer]!.read(key);
    return found && encodedClip(found);
  }
}
