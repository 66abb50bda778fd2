/**
 * Encoder outputs on disk, so that training and retrieval encode each clip once. One file a clip, float16:
 * a line of JSON (window, length, width), then the frames.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { float32ToFloat16 } from '../whisper/half.ts';
import { type EncodedClip, frameValues, type WhisperModel, type Window } from '../whisper/model.ts';
import { readAudio } from './audio-file.ts';

/** Read, encoded and written together; more would only hold more memory. */
const CLIPS_PER_ROUND = 64;

/** Goes up with every change of what the encoder makes of a clip. */
export const ENCODING = 2;

export interface EncodeFilesOptions {
  readonly window: Window;
  /** Where outputs are kept between runs; undefined: nowhere. */
  readonly cache: string | undefined;
  readonly onProgress?: (done: number) => void;
  /** A clip that cannot be read. Without a handler it ends the run. */
  readonly onError?: (file: string, error: Error) => void;
}

/**
 * Encoder outputs of audio files, in their order; undefined where a file could not be read. Values are
 * float16 whether or not they come from the cache, so that a run does not depend on what ran before it.
 */
export async function encodeFiles(
  model: WhisperModel,
  files: readonly string[],
  { window, cache, onProgress, onError }: EncodeFilesOptions,
): Promise<(EncodedClip | undefined)[]> {
  const directory = cache && join(cache, `${await model.encoderFingerprint()}-${window}-${ENCODING}`);
  if (directory) await mkdir(directory, { recursive: true });
  const results: (EncodedClip | undefined)[] = new Array(files.length).fill(undefined);
  for (let start = 0; start < files.length; start += CLIPS_PER_ROUND) {
    const missing: { index: number; samples: Float32Array; entry: string | undefined }[] = [];
    for (let index = start; index < Math.min(files.length, start + CLIPS_PER_ROUND); index++) {
      try {
        const entry = directory && join(directory, await entryName(files[index]!));
        const kept = entry && (await readEntry(entry));
        if (kept) results[index] = kept;
        else missing.push({ index, samples: await readAudio(files[index]!), entry });
      } catch (error) {
        if (!onError) throw error;
        onError(files[index]!, error as Error);
      }
    }
    const encoded = await model.encode(
      missing.map(({ samples }) => samples),
      window,
      (done) => onProgress?.(Math.min(files.length, start + CLIPS_PER_ROUND) - missing.length + done),
    );
    for (const [i, { index, entry }] of missing.entries()) {
      const half = float32ToFloat16(frameValues(encoded[i]!));
      if (entry) await writeEntry(entry, encoded[i]!, half);
      results[index] = { ...encoded[i]!, frames: half };
    }
    onProgress?.(Math.min(files.length, start + CLIPS_PER_ROUND));
  }
  return results;
}

/** Name of a cached file of an audio file. One that was changed since is another clip. */
export async function entryName(file: string): Promise<string> {
  const { size, mtimeMs } = await stat(file);
  return `${createHash('sha256').update(`${file}\n${size}\n${mtimeMs}`).digest('hex').slice(0, 32)}.f16`;
}

export async function writeEntry(
  path: string,
  { window, length, width }: EncodedClip,
  half: Uint16Array,
): Promise<void> {
  const header = Buffer.from(`${JSON.stringify({ window, length, width })}\n`);
  const body = Buffer.from(half.buffer, half.byteOffset, half.byteLength);
  await writeFile(`${path}.incomplete`, Buffer.concat([header, body]));
  await rename(`${path}.incomplete`, path);
}

/** A damaged entry is as good as none: the clip is encoded again. */
export async function readEntry(path: string): Promise<EncodedClip | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch {
    return undefined;
  }
  try {
    const end = bytes.indexOf(10);
    const { window, length, width } = JSON.parse(bytes.toString('utf8', 0, end)) as EncodedClip;
    const half = bytes.subarray(end + 1);
    if (half.byteLength !== 2 * window * width) return undefined;
    const aligned = new Uint16Array(half.buffer.slice(half.byteOffset, half.byteOffset + half.byteLength));
    return { window, length, width, frames: aligned };
  } catch {
    return undefined;
  }
}
