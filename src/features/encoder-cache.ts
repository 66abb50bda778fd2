/**
 * Encoder outputs on disk, so that training and retrieval encode each clip once. One file a clip, float16:
 * a line of JSON (window, length, width), then the frames.
 */
import { mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { float32ToFloat16 } from '../checkpoint/half-precision.ts';
import { maskMel, type Recording, readRecording } from '../data/recording.ts';
import { UserError } from '../errors.ts';
import { Fingerprint } from '../files/fingerprint.ts';
import { type EncodedClip, frameValues, type WindowMode } from '../whisper/encoded-clip.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { DeferredClip } from '../whisper/ready-clip.ts';

/** Read, encoded and written together; more would only hold more memory. */
const CLIPS_PER_ROUND = 64;
/** More than the line of JSON takes. */
const HEADER_BYTES = 256;

/** Goes up with every change of what the encoder makes of a clip. */
const ENCODING = 2;

export interface EncodeFilesOptions {
  readonly window: WindowMode;
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
  options: EncodeFilesOptions,
): Promise<(EncodedClip | undefined)[]> {
  const recordings = files.map((file) => ({ files: [file] }));
  return (await encodeRecordings(model, recordings, options)) as (EncodedClip | undefined)[];
}

/** An encoder output that lies in the cache. */
export interface StoredEncoding extends DeferredClip {
  readonly form: 'encoded';
  readonly width: number;
  readonly read: () => Promise<EncodedClip>;
}

/**
 * As encodeFiles, of recordings that may be joined or augmented.
 * @param maxBytes outputs beyond are not held in memory: they are read from the cache when they are needed, the same to
 * the bit. Default: all are held
 */
export async function encodeRecordings(
  model: WhisperModel,
  recordings: readonly Recording[],
  { window, cache, onProgress, onError, maxBytes }: EncodeFilesOptions & { readonly maxBytes?: number },
): Promise<(EncodedClip | StoredEncoding | undefined)[]> {
  const directory = cache && join(cache, await encodingName(model, window));
  if (directory) await mkdir(directory, { recursive: true });
  const results: (EncodedClip | StoredEncoding | undefined)[] = new Array(recordings.length).fill(undefined);
  const count = recordings.length;
  let held = 0;
  const full = (): boolean => maxBytes !== undefined && held >= maxBytes;
  const hold = (clip: EncodedClip, entry: string | undefined): EncodedClip | StoredEncoding => {
    if (entry && full()) return storedClip(entry, clip);
    held += clip.frames.byteLength;
    return clip;
  };
  for (let start = 0; start < count; start += CLIPS_PER_ROUND) {
    const missing: { index: number; samples: Float32Array; entry: string | undefined }[] = [];
    for (let index = start; index < Math.min(count, start + CLIPS_PER_ROUND); index++) {
      const recording = recordings[index]!;
      try {
        // Where a file is not there, reading it says so.
        const name = directory && (await entryName(recording).catch(() => undefined));
        const entry = name && join(directory, name);
        const stored = entry && full() ? await readHeader(entry) : undefined;
        const kept = entry && !stored ? await readEntry(entry) : undefined;
        if (stored) results[index] = storedClip(entry!, stored);
        else if (kept) results[index] = hold(kept, entry);
        else missing.push({ index, samples: await readRecording(recording), entry });
      } catch (error) {
        if (!onError) throw error;
        onError(recording.files[0]!, error as Error);
      }
    }
    const encoded = await model.encode(
      missing.map(({ samples }) => samples),
      window,
      (done) => onProgress?.(Math.min(count, start + CLIPS_PER_ROUND) - missing.length + done),
      (i, mel) => maskMel(recordings[missing[i]!.index]!, missing[i]!.samples, mel, model.dimensions.melBins),
    );
    for (const [i, { index, entry }] of missing.entries()) {
      const half = float32ToFloat16(frameValues(encoded[i]!));
      if (entry) await writeEntry(entry, encoded[i]!, half);
      results[index] = hold({ ...encoded[i]!, frames: half }, entry);
    }
    onProgress?.(Math.min(count, start + CLIPS_PER_ROUND));
  }
  return results;
}

/** Name of the folder of outputs of this encoder in such windows. */
export async function encodingName(model: WhisperModel, window: WindowMode): Promise<string> {
  return `${await model.encoderFingerprint()}-${window}-${ENCODING}`;
}

/** Name of a recording's cached file. A file that was changed since is another clip, and so is another version of it. */
export async function entryName({ files, version }: Recording): Promise<string> {
  const hash = new Fingerprint();
  for (const [i, file] of files.entries()) {
    const { size, mtimeMs } = await stat(file);
    hash.add(`${i > 0 ? '\n' : ''}${file}\n${size}\n${mtimeMs}`);
  }
  if (version) hash.add(`\n${version.augmentation.fingerprint}\n${version.name}\n${version.number}`);
  return `${hash.hex(32)}.f16`;
}

function storedClip(entry: string, { window, length, width }: Omit<EncodedClip, 'frames'>): StoredEncoding {
  return {
    form: 'encoded',
    window,
    length,
    width,
    read: async () => {
      const clip = await readEntry(entry);
      if (clip?.window === window) return clip;
      throw new UserError(`${entry}: found no whole encoder output; expected it to stay during the run`);
    },
  };
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
  const bytes = await readFile(path).catch(() => undefined);
  const header = bytes && parseHeader(bytes, bytes.length);
  if (!header) return undefined;
  const start = bytes.byteOffset + header.bytes;
  const aligned = new Uint16Array(bytes.buffer.slice(start, bytes.byteOffset + bytes.byteLength));
  const { window, length, width } = header;
  return { window, length, width, frames: aligned };
}

/** What an entry says of itself; undefined where it is not there, or not whole. */
export async function readHeader(path: string): Promise<Omit<EncodedClip, 'frames'> | undefined> {
  const handle = await open(path).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return parseHeader(buffer.subarray(0, bytesRead), (await handle.stat()).size);
  } finally {
    await handle.close();
  }
}

/** Undefined where the file is not as long as its header says. */
function parseHeader(
  start: Buffer,
  size: number,
): { window: number; length: number; width: number; bytes: number } | undefined {
  try {
    const bytes = start.indexOf(10) + 1;
    const { window, length, width } = JSON.parse(start.toString('utf8', 0, bytes)) as EncodedClip;
    return size - bytes === 2 * window * width ? { window, length, width, bytes } : undefined;
  } catch {
    return undefined;
  }
}
