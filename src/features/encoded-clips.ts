/** The clips of a manifest with their encoder outputs, as training and evaluation want them. */

import type { Clip } from '../data/clip.ts';
import { readManifest } from '../data/manifest.ts';
import { UserError } from '../errors.ts';
import { startProgress } from '../report/progress.ts';
import type { EncodedClip, WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import {
  type EncodeFilesOptions,
  encodeFiles,
  encodeRecordings,
  type StoredEncoding,
} from './encoder-cache.ts';

export interface Selection {
  readonly set?: string;
  readonly language?: string;
}

/** @throws UserError when the manifest has no clip of that set and language */
export async function selectClips(manifest: string, { set, language }: Selection): Promise<Clip[]> {
  const all = await readManifest(manifest);
  const clips = all.filter((clip) => (!set || clip.set === set) && (!language || clip.language === language));
  if (clips.length === 0) {
    const has = [...new Set(all.map((clip) => `${clip.language}/${clip.set}`))].sort().join(', ');
    throw new UserError(
      `${manifest}: no clip of language "${language ?? 'any'}" in set "${set ?? 'any'}"; it has ${has || 'none'}`,
    );
  }
  return clips;
}

/** A clip that cannot be read is named on standard error and left out. */
export async function encodedClips(
  model: WhisperModel,
  clips: readonly Clip[],
  { window, cache }: { window: WindowMode; cache: string },
): Promise<{ clip: Clip; encoded: EncodedClip }[]> {
  const files = clips.map(({ audio }) => audio);
  return reported(clips, (handlers) => encodeFiles(model, files, { window, cache, ...handlers }));
}

/** As encodedClips; outputs beyond `maxBytes` are read from the cache whenever they are needed. */
export async function storedClips(
  model: WhisperModel,
  clips: readonly Clip[],
  { window, cache, maxBytes }: { window: WindowMode; cache: string; maxBytes: number },
): Promise<{ clip: Clip; encoded: EncodedClip | StoredEncoding }[]> {
  const recordings = clips.map(({ audio }) => ({ files: [audio] }));
  return reported(clips, (handlers) =>
    encodeRecordings(model, recordings, { window, cache, maxBytes, ...handlers }),
  );
}

async function reported<Encoded>(
  clips: readonly Clip[],
  encode: (handlers: Pick<EncodeFilesOptions, 'onProgress' | 'onError'>) => Promise<(Encoded | undefined)[]>,
): Promise<{ clip: Clip; encoded: Encoded }[]> {
  const progress = startProgress('encoding', clips.length);
  const encoded = await encode({
    onProgress: (done) => progress.update(done),
    onError: (_, error) => process.stderr.write(`left out: ${error.message}\n`),
  });
  progress.done();
  return clips.flatMap((clip, i) => (encoded[i] ? [{ clip, encoded: encoded[i] }] : []));
}
