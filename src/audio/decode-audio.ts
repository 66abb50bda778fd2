/** Decodes audio of any common format to Whisper's input: 16 kHz, mono. */
import { UserError } from '../errors.ts';
import { ForeignCodecError } from './containers/codecs.ts';
import { decodeTrack } from './containers/decode-track.ts';
import { type Track as ContainerTrack, NoSoundError } from './containers/track.ts';
import { type AudioDecoder, type Decoded, type DecodedBlock, silently, UnreadCodecError } from './decoder.ts';
import { ffmpegBlocks, NoFfmpegError } from './ffmpeg.ts';
import { type ByteSource, fromByte, heldBytes } from './file-bytes.ts';
import { type ContainerFormat, detectFormat, type ForeignFormat, READABLE_FORMATS } from './formats.ts';
import { joinBytes } from './join-bytes.ts';
import { joinSamples } from './join-samples.ts';
import { describeMissing, type MissingSound } from './missing-sound.ts';
import { Resampler } from './resample.ts';
import { SAMPLE_RATE } from './sample-rate.ts';
import { leadingLength } from './tags.ts';

/** Small enough that a hostile block cannot decode to gigabytes, large enough for most clips at once. */
export const BLOCK_BYTES = 64 * 1024;
/** Cover pictures may stand before the sound; beyond this a file without sound is refused. */
const MAX_SILENT_BYTES = 16 * 2 ** 20;
/** Of a container in a stream, whose parts may stand in any order. */
const MOST_HELD_BYTES = 2 ** 30;
const LOWEST_RATE = 1_000;
const HIGHEST_RATE = 768_000;
/** What is read is held in memory as a whole: 4 h are 0.9 GB. */
const LONGEST_SECONDS = 4 * 3600;
/** Of all channels that are read separately. */
const LONGEST_TOGETHER = 2 * LONGEST_SECONDS;
/** Of what is read in blocks: no recording is longer, so that a damaged or hostile file ends. */
const LONGEST_IN_BLOCKS = 100 * 3600;
/** Channels of one recording that are read apart: those of a meeting, not of a sound field. */
const MAX_SEPARATE_CHANNELS = 16;

/** The part of a recording to read. */
export interface Span {
  /** Where it begins, seconds; what lies before is decoded and dropped. Default: 0 */
  readonly from?: number | undefined;
  /** Where it ends, seconds; a recording that is shorter is read to its end. Default: the end */
  readonly to?: number | undefined;
}

export interface ReadOptions extends Span {
  /** A channel, counted from 0, or the mean of all. Default: `mix` */
  readonly channel?: number | 'mix' | undefined;
}

export interface ReadEvents {
  /**
   * Called once, with one line, where sound is missing: "cut off: 12.3 of 30.0 s" where the file ends before the length in
   * its header, "damaged in 2 places". A stream that never had a length is whole.
   */
  readonly onDamage?: ((damage: string) => void) | undefined;
}

export interface Selection extends Span, ReadEvents {
  readonly channel?: number | 'mix' | 'separate' | undefined;
  /** Whether the samples are held in memory, which limits their length. Default true. */
  readonly isHeld?: boolean;
}

/**
 * Decodes a recording of any of READABLE_FORMATS (detected by content) to 16 kHz mono samples in [-1, 1]: the mean of the
 * channels, resampled; louder samples are clipped. Other formats of a file are decoded by `ffmpeg` where it is installed.
 *
 * Sound that is cut off, or damaged, gives what decodes, and `onDamage` says so; where nothing decodes, it is an error.
 *
 * @param name for messages: a path, an address
 * @param source its bytes in order, in pieces of any size; those of a container (MP4, WebM, CAF…) that come in no file are held
 * in memory while it is decoded, at most 1 GiB
 * @param size of all bytes, where it is known
 * @param options a part of the sound, bit by bit the same as in the whole; one channel
 * @throws UserError naming the sound, what was found and what was expected.
 */
export async function decodeAudio(
  name: string,
  source: ByteSource,
  size?: number,
  options: ReadOptions & ReadEvents = {},
): Promise<Float32Array> {
  const parts: Float32Array[] = [];
  for await (const [samples] of decodeInBlocks(name, source, size, options)) parts.push(samples!);
  // They are freed as soon as they are joined.
  return joinSamples(parts.splice(0));
}

/** Samples of each track, equally long, which follow those of the block before. */
export type SampleBlock = readonly Float32Array[];

/**
 * As decodeAudio, block by block, so that a recording of any length takes little memory; together the blocks are what it gives.
 * With `channel: 'separate'` each channel is a track, in one pass: at most 16, held of 8 hours together.
 */
export async function* decodeInBlocks(
  name: string,
  source: ByteSource,
  size: number | undefined,
  selection: Selection,
): AsyncGenerator<SampleBlock, void, undefined> {
  const sound = new Sound(name, selection);
  const reader = new BlockReader(source);
  try {
    yield* decodeBlocks(name, reader, sound, source, size);
  } finally {
    await reader.close();
  }
}

/** As decodeAudio, of blocks that were decoded. */
export async function selectFrom(
  name: string,
  blocks: AsyncGenerator<DecodedBlock>,
  options: ReadOptions,
): Promise<Float32Array> {
  const sound = new Sound(name, options);
  const parts: Float32Array[] = [];
  for await (const [samples] of soundOf(sound, blocks)) parts.push(samples!);
  sound.finish();
  for (const [samples] of sound.take()) parts.push(samples!);
  return joinSamples(parts);
}

/** As decodeAudio, of samples of any rate. */
export function prepareSamples(
  name: string,
  samples: Float32Array,
  sampleRate: number,
  options: ReadOptions = {},
): Float32Array {
  const sound = new Sound(name, options);
  if (!sound.add({ channelData: [samples], sampleRate }))
    throw new UserError(`${name}: found no samples; expected at least one`);
  sound.finish();
  return joinSamples(Array.from(sound.take(), ([samples]) => samples!));
}

async function* decodeBlocks(
  name: string,
  reader: BlockReader,
  sound: Sound,
  source: ByteSource,
  size?: number,
): AsyncGenerator<SampleBlock, void, undefined> {
  let block = await reader.read();
  let tags = 0;
  for (;;) {
    const length = leadingLength(block, tags > 0);
    // A tag that claims to be longer than the file is damaged: the sound is looked for in it.
    if (length === 0 || tags + length > (size ?? Number.POSITIVE_INFINITY)) break;
    reader.unread(block);
    await reader.skip(length);
    block = await reader.read();
    tags += length;
  }
  const format = detectFormat(block);
  if (typeof format === 'string') {
    const found = block.length === 0 ? (tags > 0 ? 'a tag and nothing after it' : 'no bytes') : format;
    throw new UserError(`${name}: found ${found}; expected audio (${READABLE_FORMATS})`);
  }
  if ('found' in format) return yield* decodeForeign(name, sound, format, source);
  if ('openTrack' in format) return yield* decodeContainer(name, reader, block, sound, format, source);
  const decoder = await format.open(size ?? Number.POSITIVE_INFINITY);
  let damage = '';
  try {
    for (let silentBytes = 0; block.length > 0 && !sound.complete; block = await reader.read()) {
      const decoded = await attempt(() => decoder.decode(block));
      if (typeof decoded === 'string') {
        damage = decoded;
        break;
      }
      silentBytes = sound.addAll(decoded) ? 0 : silentBytes + block.length;
      sound.checkPromised(decoder);
      yield* sound.take();
      if (silentBytes > MAX_SILENT_BYTES) {
        damage = `no sound within ${MAX_SILENT_BYTES / 2 ** 20} MiB`;
        break;
      }
    }
    if (damage === '' && !sound.complete && decoder.flush) {
      const rest = await attempt(() => decoder.flush!());
      if (typeof rest === 'string') damage = rest;
      else sound.addAll(rest);
    }
  } catch (error) {
    if (!(error instanceof UnreadCodecError)) throw error;
    const found = `${error.message} in ${format.name}`;
    return yield* decodeForeign(name, sound, { found, ffmpeg: format.name.toLowerCase() }, source);
  } finally {
    decoder.free();
  }
  if (sound.finish({ ...decoder.missing?.(), lost: damage !== '' })) return yield* sound.take();
  const reason = damage === '' ? 'cut off, damaged or without samples' : damage;
  throw new UserError(
    `${name}: found ${size ?? reader.position} bytes of ${format.name} in which nothing decodes (${reason}); ` +
      'expected at least one sample',
  );
}

async function* decodeContainer(
  name: string,
  reader: BlockReader,
  head: Uint8Array,
  sound: Sound,
  { name: container, openTrack, ffmpeg }: ContainerFormat,
  source: ByteSource,
): AsyncGenerator<SampleBlock, void, undefined> {
  const begin = reader.position - head.length;
  let bytes = source.file && fromByte(source.file, begin);
  if (!bytes) {
    const pieces = [head];
    for (let block = head; block.length > 0; pieces.push(block)) {
      block = await reader.read();
      if (reader.position > MOST_HELD_BYTES) {
        const limit = MOST_HELD_BYTES / 2 ** 30;
        throw new UserError(
          `${name}: found more than ${limit} GiB of ${container} in a stream; expected a file`,
        );
      }
    }
    bytes = heldBytes(pieces);
  }
  let damage = 'cut off, damaged or without samples';
  const failures = { damaged: 0, cut: false };
  let track: ContainerTrack | undefined;
  let gaveUp = false;
  try {
    track = await openTrack(bytes);
    const { seconds } = track;
    sound.checkPromised({ seconds: () => seconds });
    yield* soundOf(sound, decodeTrack(track, failures));
  } catch (error) {
    source.signal?.throwIfAborted();
    if (error instanceof ForeignCodecError) {
      return yield* decodeForeign(name, sound, { found: `${error.message} in ${container}`, ffmpeg }, source);
    }
    if (error instanceof NoSoundError) {
      throw new UserError(`${name}: found ${error.message}; expected audio (${READABLE_FORMATS})`);
    }
    if (error instanceof UserError || isSystemError(error)) throw error;
    gaveUp = true;
    if (error instanceof Error && error.constructor === Error) damage = error.message;
  }
  const { cut = false, damaged = 0, lost = gaveUp, promised, joined } = track?.missing?.() ?? {};
  const isSound = sound.finish({
    ...{ promised, lost, joined },
    cut: cut || failures.cut,
    damaged: damaged + failures.damaged,
  });
  if (isSound) return yield* sound.take();
  throw new UserError(
    `${name}: found ${bytes.size} bytes of ${container} in which nothing decodes (${damage}); expected at least one sample`,
  );
}

/** Of a format that is recognised and not decoded here: what `ffmpeg` makes of it. */
async function* decodeForeign(
  name: string,
  sound: Sound,
  { found, ffmpeg }: ForeignFormat,
  { path, signal }: ByteSource,
): AsyncGenerator<SampleBlock, void, undefined> {
  if (path === undefined) {
    throw new UserError(
      `${name}: found ${found}; expected audio (${READABLE_FORMATS}). Of a file on disk ffmpeg would read it, where installed`,
    );
  }
  let words: string | undefined;
  try {
    const onWords = (line: string) => {
      words = line;
    };
    yield* soundOf(sound, ffmpegBlocks(path, ffmpeg, signal, onWords));
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof NoFfmpegError) {
      throw new UserError(
        `${name}: found ${found}; expected audio (${READABLE_FORMATS}). With ffmpeg installed it would be read`,
      );
    }
    if (error instanceof UserError || !(error instanceof Error)) throw error;
    throw new UserError(
      `${name}: found ${found} of which ffmpeg decodes nothing (${error.message}); expected at least one sample`,
    );
  }
  if (sound.finish({ words })) return yield* sound.take();
  throw new UserError(`${name}: found ${found} without samples; expected at least one`);
}

async function* soundOf(
  sound: Sound,
  blocks: AsyncGenerator<DecodedBlock>,
): AsyncGenerator<SampleBlock, void, undefined> {
  for await (const block of blocks) {
    sound.add(block);
    yield* sound.take();
    if (sound.complete) return;
  }
}

/** Of reading a file, not of what is in it. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
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
    this.#held = joinBytes([block, this.#held]);
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
    else this.#held = this.#held.length === 0 ? value : joinBytes([this.#held, value]);
    return !done;
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#pieces.return?.();
  }
}

/** Gathers decoded blocks as 16 kHz samples of what was selected, and refuses what no recording of speech can be. */
class Sound {
  private readonly tracks: Track[] = [];
  private rate = Number.NaN;
  /** Samples of each track that were taken. */
  private taken = 0;
  private readonly begin: number;
  private readonly end: number;

  constructor(
    private readonly name: string,
    private readonly selection: Selection,
  ) {
    const { from = 0, to = Number.POSITIVE_INFINITY } = selection;
    this.begin = Math.round(from * SAMPLE_RATE);
    this.end = Math.round(to * SAMPLE_RATE);
    if (!(from >= 0 && this.begin < this.end)) {
      throw new UserError(
        `${name}: found a clip from ${from} to ${to} s; expected an end after its beginning`,
      );
    }
  }

  addAll(decoded: Decoded): boolean {
    const blocks = Array.isArray(decoded) ? (decoded as readonly DecodedBlock[]) : [decoded as DecodedBlock];
    let any = false;
    for (const block of blocks) any = this.add(block) || any;
    return any;
  }

  /** Adds a block. @returns whether it held samples */
  add({ channelData, sampleRate: rate }: DecodedBlock): boolean {
    // AIFF and CAF may say fractions of a hertz.
    const sampleRate = Math.round(rate);
    const frames = channelData[0]?.length ?? 0;
    if (frames === 0) return false;
    const selected = this.select(channelData);
    if (this.tracks.length === 0) {
      for (const _ of selected) this.tracks.push(new Track(this.begin, this.end));
    }
    // A new stream in the same file (chained Ogg) may have its own rate.
    if (sampleRate !== this.rate) {
      if (!(sampleRate >= LOWEST_RATE && sampleRate <= HIGHEST_RATE)) {
        throw new UserError(
          `${this.name}: found a sample rate of ${sampleRate} Hz; expected ${LOWEST_RATE} to ${HIGHEST_RATE}`,
        );
      }
      this.rate = sampleRate;
      for (const track of this.tracks) track.changeRate(sampleRate);
    }
    this.checkLength(this.seconds + frames / sampleRate);
    this.tracks.forEach((track, i) => track.add(selected[i]!));
    return true;
  }

  /** Refuses a file that is too long before its hours are read. */
  checkPromised(decoder: Pick<AudioDecoder, 'seconds'>): void {
    const seconds = decoder.seconds?.();
    if (seconds !== undefined && Number.isFinite(seconds)) this.checkLength(seconds);
  }

  /** Length of what has been decoded, dropped or kept. */
  get seconds(): number {
    return (this.tracks[0]?.position ?? 0) / SAMPLE_RATE;
  }

  /** Whether all that was selected has been decoded. */
  get complete(): boolean {
    return this.seconds * SAMPLE_RATE >= this.end;
  }

  /** Ends the sound, and reports what is missing of it. @returns whether anything was decoded */
  finish(missing: MissingSound = {}): boolean {
    for (const track of this.tracks) track.finish();
    const { name, begin, seconds } = this;
    if (seconds === 0) return false;
    // Where the clip that was selected ends before the sound does, nothing of it is missing.
    const damage = describeMissing(seconds, this.complete ? { damaged: missing.damaged } : missing);
    if (damage !== undefined) this.selection.onDamage?.(damage);
    if (seconds * SAMPLE_RATE <= begin) throw beginsAfterEnd(name, seconds, begin);
    return true;
  }

  /** What was added since the last call. */
  *take(): Generator<SampleBlock, void, undefined> {
    const parts = this.tracks.map((track) => track.parts.splice(0));
    for (const i of parts[0]?.keys() ?? []) {
      const block = parts.map((part) => this.clip(part[i]!));
      this.taken += block[0]!.length;
      yield block;
    }
  }

  private clip(samples: Float32Array): Float32Array {
    let clipped = samples;
    for (let i = 0; i < samples.length; i++) {
      const sample = samples[i]!;
      if (sample >= -1 && sample <= 1) continue;
      if (Number.isNaN(sample)) {
        const second = ((this.begin + this.taken + i) / SAMPLE_RATE).toFixed(2);
        throw new UserError(
          `${this.name}: found a sample that is not a number at ${second} s; expected [-1, 1]`,
        );
      }
      // A decoder's own array, or the caller's, stays as it is.
      if (clipped === samples) clipped = samples.slice();
      clipped[i] = Math.sign(sample);
    }
    return clipped;
  }

  private select(channels: readonly Float32Array[]): readonly Float32Array[] {
    const { channel = 'mix' } = this.selection;
    const { length } = channels;
    const found = `${this.name}: found ${length} channel${length === 1 ? '' : 's'}`;
    if (channel === 'mix') return [downmix(channels)];
    if (channel !== 'separate') {
      const selected = channels[channel];
      if (!selected) throw new UserError(`${found}; expected at least ${channel + 1}`);
      return [selected];
    }
    if (length > MAX_SEPARATE_CHANNELS) {
      throw new UserError(`${found}; expected at most ${MAX_SEPARATE_CHANNELS} to read them separately`);
    }
    if (this.tracks.length > 0 && length !== this.tracks.length) {
      const before = `${this.tracks.length} before ${this.seconds.toFixed(2)} s`;
      throw new UserError(`${found} after ${before}; expected the same number to read them separately`);
    }
    return channels;
  }

  private checkLength(seconds: number): void {
    const kept = Math.min(seconds, this.end / SAMPLE_RATE) - this.begin / SAMPLE_RATE;
    const tracks = Math.max(1, this.tracks.length);
    const held = Math.min(LONGEST_SECONDS, LONGEST_TOGETHER / tracks);
    const longest = this.selection.isHeld === false ? LONGEST_IN_BLOCKS : held;
    if (kept <= longest) return;
    const found = tracks > 2 ? `${tracks} channels` : 'a recording';
    throw new UserError(
      `${this.name}: found ${found} of more than ${Number((longest / 3600).toFixed(2))} hours; expected at most that`,
    );
  }
}

/** The error for a clip of which nothing is there. @param begin its first sample at 16 kHz */
export const beginsAfterEnd = (name: string, seconds: number, begin: number): UserError =>
  new UserError(
    `${name}: found a recording of ${Number(seconds.toFixed(2))} s; ` +
      `expected a longer one: the clip begins at ${begin / SAMPLE_RATE} s`,
  );

/** Samples from `begin` to `end` of one channel, or of the mean, at 16 kHz. */
class Track {
  readonly parts: Float32Array[] = [];
  /** Samples so far, dropped or kept. */
  position = 0;
  private resampler: Resampler | undefined;

  constructor(
    private readonly begin: number,
    private readonly end: number,
  ) {}

  changeRate(rate: number): void {
    this.finish();
    this.resampler = rate === SAMPLE_RATE ? undefined : new Resampler(rate, SAMPLE_RATE);
  }

  add(samples: Float32Array): void {
    for (const part of this.resampler?.push(samples) ?? [samples]) this.keep(part);
  }

  finish(): void {
    if (this.resampler) this.keep(this.resampler.finish());
    this.resampler = undefined;
  }

  private keep(part: Float32Array): void {
    const from = Math.max(0, this.begin - this.position);
    const to = Math.min(part.length, this.end - this.position);
    this.position += part.length;
    if (from >= to) return;
    // A copy of a piece, so that the rest of it is not held in memory.
    this.parts.push(from === 0 && to === part.length ? part : part.slice(from, to));
  }
}

function downmix(channels: readonly Float32Array[]): Float32Array {
  const [first, second] = channels;
  if (!second) return first!;
  const mono = new Float32Array(first!.length);
  if (channels.length === 2) {
    // In one pass, to the same bits as below.
    for (let i = 0; i < mono.length; i++) mono[i] = Math.fround(first![i]! + second[i]!) / 2;
    return mono;
  }
  for (const channel of channels) for (let i = 0; i < mono.length; i++) mono[i]! += channel[i]!;
  for (let i = 0; i < mono.length; i++) mono[i]! /= channels.length;
  return mono;
}

/** The decoder's result, or what is wrong with the bytes. */
async function attempt(decode: () => Decoded | Promise<Decoded>): Promise<Decoded | string> {
  try {
    return await silently(decode);
  } catch (error) {
    if (error instanceof UnreadCodecError) throw error;
    // Decoders explain refusals as plain Errors; a TypeError or a WebAssembly trap only means damage.
    return error instanceof Error && error.constructor === Error ? error.message : 'damaged';
  }
}
