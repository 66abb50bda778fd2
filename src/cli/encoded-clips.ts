/** The clips of a manifest with their encoder outputs, as training and evaluation want them. */
import { UserError } from '../errors.ts';
import { startProgress } from '../report/progress.ts';
import { encodeFiles } from '../speech/encoder-cache.ts';
import { type Clip, readManifest } from '../speech/manifest.ts';
import type { EncodedClip, WhisperModel, Window } from '../whisper/model.ts';

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
  { window, cache }: { window: Window; cache: string },
): Promise<{ clip: Clip; encoded: EncodedClip }[]> {
  const progress = startProgress('encoding', clips.length);
  const files = clips.map(({ audio }) => audio);
  const encoded = await encodeFiles(model, files, {
    window,
    cache,
    onProgress: (done) => progress.update(done),
    onError: (_, error) => process.stderr.write(`left out: ${error.message}\n`),
  });
  progress.done();
  return clips.flatMap((clip, i) => (encoded[i] ? [{ clip, encoded: encoded[i] }] : []));
}
