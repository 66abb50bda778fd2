/** Clips of a manifest with their encoder outputs, for training and evaluation. */

import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { clipFiles, type Recording } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { didYouMean } from '../language/names.ts';
import { isLanguage, sameLanguage } from '../language/profile.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import type { EncodedClip, WindowMode } from '../whisper/encoded-clip.ts';
import type { Lazy } from '../whisper/lazy.ts';
import type { WhisperModel } from '../whisper/model.ts';
import { type CacheOptions, EncoderOutputs, type EncoderOutputsOptions } from './encoder-outputs.ts';
import type { RoundHandlers } from './in-rounds.ts';

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
  if (clips.length === 0 && language) clips = ofSet.filter((clip) => isSpokenIn(clip, language));
  if (clips.length === 0) {
    const has = [...new Set(all.map((clip) => `${clip.language}/${clip.set}`))].sort().join(', ');
    const meant = language && !isLanguage(language) ? didYouMean(language) : '';
    throw new UserError(
      `${source}: no clip of language "${language ?? 'any'}" in set "${set ?? 'any'}"; it has ${has || 'none'}${meant}`,
    );
  }
  return clips;
}

/** Whether a clip is in a language, however it is named: fr, French, fra. */
export const isSpokenIn = ({ language }: Clip, named: string): boolean =>
  language !== '' && sameLanguage(language, named);

/** Name of the source of clips in messages. */
export const sourceName = (source: string | readonly Clip[]): string =>
  typeof source === 'string' ? source : 'clips';

export interface ClipEncodingOptions extends WorkOptions, CacheOptions {
  readonly window: WindowMode;
  /** Name in reports of progress. Default 'encoding'. */
  readonly stage?: string | undefined;
}

/** Encoder outputs of the clips that can be read; the others are skipped. */
export async function encodedClips<C extends Clip>(
  model: WhisperModel,
  clips: readonly C[],
  options: ClipEncodingOptions,
): Promise<{ clip: C; encoded: EncodedClip }[]> {
  const outputs = await EncoderOutputs.open(model, options);
  const encoded = await outputs.read(recordingsOf(clips), handlersOf(clips, options));
  return clips.flatMap((clip, i) => (encoded[i] ? [{ clip, encoded: encoded[i] }] : []));
}

/** As encodedClips; outputs beyond the memory for them are read from the cache when they are needed. */
export async function storedClips<C extends Clip>(
  outputs: EncoderOutputs,
  clips: readonly C[],
  options: Omit<ClipEncodingOptions, 'window'>,
): Promise<{ clip: C; encoded: EncodedClip | Lazy<EncodedClip> }[]> {
  const encoded = await outputs.stored(recordingsOf(clips), handlersOf(clips, options));
  return clips.flatMap((clip, i) => (encoded[i] ? [{ clip, encoded: encoded[i] }] : []));
}

const recordingsOf = (clips: readonly Clip[]): Recording[] =>
  clips.map((clip) => ({ files: clipFiles(clip) }));

function handlersOf(
  clips: readonly Clip[],
  { onSkip, signal, stage = 'encoding', ...work }: Omit<ClipEncodingOptions, 'window'>,
): RoundHandlers {
  return {
    signal,
    onProgress: stageProgress(work, stage, clips.length),
    onError: (_, error) => onSkip?.(error.message),
  };
}

export interface EncodeFilesOptions extends EncoderOutputsOptions, RoundHandlers {}

/** Encoder outputs of audio files, in their order; undefined where a file could not be read. */
export async function encodeFiles(
  model: WhisperModel,
  files: readonly string[],
  options: EncodeFilesOptions,
): Promise<(EncodedClip | undefined)[]> {
  const outputs = await EncoderOutputs.open(model, options);
  return outputs.read(
    files.map((file) => ({ files: [file] })),
    options,
  );
}
