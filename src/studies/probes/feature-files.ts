/**
 * Layer features of audio files, kept on disk: one file a clip, a line of JSON and then the values as float16. Means are
 * small and stay in memory; frames of all layers are not, and are read again whenever a batch wants them: all layers of a clip
 * at once, where an analysis wants all clips of a layer (speech/layer-cache.ts).
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readAudio } from '../../audio/audio-file.ts';
import { encodingName, entryName } from '../../features/encoder-cache.ts';
import type { WhisperModel } from '../../whisper/model.ts';
import { CLIPS_AT_ONCE, type FeatureKind, type LayerFeatures, layerFeatures } from './layer-features.ts';

export type LoadFeatures = () => Promise<LayerFeatures>;

export interface FeatureFilesOptions {
  readonly cache: string;
  readonly onProgress?: (done: number) => void;
  /** A clip that cannot be read. */
  readonly onError: (file: string, error: Error) => void;
}

/** In the order of the files; undefined where a file could not be read. */
export async function featureFiles(
  model: WhisperModel,
  files: readonly string[],
  kind: FeatureKind,
  { cache, onProgress, onError }: FeatureFilesOptions,
): Promise<(LoadFeatures | undefined)[]> {
  const { pooling, window } = kind;
  const directory = join(cache, `${await encodingName(model, window)}-features-${pooling}`);
  await mkdir(directory, { recursive: true });
  const results: (LoadFeatures | undefined)[] = new Array(files.length).fill(undefined);
  for (let start = 0; start < files.length; start += CLIPS_AT_ONCE) {
    const end = Math.min(files.length, start + CLIPS_AT_ONCE);
    const missing: { index: number; samples: Float32Array; entry: string }[] = [];
    for (let index = start; index < end; index++) {
      try {
        const entry = join(directory, await entryName({ files: [files[index]!] }));
        const kept = await readEntry(entry);
        if (kept) results[index] = loader(kept, entry);
        else missing.push({ index, samples: await readAudio(files[index]!), entry });
      } catch (error) {
        onError(files[index]!, error as Error);
      }
    }
    const found = await layerFeatures(
      model,
      missing.map(({ samples }) => samples),
      kind,
      (done) => onProgress?.(end - missing.length + done),
    );
    for (const [i, { index, entry }] of missing.entries()) {
      await writeEntry(entry, found[i]!);
      results[index] = loader(found[i]!, entry);
    }
    onProgress?.(end);
  }
  return results;
}

function loader(features: LayerFeatures, entry: string): LoadFeatures {
  if (features.frames === 1) return async () => features;
  return async () => {
    const kept = await readEntry(entry);
    if (!kept) throw new Error(`${entry}: was removed or damaged while it was in use`);
    return kept;
  };
}

async function writeEntry(path: string, { layers, frames, width, values }: LayerFeatures): Promise<void> {
  const header = Buffer.from(`${JSON.stringify({ layers, frames, width })}\n`);
  const body = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  await writeFile(`${path}.incomplete`, Buffer.concat([header, body]));
  await rename(`${path}.incomplete`, path);
}

/** A damaged entry is as good as none: the clip is encoded again. */
async function readEntry(path: string): Promise<LayerFeatures | undefined> {
  try {
    const bytes = await readFile(path);
    const end = bytes.indexOf(10);
    const { layers, frames, width } = JSON.parse(bytes.toString('utf8', 0, end)) as LayerFeatures;
    const body = bytes.subarray(end + 1);
    if (body.byteLength !== 2 * layers * frames * width) return undefined;
    const values = new Uint16Array(body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength));
    return { layers, frames, width, values };
  } catch {
    return undefined;
  }
}
