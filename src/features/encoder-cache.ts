/** Encoder outputs of recordings, kept on disk so that training and retrieval encode each clip once. */
import { join } from 'node:path';
import { float32ToFloat16 } from '../checkpoint/half-precision.ts';
import { maskMel, type Recording } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { type EncodedClip, frameValues, type WindowMode } from '../whisper/encoded-clip.ts';
import type { Lazy } from '../whisper/lazy.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { FeatureStore } from './feature-store.ts';
import { inRounds, type RoundHandlers } from './in-rounds.ts';

/** Clips read, encoded and written together; more only takes more memory. */
const CLIPS_PER_ROUND = 64;

/** Version of the cache: raise it with every change of encoder outputs. */
const ENCODING = 2;

export interface EncodeFilesOptions extends RoundHandlers {
  readonly window: WindowMode;
  /** Folder of cached outputs; undefined: none. */
  readonly cache: string | undefined;
}

/**
 * Encoder outputs of audio files, in their order; undefined where a file could not be read. Values are
 * float16 whether or not they come from the cache, so that a run does not depend on what ran before it.
 */
export async function encodeFiles(
  model: WhisperModel,
  files: readonly string[],
  options: EncodeFilesOptions,
): Promise<(EncodedClip | undefined)[]> {
  const recordings = files.map((file) => ({ files: [file] }));
  return (await encodeRecordings(model, recordings, options)) as (EncodedClip | undefined)[];
}

/**
 * As encodeFiles, of recordings that may be joined or augmented.
 * @param maxBytes limit of outputs held in memory; further ones are read from the cache when they are needed, identical to
 * the bit. Default: no limit
 */
export async function encodeRecordings(
  model: WhisperModel,
  recordings: readonly Recording[],
  { window, cache, maxBytes, ...handlers }: EncodeFilesOptions & { readonly maxBytes?: number },
): Promise<(EncodedClip | Lazy<EncodedClip> | undefined)[]> {
  const store = cache && (await encodingStore(join(cache, await encodingName(model, window))));
  let held = 0;
  const full = (): boolean => maxBytes !== undefined && held >= maxBytes;
  const hold = (clip: EncodedClip): EncodedClip => {
    held += clip.frames.byteLength;
    return clip;
  };
  return inRounds<EncodedClip | Lazy<EncodedClip>>(recordings, {
    ...handlers,
    perRound: CLIPS_PER_ROUND,
    find: async (entry) => {
      if (!store) return undefined;
      if (full()) {
        const shape = await store.shapeOf(entry);
        return shape && storedClip(store, entry, shape);
      }
      const clip = await readEncoded(store, entry);
      return clip && hold(clip);
    },
    encode: async (missing, onProgress) => {
      const encoded = await model.encode(
        missing.map(({ samples }) => samples),
        window,
        {
          onProgress,
          mask: (i, mel) =>
            maskMel(missing[i]!.recording, missing[i]!.samples, mel, model.dimensions.melBins),
          signal: handlers.signal,
        },
      );
      const results: (EncodedClip | Lazy<EncodedClip>)[] = [];
      for (const [i, { entry }] of missing.entries()) {
        const clip = { ...encoded[i]!, frames: float32ToFloat16(frameValues(encoded[i]!)) };
        if (store && entry) await writeEncoded(store, entry, clip);
        results.push(store && entry && full() ? storedClip(store, entry, shapeOf(clip)) : hold(clip));
      }
      return results;
    },
  });
}

/** Folder name of this encoder's outputs in such windows. */
export async function encodingName(model: WhisperModel, window: WindowMode): Promise<string> {
  return `${await model.encoderFingerprint()}-${window}-${ENCODING}`;
}

type EncodedShape = Omit<EncodedClip, 'frames'>;
export type EncodingStore = FeatureStore<EncodedShape>;

export const encodingStore = (folder: string): Promise<EncodingStore> =>
  FeatureStore.open<EncodedShape>(folder, ({ window, width }) => window * width);

const shapeOf = ({ window, length, width }: EncodedClip): EncodedShape => ({ window, length, width });

/** @param clip its frames as float16 bits */
export function writeEncoded(store: EncodingStore, entry: string, clip: EncodedClip): Promise<void> {
  return store.write(entry, shapeOf(clip), clip.frames as Uint16Array);
}

export async function readEncoded(store: EncodingStore, entry: string): Promise<EncodedClip | undefined> {
  const found = await store.read(entry);
  return found && { ...found.shape, frames: found.values };
}

function storedClip(store: EncodingStore, entry: string, shape: EncodedShape): Lazy<EncodedClip> {
  return {
    ...shape,
    read: async () => {
      const clip = await readEncoded(store, entry);
      if (clip?.window === shape.window) return clip;
      throw new UserError(
        `${store.pathOf(entry)}: found no whole encoder output; expected it to stay during the run`,
      );
    },
  };
}
