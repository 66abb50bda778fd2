/** Clips of a manifest with their encoder outputs, for training and evaluation. */

import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { sameLanguage } from '../language/profile.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import type { EncodedClip, WindowMode } from '../whisper/encoded-clip.ts';
import type { Lazy } from '../whisper/lazy.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type EncodeFilesOptions, encodeFiles, encodeRecordings } from './encoder-cache.ts';

export interface Selection {
  readonly set?: string | undefined;
  readonly language?: string | undefined;
}

/**
 * @param source path of a manifest, or clips of one
 * @throws UserError when it has no clip of that set and language
 */
export async function selectClips(source: string | readonly Clip[], selection: Selection): Promise<Clip[]> {
  const all = typeof source === 'string' ? await readManifest(source) : source;
  return clipsOf(all, sourceName(source), selection);
}

/**
 * As selectClips, of clips that were read: for several selections of one manifest.
 * @param source its name in messages
 */
export function clipsOf(all: readonly Clip[], source: string, { set, language }: Selection): Clip[] {
  const ofSet = set ? all.filter((clip) => clip.set === set) : all;
  let clips = language ? ofSet.filter((clip) => clip.language === language) : [...ofSet];
  // Written otherwise than in the manifest: French, fra, pt_BR.
  if (clips.length === 0 && language) clips = ofSet.filter((clip) => isIn(clip, language));
  if (clips.length === 0) {
    const has = [...new Set(all.map((clip) => `${clip.language}/${clip.set}`))].sort().join(', ');
    throw new UserError(
      `${source}: no clip of language "${language ?? 'any'}" in set "${set ?? 'any'}"; it has ${has || 'none'}`,
    );
  }
  return clips;
}

const isIn = ({ language }: Clip, named: string): boolean => language !== '' && sameLanguage(language, named);

/** Name of the source of clips in messages. */
export const sourceName = (source: string | readonly Clip[]): string =>
  typeof source === 'string' ? source : 'clips';

export interface ClipEncodingOptions extends WorkOptions {
  readonly window: WindowMode;
  /** Folder of cached outputs; undefined: none. */
  readonly cache?: string | undefined;
  /** Name in reports of progress. Default 'encoding'. */
  readonly stage?: string | undefined;
}

/** Encoder outputs of the clips that can be read; the others are skipped. */
export async function encodedClips<C extends Clip>(
  model: WhisperModel,
  clips: readonly C[],
  { window, cache, ...events }: ClipEncodingOptions,
): Promise<{ clip: C; encoded: EncodedClip }[]> {
  const files = clips.map(({ audio }) => audio);
  return reportSkipped(clips, events, (handlers) =>
    encodeFiles(model, files, { window, cache, ...handlers }),
  );
}

/** As encodedClips; outputs beyond `maxBytes` are read from the cache when they are needed. */
export async function storedClips(
  model: WhisperModel,
  clips: readonly Clip[],
  { window, cache, maxBytes, ...events }: ClipEncodingOptions & { readonly maxBytes: number },
): Promise<{ clip: Clip; encoded: EncodedClip | Lazy<EncodedClip> }[]> {
  const recordings = clips.map(({ audio }) => ({ files: [audio] }));
  return reportSkipped(clips, events, (handlers) =>
    encodeRecordings(model, recordings, { window, cache, maxBytes, ...handlers }),
  );
}

async function reportSkipped<C extends Clip, Encoded>(
  clips: readonly C[],
  { onSkip, signal, stage = 'encoding', ...work }: WorkOptions & { readonly stage?: string | undefined },
  encode: (
    handlers: Pick<EncodeFilesOptions, 'onProgress' | 'onError' | 'signal'>,
  ) => Promise<(Encoded | undefined)[]>,
): Promise<{ clip: C; encoded: Encoded }[]> {
  const encoded = await encode({
    signal,
    onProgress: stageProgress(work, stage, clips.length),
    onError: (_, error) => onSkip?.(error.message),
  });
  return clips.flatMap((clip, i) => (encoded[i] ? [{ clip, encoded: encoded[i] }] : []));
}
