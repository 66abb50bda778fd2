/** Reads audio files as samples, and what references name: members of archives, cells of tables, parts of recordings. */
import type { Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.ts';
import { Fingerprint } from '../files/fingerprint.ts';
import { parquetBytes } from '../files/parquet.ts';
import { cannotOpen, exists } from '../files/read.ts';
import { isGzipped, tarIndex } from '../files/tar.ts';
import { type AudioReference, isReference, type Part, parseReference, sampleAt } from './audio-reference.ts';
import {
  decodeAudio,
  decodeInBlocks,
  type ReadEvents,
  type ReadOptions,
  type SampleBlock,
  type Selection,
} from './decode-audio.ts';
import { type ByteSource, blocksFrom, type FileBytes, heldBytes } from './file-bytes.ts';
import { READABLE_FORMATS } from './formats.ts';
import { gunzipped } from './gunzipped.ts';
import { headerSeconds } from './header-seconds.ts';
import { readPart } from './recording-parts.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

/**
 * Reads an audio file as 16 kHz mono samples in [-1, 1]; see decodeAudio.
 * @param file a path or a reference (audio-reference.ts), or a `file:` URL
 * @param signal stops reading and decoding
 * @throws UserError naming the file, what was found and what was expected.
 */
export function readAudio(
  file: string | URL,
  options?: ReadOptions & ReadEvents,
  signal?: AbortSignal,
): Promise<Float32Array> {
  return withAudio(file, async (audio) => {
    const { name, bytes, path, part } = audio;
    const selection = inPart(part, options);
    const held = await partOfLong(audio, selection);
    if (!held) return decodeAudio(name, sourceOf(bytes, path, signal), bytes.size, selection);
    signal?.throwIfAborted();
    return held();
  });
}

/** Longer parts are no clips: they are decoded as whole recordings are. */
const LONG_SECONDS = 1800;

/** Reads a part of a recording that is more than twice as long, as others of its parts may follow; undefined: it is not. */
async function partOfLong(
  { name, bytes, path, part, key, later }: OpenAudio,
  { from = 0, to, channel, onDamage }: ReadOptions & ReadEvents,
): Promise<(() => Promise<Float32Array>) | undefined> {
  if (part?.to === undefined || to === undefined || !(from < to && to - from < LONG_SECONDS))
    return undefined;
  const seconds = await headerSeconds(bytes);
  if (seconds !== undefined && to - from > seconds / 2) return undefined;
  return () =>
    readPart(
      { name, key, path, bytes: later },
      {
        ...{ begin: sampleAt(from), end: sampleAt(to), channel, onDamage },
      },
    );
}

/** Reads an audio file block by block; see decodeInBlocks. The file is open until the iteration ends. */
export async function* readInBlocks(
  file: string | URL,
  selection: Selection,
  signal?: AbortSignal,
): AsyncGenerator<SampleBlock, void, undefined> {
  const audio = await openAudio(file);
  const { name, bytes, path, part, close } = audio;
  try {
    const { channel } = selection;
    if (channel !== 'separate') {
      const held = await partOfLong(audio, inPart(part, { ...selection, channel }));
      if (held) return yield [await held()];
    }
    yield* decodeInBlocks(name, sourceOf(bytes, path, signal), bytes.size, inPart(part, selection));
  } finally {
    await close();
  }
}

/**
 * Length of an audio file in seconds, that of what readAudio gives: by its headers where they tell, with few reads, by
 * decoding it where they do not. Damage in the middle, after which decoding gives up, shows only there.
 * @throws UserError as readAudio
 */
export async function audioDuration(file: string | URL): Promise<number> {
  return (await statedDuration(file)) ?? (await readAudio(file)).length / SAMPLE_RATE;
}

/** Likewise, but undefined where only decoding can tell, or fails. */
export const statedDuration = (file: string | URL): Promise<number | undefined> =>
  withAudio(file, async ({ bytes, part }) => {
    const seconds = await headerSeconds(bytes);
    if (seconds === undefined || !part) return seconds;
    const samples = Math.min(sampleAt(seconds), sampleAt(part.to ?? seconds)) - sampleAt(part.from);
    return samples > 0 ? samples / SAMPLE_RATE : undefined;
  });

/** The file on disk of a recording: itself, or the archive or table that it stands in. */
export async function statAudio(audio: string): Promise<Stats> {
  return stat((await locateAudio(audio)).file);
}

/**
 * SHA-256 of what a recording holds, of 32 digits: that of its bytes, wherever they stand; of a part with its times.
 * @throws UserError where it does not open
 */
export async function audioFingerprint(audio: string): Promise<string> {
  const { file, member, cell, part } = await locateAudio(audio);
  const content =
    member === undefined && cell === undefined
      ? (await new Fingerprint().addFile(file)).hex(32)
      : await withAudio(audio, async ({ bytes }) => {
          const hash = new Fingerprint();
          for await (const block of blocksFrom(bytes)) hash.add(block);
          return hash.hex(32);
        });
  return part ? partFingerprint(content, part) : content;
}

const partFingerprint = (content: string, { from, to }: Part): string =>
  new Fingerprint().add(`${content}\npart ${sampleAt(from)} ${to === undefined ? '' : sampleAt(to)}`).hex(32);

/**
 * The unchanged bytes of a recording that is no part of another, if they are no more than `most`; else their number.
 * @throws UserError where it does not open
 */
export const audioBytes = (audio: string, most: number): Promise<Uint8Array | number> =>
  withAudio(audio, async ({ bytes: { size, read } }) => (size > most ? size : read(0, size)));

/**
 * What a text names: the file of that name, where there is one, else what it refers to.
 * @throws UserError as parseReference
 */
export async function locateAudio(text: string): Promise<AudioReference> {
  if (!isReference(text) || (await exists(text))) return { file: text };
  const reference = parseReference(text);
  if (!reference.part) return reference;
  const whole = text.slice(0, text.lastIndexOf('#t='));
  return (await exists(whole)) ? { file: whole, part: reference.part } : reference;
}

interface OpenAudio {
  readonly name: string;
  readonly bytes: FileBytes;
  /** Where other programs find the bytes: not those within another file. */
  readonly path?: string;
  readonly part?: Part | undefined;
  /** Changes with the content. */
  readonly key: string;
  /** The bytes, after it was closed, too: the file is opened for each read. */
  readonly later: FileBytes;
  close(): Promise<void>;
}

async function withAudio<T>(file: string | URL, use: (audio: OpenAudio) => Promise<T>): Promise<T> {
  const audio = await openAudio(file);
  try {
    return await use(audio);
  } finally {
    await audio.close();
  }
}

async function openAudio(source: string | URL): Promise<OpenAudio> {
  const name = String(source);
  const reference = typeof source === 'string' ? await locateAudio(source) : { file: fileURLToPath(source) };
  const { file, member, cell, part }: AudioReference = reference;
  const expected = `an audio file (${READABLE_FORMATS})`;
  if (cell) {
    const bytes = await parquetBytes(file, cell.row, cell.column);
    if (bytes.length === 0) throw new UserError(`${name}: found no bytes; expected ${expected}`);
    const held = heldBytes([bytes]);
    const key = `${placeOf(file, await stat(file))} ${cell.row} ${cell.column}`;
    return { name, part, key, bytes: held, later: held, close: async () => {} };
  }
  if (member !== undefined) {
    const archive = isGzipped(file) ? await gunzipped(file) : file;
    const found = await (await tarIndex(archive, file)).find(member);
    if (found.size === 0) throw new UserError(`${name}: found an empty member; expected ${expected}`);
    const key = `${placeOf(archive, await stat(archive))} ${found.offset}`;
    return { name, part, key, ...(await openBytes(archive, found.offset, found.size)) };
  }
  try {
    // Before opening: to open a pipe would wait for its writer.
    const found = await stat(file);
    if (found.isDirectory()) throw new UserError(`${name}: found a directory; expected ${expected}`);
    if (!found.isFile()) throw new UserError(`${name}: found a device or pipe; expected ${expected}`);
    if (found.size === 0) throw new UserError(`${name}: found an empty file; expected ${expected}`);
    return {
      name,
      part,
      path: resolve(file),
      key: placeOf(file, found),
      ...(await openBytes(file, 0, found.size)),
    };
  } catch (error) {
    throw cannotOpen(name, error, expected);
  }
}

/** Some bytes of a file. */
async function openBytes(
  file: string,
  offset: number,
  size: number,
): Promise<Pick<OpenAudio, 'bytes' | 'later' | 'close'>> {
  const read = async (from: FileHandle, at: number, length: number): Promise<Uint8Array> => {
    const wanted = Math.max(0, Math.min(length, size - at));
    const { bytesRead, buffer } = await from.read(new Uint8Array(wanted), 0, wanted, offset + at);
    return buffer.subarray(0, bytesRead);
  };
  const handle = await open(file);
  return {
    bytes: { size, read: (at, length) => read(handle, at, length) },
    later: {
      size,
      read: async (at, length) => {
        const again = await open(file);
        return read(again, at, length).finally(() => again.close());
      },
    },
    close: () => handle.close(),
  };
}

const placeOf = (file: string, { size, mtimeMs, ino }: Stats): string =>
  `${resolve(file)} ${size} ${mtimeMs} ${ino}`;

function sourceOf(bytes: FileBytes, path: string | undefined, signal?: AbortSignal): ByteSource {
  const file: FileBytes = {
    size: bytes.size,
    read: (at, length) => {
      signal?.throwIfAborted();
      return bytes.read(at, length);
    },
  };
  return {
    [Symbol.asyncIterator]: () => blocksFrom(file),
    ...{ file, signal },
    ...(path !== undefined && { path }),
  };
}

/** What is selected of a part, in the times of the whole. */
function inPart<T extends Selection>(part: Part | undefined, selection?: T): T {
  if (!part) return selection ?? ({} as T);
  const begin = sampleAt(part.from);
  const end = part.to === undefined ? Number.POSITIVE_INFINITY : sampleAt(part.to);
  const { from = 0, to = Number.POSITIVE_INFINITY } = selection ?? {};
  return {
    ...(selection as T),
    from: (begin + sampleAt(from)) / SAMPLE_RATE,
    to: Math.min(end, begin + sampleAt(to)) / SAMPLE_RATE,
  };
}
