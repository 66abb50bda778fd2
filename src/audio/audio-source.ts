/** Sources of recordings: a file, a URL, a Blob, a stream, samples. */
import { UserError } from '../errors.ts';
import { readAudio, readInBlocks } from './audio-file.ts';
import {
  decodeAudio,
  decodeInBlocks,
  prepareSamples,
  type ReadEvents,
  type ReadOptions,
  type SampleBlock,
  type Selection,
} from './decode-audio.ts';
import { READABLE_FORMATS } from './formats.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

/** Mono samples of any rate, such as a channel of an `AudioBuffer`. */
export interface SampledAudio {
  /** In [-1, 1]; louder samples are clipped. */
  readonly samples: Float32Array;
  /** In Hz. */
  readonly sampleRate: number;
}

/**
 * One recording: the path of a file; a `file:` URL, or one to be fetched; a `Blob` or `File`, or a stream of the bytes of
 * a file of sound or video; 16 kHz mono samples; or samples with their rate.
 */
export type AudioSource = string | URL | Blob | ReadableStream<Uint8Array> | Float32Array | SampledAudio;

export function isAudioSource(value: unknown): value is AudioSource {
  if (typeof value === 'string') return true;
  if (typeof value !== 'object' || value === null) return false;
  return (
    value instanceof URL ||
    value instanceof Blob ||
    value instanceof ReadableStream ||
    value instanceof Float32Array ||
    ('samples' in value && value.samples instanceof Float32Array && 'sampleRate' in value)
  );
}

/** The recording's name in messages. */
export function audioName(source: AudioSource): string {
  if (typeof source === 'string') return source;
  if (source instanceof URL) return source.href.length > 200 ? `${source.href.slice(0, 200)}…` : source.href;
  if (source instanceof Blob) return ('name' in source && String(source.name)) || 'Blob';
  if (source instanceof ReadableStream) return 'stream';
  return 'samples';
}

export interface Abortable {
  /** Stops fetching and reading. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The recording as 16 kHz mono samples in [-1, 1].
 * @throws UserError where it cannot be read or decoded; TypeError for a value of another type
 */
export async function readAudioSource(
  source: AudioSource,
  { signal, ...options }: ReadOptions & ReadEvents & Abortable = {},
): Promise<Float32Array> {
  const bytes = await openSource(source, signal);
  if ('file' in bytes) return readAudio(bytes.file, options, signal);
  if ('samples' in bytes) return prepareSamples(bytes.name, bytes.samples, bytes.sampleRate, options);
  return decodeAudio(bytes.name, bytes.stream, bytes.size, options);
}

/** Whether a recording can be read more than once without being held. */
export function canReadAgain(source: AudioSource): boolean {
  return (
    typeof source === 'string' ||
    source instanceof Blob ||
    (source instanceof URL && source.protocol === 'file:')
  );
}

/** As readAudioSource, block by block, of each channel where they are separate; given samples are one block of one channel. */
export async function* readSourceInBlocks(
  source: AudioSource,
  { signal, ...selection }: Selection & Abortable,
): AsyncGenerator<SampleBlock, void, undefined> {
  const bytes = await openSource(source, signal);
  if ('file' in bytes) yield* readInBlocks(bytes.file, selection, signal);
  else if ('stream' in bytes) yield* decodeInBlocks(bytes.name, bytes.stream, bytes.size, selection);
  else yield [prepareSamples(bytes.name, bytes.samples, bytes.sampleRate, { ...selection, channel: 'mix' })];
}

type OpenSource =
  | { readonly file: string | URL }
  | { readonly name: string; readonly samples: Float32Array; readonly sampleRate: number }
  | { readonly name: string; readonly stream: AsyncIterable<Uint8Array>; readonly size?: number };

async function openSource(source: AudioSource, signal?: AbortSignal): Promise<OpenSource> {
  signal?.throwIfAborted();
  if (typeof source === 'string') return { file: source };
  const name = audioName(source);
  if (source instanceof URL) {
    if (source.protocol === 'file:') return { file: source };
    const body = await fetchAudio(name, source, signal);
    return { name, stream: received(name, abortable(body, signal), signal) };
  }
  if (source instanceof Blob) {
    const { size } = source;
    if (size === 0) throw new UserError(`${name}: found an empty file; expected audio (${READABLE_FORMATS})`);
    return { name, stream: abortable(source.stream(), signal), size };
  }
  if (source instanceof ReadableStream) return { name, stream: abortable(source, signal) };
  if (source instanceof Float32Array) return { name, samples: source, sampleRate: SAMPLE_RATE };
  if (isAudioSource(source)) return { name, samples: source.samples, sampleRate: source.sampleRate };
  throw notAudio(source);
}

async function fetchAudio(name: string, url: URL, signal?: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  let response: Response;
  try {
    response = await fetch(url, { signal: signal ?? null });
  } catch (error) {
    signal?.throwIfAborted();
    const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
    const reason = cause?.code ?? cause?.message ?? message;
    throw new UserError(`${name}: found no answer (${reason}); expected audio (${READABLE_FORMATS})`);
  }
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new UserError(
      `${name}: found HTTP ${response.status} ${response.statusText}; expected audio (${READABLE_FORMATS})`,
    );
  }
  return response.body;
}

/** A connection that breaks is an error, not the end of the recording. */
async function* received(
  name: string,
  body: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const piece of body) {
      bytes += piece.length;
      yield piece;
    }
  } catch (error) {
    signal?.throwIfAborted();
    const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
    const reason = cause?.code ?? cause?.message ?? message;
    throw new UserError(
      `${name}: found a connection that broke after ${bytes} bytes (${reason}); expected the whole recording`,
    );
  }
}

/** A pipe ends with the signal, also while it waits for bytes. */
function abortable(stream: ReadableStream<Uint8Array>, signal?: AbortSignal): ReadableStream<Uint8Array> {
  return signal ? stream.pipeThrough(new TransformStream<Uint8Array>(), { signal }) : stream;
}

/** The error for a value that is no recording. */
export function notAudio(value: unknown): TypeError {
  const found = typeof value === 'object' && value !== null ? value.constructor?.name : String(value);
  return new TypeError(
    `found ${found} as a recording; expected a path, a URL, a Blob (of bytes: new Blob([bytes])), a ReadableStream (of ` +
      'a Node stream: Readable.toWeb(stream)), a Float32Array of 16 kHz samples or { samples, sampleRate }',
  );
}
