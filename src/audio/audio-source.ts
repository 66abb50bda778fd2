/** Sources of recordings: a file, a URL, a Blob, a stream, samples. */
import { UserError } from '../errors.ts';
import { readAudio } from './audio-file.ts';
import { decodeAudio, prepareSamples } from './decode-audio.ts';
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
 * a file (WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3); 16 kHz mono samples; or samples with their rate.
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

/**
 * The recording as 16 kHz mono samples in [-1, 1].
 * @param signal stops fetching and reading
 * @throws UserError where it cannot be read or decoded; TypeError for a value of another type
 */
export async function readAudioSource(source: AudioSource, signal?: AbortSignal): Promise<Float32Array> {
  signal?.throwIfAborted();
  if (typeof source === 'string') return readAudio(source);
  const name = audioName(source);
  if (source instanceof URL) {
    return source.protocol === 'file:' ? readAudio(source) : fetchAudio(name, source, signal);
  }
  if (source instanceof Blob) {
    if (source.size === 0)
      throw new UserError(`${name}: found an empty file; expected audio (${READABLE_FORMATS})`);
    return decodeStream(name, source.stream(), signal, source.size);
  }
  if (source instanceof ReadableStream) return decodeStream(name, source, signal);
  if (source instanceof Float32Array) return prepareSamples(name, source, SAMPLE_RATE);
  if (isAudioSource(source)) return prepareSamples(name, source.samples, source.sampleRate);
  throw notAudio(source);
}

async function fetchAudio(name: string, url: URL, signal?: AbortSignal): Promise<Float32Array> {
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
  return decodeStream(name, response.body, signal);
}

function decodeStream(
  name: string,
  stream: ReadableStream<Uint8Array>,
  signal?: AbortSignal,
  size?: number,
): Promise<Float32Array> {
  // A pipe ends with the signal, also while it waits for bytes.
  const bytes = signal ? stream.pipeThrough(new TransformStream<Uint8Array>(), { signal }) : stream;
  return decodeAudio(name, bytes, size);
}

/** The error for a value that is no recording. */
export function notAudio(value: unknown): TypeError {
  const found = typeof value === 'object' && value !== null ? value.constructor?.name : String(value);
  return new TypeError(
    `found ${found} as a recording; expected a path, a URL, a Blob (of bytes: new Blob([bytes])), a ReadableStream (of ` +
      'a Node stream: Readable.toWeb(stream)), a Float32Array of 16 kHz samples or { samples, sampleRate }',
  );
}
