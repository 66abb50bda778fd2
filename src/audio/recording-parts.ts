/**
 * Reads parts of long recordings. Of samples that stand behind a header (WAV, AIFF …) only those of the part are read, of FLAC
 * the frames that hold them. Others are decoded from their beginning, once for all parts: what was decoded last is held, at most two hours of all recordings
 * together (461 MB), so that the clips of a talk are read in any order. Either way a part is the slice of the whole, bit by bit.
 */
import {
  beginsAfterEnd,
  decodeAudio,
  decodeInBlocks,
  type ReadEvents,
  type ReadOptions,
  type SampleBlock,
  selectFrom,
} from './decode-audio.ts';
import type { SampleLayout } from './decoder.ts';
import { type ByteSource, blocksFrom, type FileBytes } from './file-bytes.ts';
import { DamagedFramesError, flacDuration, flacFrameBefore, flacFrom, flacRate } from './flac.ts';
import { detectFormat } from './formats.ts';
import { afterTags } from './header-seconds.ts';
import { describeMissing } from './missing-sound.ts';
import { greatestCommonDivisor } from './resample.ts';
import { SAMPLE_RATE } from './sample-rate.ts';

/** Samples at 16 kHz held of all recordings together. */
const MOST_HELD_SECONDS = 2 * 3600;
/** Samples of a page: what is held is added and dropped in pages. */
const PAGE = 2 ** 18;
const MOST_PAGES = Math.ceil((MOST_HELD_SECONDS * SAMPLE_RATE) / PAGE);
/** Longer than the resampler's filter at any rate: what stands beyond it does not change a sample. */
const MARGIN_SECONDS = 0.25;
/** Beyond this a header's own size of the samples may have lost its upper bits. */
const MOST_SAMPLE_BYTES = 2 ** 32 - 1;

export interface LongRecording {
  /** In messages. */
  readonly name: string;
  /** Changes with the content. */
  readonly key: string;
  /** Opened for each read: what is held keeps no file open. */
  readonly bytes: FileBytes;
  /** Where other programs find it. */
  readonly path?: string | undefined;
}

/** A part in samples at 16 kHz, and one channel or the mean of all. */
export interface PartOptions extends Pick<ReadOptions, 'channel'>, ReadEvents {
  readonly begin: number;
  readonly end: number;
}

/**
 * The samples of a part; fewer where the recording ends before it, which `onDamage` says.
 * @throws UserError where the recording cannot be read, or ends before the part begins
 */
export async function readPart(recording: LongRecording, part: PartOptions): Promise<Float32Array> {
  const { begin, end } = part;
  const layout = await layoutOf(recording.bytes);
  if (layout) return readSamples(recording, layout, part);
  const inFlac = await readFlac(recording, part);
  if (inFlac) return inFlac;
  const held = heldRecording(recording, part.channel ?? 'mix');
  const samples = await held.read(begin, end, recording.name);
  const damage = held.damage ?? missingOf(samples.length, end - begin);
  if (damage !== undefined) part.onDamage?.(damage);
  return samples;
}

const missingOf = (samples: number, expected: number): string | undefined =>
  describeMissing(samples / SAMPLE_RATE, { promised: expected / SAMPLE_RATE });

interface Samples extends SampleLayout {
  /** From the header on. */
  readonly sound: FileBytes;
}

/** Where the samples stand; undefined: each needs those before it. */
async function layoutOf(bytes: FileBytes): Promise<Samples | undefined> {
  const { sound, head } = await afterTags(bytes);
  const format = detectFormat(head);
  if (typeof format === 'string' || !('open' in format) || format.duration) return undefined;
  const decoder = await format.open(sound.size);
  try {
    for await (const block of blocksFrom(sound)) {
      await decoder.decode(block);
      const layout = decoder.layout?.();
      if (layout)
        return layout.frames * layout.frameBytes > MOST_SAMPLE_BYTES ? undefined : { ...layout, sound };
      if (decoder.seconds?.() !== undefined) return undefined;
    }
    return undefined;
  } catch {
    return undefined; // decoding says what is wrong
  } finally {
    decoder.free();
  }
}

/** The first frame to read at which a sample of 16 kHz, `base`, lies on one of the file: the resampler's phases begin there as at 0. */
function beginningOf(begin: number, sampleRate: number): { first: number; base: number } {
  const common = greatestCommonDivisor(sampleRate, SAMPLE_RATE);
  const parts = SAMPLE_RATE / common;
  const steps = Math.max(0, Math.floor((begin - MARGIN_SECONDS * SAMPLE_RATE) / parts));
  return { first: (steps * sampleRate) / common, base: steps * parts };
}

/** Of FLAC, whose frames need none before them; undefined: of another format, or what its headers say is not so. */
async function readFlac(
  { name, bytes }: LongRecording,
  { begin, end, channel, onDamage }: PartOptions,
): Promise<Float32Array | undefined> {
  const { sound, head } = await afterTags(bytes);
  const sampleRate = flacRate(head);
  const seconds = sampleRate === undefined ? undefined : await flacDuration(sound);
  if (sampleRate === undefined || seconds === undefined) return undefined;
  if (begin >= Math.round(seconds * SAMPLE_RATE)) throw beginsAfterEnd(name, seconds, begin);
  const { first, base } = beginningOf(begin, sampleRate);
  const place = await flacFrameBefore(sound, first);
  if (!place) return undefined;
  const selected = selectFrom(name, flacFrom(sound, place, first - place.position), {
    ...{ from: (begin - base) / SAMPLE_RATE, to: (end - base) / SAMPLE_RATE },
    ...(channel !== undefined && { channel }),
  });
  const samples = await selected.catch((error: unknown) => {
    if (error instanceof DamagedFramesError) return undefined;
    throw error;
  });
  if (!samples) return undefined;
  const damage = missingOf(samples.length, end - begin);
  if (damage !== undefined) onDamage?.(damage);
  return samples;
}

/** As if the file held its header and the samples about the part only. */
async function readSamples(
  { name }: LongRecording,
  { sound, at, frames, frameBytes, sampleRate }: Samples,
  { begin, end, channel, onDamage }: PartOptions,
): Promise<Float32Array> {
  const length = Math.round((frames * SAMPLE_RATE) / sampleRate);
  if (begin >= length) throw beginsAfterEnd(name, length / SAMPLE_RATE, begin);
  const { first, base } = beginningOf(begin, sampleRate);
  const last = Math.min(frames, Math.ceil((end / SAMPLE_RATE + MARGIN_SECONDS) * sampleRate));
  const header = await sound.read(0, at);
  const offset = at + first * frameBytes;
  const size = at + (last - first) * frameBytes;
  const file: FileBytes = {
    size,
    read: async (from, count) =>
      from < at
        ? header.subarray(from, Math.min(at, from + count))
        : sound.read(offset + from - at, Math.min(count, size - from)),
  };
  const source: ByteSource = { [Symbol.asyncIterator]: () => blocksFrom(file) };
  const samples = await decodeAudio(name, source, size, {
    ...{ from: (begin - base) / SAMPLE_RATE, to: (end - base) / SAMPLE_RATE },
    ...(channel !== undefined && { channel }),
  });
  const damage = missingOf(samples.length, end - begin);
  if (damage !== undefined) onDamage?.(damage);
  return samples;
}

/** Recordings that were read last, the last one first. */
const recordings: HeldRecording[] = [];

function heldRecording(recording: LongRecording, channel: number | 'mix'): HeldRecording {
  const key = `${channel} ${recording.key}`;
  const at = recordings.findIndex((one) => one.key === key);
  const [held] = at < 0 ? [new HeldRecording(key, recording, channel)] : recordings.splice(at, 1);
  recordings.unshift(held!);
  return held!;
}

/** Drops what was read longest ago: other recordings, then the oldest part of this one. */
function makeRoom(current: HeldRecording): void {
  let pages = recordings.reduce((sum, one) => sum + one.pages, 0);
  while (pages > MOST_PAGES) {
    const oldest = recordings.at(-1);
    if (!oldest) return;
    if (oldest === current) {
      current.dropPage();
      pages--;
    } else {
      recordings.pop();
      pages -= oldest.pages;
      oldest.close();
    }
  }
}

/** A recording that is decoded as far as its parts were read. */
class HeldRecording {
  damage: string | undefined;
  /** Pages of samples from page `#first` on. */
  #pages: Float32Array[] = [];
  #first = 0;
  /** Samples that are decoded. */
  #length = 0;
  #blocks: AsyncGenerator<SampleBlock, void, undefined> | undefined;
  #ended = false;
  /** Another program decodes it: it is not left waiting. */
  #isForeign = false;
  /** It was stopped before the end of the recording. */
  #isStopped = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly key: string,
    private readonly recording: LongRecording,
    private readonly channel: number | 'mix',
  ) {}

  get pages(): number {
    return this.#pages.length;
  }

  dropPage(): void {
    this.#pages.shift();
    this.#first++;
  }

  /** After the parts that were asked for. */
  close(): void {
    this.#turn = this.#turn.then(() => this.#reset()).catch(() => {});
  }

  /** One part after the other. */
  read(begin: number, end: number, name: string): Promise<Float32Array> {
    const read = this.#turn.then(() => this.#read(begin, end, name));
    this.#turn = read.catch(() => {});
    return read;
  }

  async #read(begin: number, end: number, name: string): Promise<Float32Array> {
    const isGone = begin < this.#first * PAGE || (this.#isStopped && end > this.#length);
    if (isGone) await this.#reset();
    try {
      const goesOn = () => this.#length < end || (this.#isForeign && this.#pages.length < MOST_PAGES);
      while (!this.#ended && goesOn()) await this.#decodeOn(begin);
      if (this.#isForeign && !this.#ended) {
        await this.#blocks?.return();
        this.#ended = this.#isStopped = true;
      }
    } catch (error) {
      await this.#reset();
      throw error;
    }
    const to = Math.min(end, this.#length);
    if (begin >= to) throw beginsAfterEnd(name, this.#length / SAMPLE_RATE, begin);
    const samples = new Float32Array(to - begin);
    for (let at = begin; at < to; ) {
      const page = this.#pages[Math.floor(at / PAGE) - this.#first]!;
      const piece = page.subarray(at % PAGE, Math.min(PAGE, (at % PAGE) + to - at));
      samples.set(piece, at - begin);
      at += piece.length;
    }
    return samples;
  }

  async #decodeOn(begin: number): Promise<void> {
    this.#blocks ??= this.#open();
    const { value: block, done } = await this.#blocks.next();
    if (done) {
      this.#ended = true;
      return;
    }
    const samples = block[0]!;
    for (let at = 0; at < samples.length; ) {
      const inPage = this.#length % PAGE;
      if (inPage === 0) this.#pages.push(new Float32Array(PAGE));
      const piece = samples.subarray(at, at + PAGE - inPage);
      this.#pages.at(-1)!.set(piece, inPage);
      at += piece.length;
      this.#length += piece.length;
    }
    // A part longer than what may be held is held until it is read.
    if (this.#first + this.#pages.length - MOST_PAGES < Math.floor(begin / PAGE)) makeRoom(this);
  }

  #open(): AsyncGenerator<SampleBlock, void, undefined> {
    const { name, bytes, path } = this.recording;
    const onForeign = () => {
      this.#isForeign = true;
    };
    const source: ByteSource = {
      [Symbol.asyncIterator]: () => blocksFrom(bytes),
      file: bytes,
      get path() {
        onForeign();
        return path;
      },
    };
    const onDamage = (damage: string) => {
      this.damage = damage;
    };
    return decodeInBlocks(name, source, bytes.size, { channel: this.channel, isHeld: false, onDamage });
  }

  async #reset(): Promise<void> {
    await this.#blocks?.return().catch(() => {});
    this.#pages = [];
    this.#first = 0;
    this.#length = 0;
    this.#blocks = undefined;
    this.#ended = this.#isStopped = false;
    this.damage = undefined;
  }
}
