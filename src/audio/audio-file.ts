/** Audio files of any common kind to what Whisper hears: 16 kHz, mono. */
import type { FileHandle } from 'node:fs/promises';
import { open, stat } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import type { AudioDecoder, DecodedBlock } from './decoder.ts';
import { detectFormat, id3Length, READABLE_FORMATS } from './formats.ts';
import { Resampler } from './resample.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

/** Small enough that a hostile block cannot decode to gigabytes, large enough for most clips at once. */
const BLOCK_BYTES = 64 * 1024;
/** Cover pictures may stand before the sound; beyond this a file without sound is given up. */
const MAX_SILENT_BYTES = 16 * 2 ** 20;
const LOWEST_RATE = 1_000;
const HIGHEST_RATE = 768_000;
/** One recording is held in memory as a whole: 4 h are 0.9 GB. */
const LONGEST_SECONDS = 4 * 3600;

/**
 * Reads a WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3 file (told by its content, not its name) as 16 kHz mono samples
 * in [-1, 1]: the mean of its channels, resampled; what is louder is clipped.
 *
 * A file that is cut off, or damaged in the middle, gives what decodes before (compare the length with what a
 * manifest promises); one in which nothing decodes is an error.
 *
 * @throws UserError naming the file, what was found and what was expected.
 */
export async function readAudio(path: string): Promise<Float32Array> {
  const expected = `expected an audio file (${READABLE_FORMATS})`;
  let handle: FileHandle;
  let size: number;
  try {
    // Before opening: to open a pipe would wait for its writer.
    const found = await stat(path);
    if (found.isDirectory()) throw new UserError(`${path}: found a directory; ${expected}`);
    if (!found.isFile()) throw new UserError(`${path}: found a device or pipe; ${expected}`);
    if (found.size === 0) throw new UserError(`${path}: found an empty file; ${expected}`);
    size = found.size;
    handle = await open(path);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path}: ${reasonNotOpened(error)}; ${expected}`);
  }
  try {
    return await decodeFile(path, handle, size);
  } finally {
    await handle.close();
  }
}

async function decodeFile(path: string, handle: FileHandle, size: number): Promise<Float32Array> {
  let block = await readBlock(handle, 0);
  let position = id3Length(block);
  if (position > 0) block = await readBlock(handle, position);
  const format = detectFormat(block);
  if (typeof format === 'string') {
    const found = block.length === 0 ? 'an ID3 tag and nothing after it' : format;
    throw new UserError(`${path}: found ${found}; expected audio (${READABLE_FORMATS})`);
  }
  const decoder = await format.open(size);
  const sound = new MonoSound(path);
  let damage = '';
  try {
    for (let silentBytes = 0; block.length > 0; block = await readBlock(handle, position)) {
      position += block.length;
      const decoded = attempt(() => decoder.decode(block));
      if (typeof decoded === 'string') {
        damage = decoded;
        break;
      }
      silentBytes = sound.add(decoded) ? 0 : silentBytes + block.length;
      sound.checkPromised(decoder);
      if (silentBytes > MAX_SILENT_BYTES) {
        damage = `no sound within ${MAX_SILENT_BYTES / 2 ** 20} MiB`;
        break;
      }
    }
    const rest = damage === '' && decoder.flush ? attempt(() => decoder.flush!()) : undefined;
    if (typeof rest === 'object') sound.add(rest);
    else damage ||= rest ?? '';
  } finally {
    decoder.free();
  }
  const samples = sound.finish();
  if (samples.length > 0) return samples;
  const reason = damage === '' ? 'cut off, damaged or without samples' : damage;
  throw new UserError(
    `${path}: found ${size} bytes of ${format.name} in which nothing decodes (${reason}); ` +
      'expected at least one sample',
  );
}

/** Gathers decoded blocks as 16 kHz mono and refuses what no recording of speech can be. */
class MonoSound {
  private readonly parts: Float32Array[] = [];
  private length = 0;
  private rate = Number.NaN;
  private resampler: Resampler | undefined;

  constructor(private readonly path: string) {}

  /** Tells whether the block held samples. */
  add({ channelData, sampleRate }: DecodedBlock): boolean {
    const frames = channelData[0]?.length ?? 0;
    if (frames === 0) return false;
    if (sampleRate !== this.rate) this.changeRate(sampleRate);
    this.checkLength(this.length / SAMPLE_RATE + frames / sampleRate);
    const mono = downmix(channelData);
    for (const part of this.resampler?.push(mono) ?? [mono]) this.keep(part);
    return true;
  }

  /** Refuses a file that is too long before its hours are read. */
  checkPromised(decoder: AudioDecoder): void {
    const seconds = decoder.seconds?.();
    if (seconds !== undefined && Number.isFinite(seconds)) this.checkLength(seconds);
  }

  finish(): Float32Array {
    this.keep(this.resampler?.finish() ?? new Float32Array(0));
    const samples = new Float32Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      samples.set(part, at);
      at += part.length;
    }
    for (let i = 0; i < samples.length; i++) {
      const sample = samples[i]!;
      if (sample >= -1 && sample <= 1) continue;
      if (Number.isNaN(sample)) {
        const second = (i / SAMPLE_RATE).toFixed(2);
        throw new UserError(
          `${this.path}: found a sample that is not a number at ${second} s; expected [-1, 1]`,
        );
      }
      samples[i] = Math.sign(sample);
    }
    return samples;
  }

  /** A new stream in the same file (chained Ogg) may have its own rate. */
  private changeRate(rate: number): void {
    if (!(rate >= LOWEST_RATE && rate <= HIGHEST_RATE)) {
      throw new UserError(
        `${this.path}: found a sample rate of ${rate} Hz; expected ${LOWEST_RATE} to ${HIGHEST_RATE}`,
      );
    }
    this.keep(this.resampler?.finish() ?? new Float32Array(0));
    this.rate = rate;
    this.resampler = rate === SAMPLE_RATE ? undefined : new Resampler(rate, SAMPLE_RATE);
  }

  private checkLength(seconds: number): void {
    if (seconds > LONGEST_SECONDS) {
      throw new UserError(
        `${this.path}: found a recording of more than ${LONGEST_SECONDS / 3600} hours; expected at most that`,
      );
    }
  }

  private keep(part: Float32Array): void {
    if (part.length === 0) return;
    this.parts.push(part);
    this.length += part.length;
  }
}

function downmix(channels: readonly Float32Array[]): Float32Array {
  if (channels.length === 1) return channels[0]!;
  const mono = new Float32Array(channels[0]!.length);
  for (const channel of channels) for (let i = 0; i < mono.length; i++) mono[i]! += channel[i]!;
  for (let i = 0; i < mono.length; i++) mono[i]! /= channels.length;
  return mono;
}

async function readBlock(handle: FileHandle, position: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(BLOCK_BYTES);
  const { bytesRead } = await handle.read(buffer, 0, BLOCK_BYTES, position);
  return buffer.subarray(0, bytesRead);
}

/** The decoder's answer, or its complaint. */
function attempt(decode: () => DecodedBlock): DecodedBlock | string {
  // The FLAC decoder prints three lines for each damaged frame; nobody else can print meanwhile.
  const { error: print } = console;
  console.error = () => {};
  try {
    return decode();
  } catch (error) {
    // Decoders say what they refuse as plain Errors; a TypeError or a WebAssembly trap only tells of damage.
    return error instanceof Error && error.constructor === Error ? error.message : 'damaged';
  } finally {
    console.error = print;
  }
}

function reasonNotOpened(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'found no such file';
  if (code === 'EACCES' || code === 'EPERM') return 'found a file that may not be read';
  return `found a file that does not open (${code ?? error})`;
}
