/** Decodes audio of any common format to Whisper's input: 16 kHz, mono. */
import { UserError } from '../errors.ts';
import type { AudioDecoder, DecodedBlock } from './decoder.ts';
import { detectFormat, id3Length, READABLE_FORMATS } from './formats.ts';
import { Resampler } from './resample.ts';
import { SAMPLE_RATE } from './sample-rate.ts';
import { concatenate } from './wav.ts';

/** Small enough that a hostile block cannot decode to gigabytes, large enough for most clips at once. */
export const BLOCK_BYTES = 64 * 1024;
/** Cover pictures may stand before the sound; beyond this a file without sound is refused. */
const MAX_SILENT_BYTES = 16 * 2 ** 20;
const LOWEST_RATE = 1_000;
const HIGHEST_RATE = 768_000;
/** One recording is held in memory as a whole: 4 h are 0.9 GB. */
const LONGEST_SECONDS = 4 * 3600;

/**
 * Decodes WAV, FLAC, Ogg Vorbis, Ogg Opus or MP3 (detected by content) to 16 kHz mono samples in [-1, 1]: the mean of the
 * channels, resampled; louder samples are clipped.
 *
 * Sound that is cut off, or damaged in the middle, gives what decodes before (compare the length with what a manifest
 * promises); where nothing decodes, it is an error.
 *
 * @param name for messages: a path, an address
 * @param source its bytes in order, in pieces of any size
 * @param size of all bytes, where it is known
 * @throws UserError naming the sound, what was found and what was expected.
 */
export async function decodeAudio(
  name: string,
  source: AsyncIterable<Uint8Array>,
  size?: number,
): Promise<Float32Array> {
  const reader = new BlockReader(source);
  try {
    return await decodeBlocks(name, reader, size);
  } finally {
    await reader.close();
  }
}

/** As decodeAudio, of samples of any rate. */
export function prepareSamples(name: string, samples: Float32Array, sampleRate: number): Float32Array {
  const sound = new MonoSound(name);
  if (!sound.add({ channelData: [samples], sampleRate }))
    throw new UserError(`${name}: found no samples; expected at least one`);
  return sound.finish();
}

async function decodeBlocks(name: string, reader: BlockReader, size?: number): Promise<Float32Array> {
  let block = await reader.read();
  const tag = id3Length(block);
  if (tag > 0) {
    reader.unread(block);
    await reader.skip(tag);
    block = await reader.read();
  }
  const format = detectFormat(block);
  if (typeof format === 'string') {
    const found = block.length === 0 ? (tag > 0 ? 'an ID3 tag and nothing after it' : 'no bytes') : format;
    throw new UserError(`${name}: found ${found}; expected audio (${READABLE_FORMATS})`);
  }
  const decoder = await format.open(size ?? Number.POSITIVE_INFINITY);
  const sound = new MonoSound(name);
  let damage = '';
  try {
    for (let silentBytes = 0; block.length > 0; block = await reader.read()) {
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
    `${name}: found ${size ?? reader.position} bytes of ${format.name} in which nothing decodes (${reason}); ` +
      'expected at least one sample',
  );
}

/** Bytes in blocks of BLOCK_BYTES, in whatever pieces they come; the last block is shorter, and empty after the end. */
class BlockReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array(0);
  #ended = false;
  /** Bytes read so far. */
  position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#pieces = source[Symbol.asyncIterator]();
  }

  async read(): Promise<Uint8Array> {
    while (this.#held.length < BLOCK_BYTES && (await this.#fill()));
    const block = this.#held.subarray(0, BLOCK_BYTES);
    this.#held = this.#held.subarray(block.length);
    this.position += block.length;
    return block;
  }

  unread(block: Uint8Array): void {
    this.#held = concatenate(block, this.#held);
    this.position -= block.length;
  }

  async skip(bytes: number): Promise<void> {
    let left = bytes;
    do {
      const skipped = Math.min(left, this.#held.length);
      this.#held = this.#held.subarray(skipped);
      this.position += skipped;
      left -= skipped;
    } while (left > 0 && (await this.#fill()));
  }

  async #fill(): Promise<boolean> {
    if (this.#ended) return false;
    const { value, done } = await this.#pieces.next();
    if (done) this.#ended = true;
    else this.#held = this.#held.length === 0 ? value : concatenate(this.#held, value);
    return !done;
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#pieces.return?.();
  }
}

/** Gathers decoded blocks as 16 kHz mono and refuses what no recording of speech can be. */
class MonoSound {
  private readonly parts: Float32Array[] = [];
  private length = 0;
  private rate = Number.NaN;
  private resampler: Resampler | undefined;

  constructor(private readonly name: string) {}

  /** Adds a block. @returns whether it held samples */
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
          `${this.name}: found a sample that is not a number at ${second} s; expected [-1, 1]`,
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
        `${this.name}: found a sample rate of ${rate} Hz; expected ${LOWEST_RATE} to ${HIGHEST_RATE}`,
      );
    }
    this.keep(this.resampler?.finish() ?? new Float32Array(0));
    this.rate = rate;
    this.resampler = rate === SAMPLE_RATE ? undefined : new Resampler(rate, SAMPLE_RATE);
  }

  private checkLength(seconds: number): void {
    if (seconds > LONGEST_SECONDS) {
      throw new UserError(
        `${this.name}: found a recording of more than ${LONGEST_SECONDS / 3600} hours; expected at most that`,
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

/** The decoder's result, or its error as a UserError. */
function attempt(decode: () => DecodedBlock): DecodedBlock | string {
  // The FLAC decoder prints three lines for each damaged frame; nothing else prints meanwhile.
  const { error: print } = console;
  console.error = () => {};
  try {
    return decode();
  } catch (error) {
    // Decoders explain refusals as plain Errors; a TypeError or a WebAssembly trap only means damage.
    return error instanceof Error && error.constructor === Error ? error.message : 'damaged';
  } finally {
    console.error = print;
  }
}
