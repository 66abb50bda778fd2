/**
 * FLAC (RFC 9639): frames are found here by their checksums, so that tags around them, joined files, damage and cut ends do no
 * harm, and decoded by Symphonia.
 *
 * Own search: libFLAC's and Symphonia's readers end with the first of joined files, and lose a last frame with a tag behind it.
 */
import { type PacketDecoder, symphoniaDecoder } from './containers/symphonia.ts';
import type { AudioDecoder, Decoded, DecodedBlock } from './decoder.ts';
import { blocksFrom, type FileBytes, fromByte } from './file-bytes.ts';
import { joinBytes } from './join-bytes.ts';

/** "fLaC", the header of a block, STREAMINFO; more than the longest header of a frame. */
const HEAD_BYTES = 42;
/** Frames that may be lost between two that are found. */
const MOST_LOST = 4096;
/** Beyond this a frame is damage: the longest have 65,535 samples of 8 channels. */
const LONGEST_FRAME = 2 ** 20;
/** Joined files beyond this number are damage. */
const MAX_LINKS = 1000;
/** Seconds of silence that stand for lost frames, besides four times what decodes: their numbers may be damaged. */
const MOST_SILENCE = 120;

/** STREAMINFO (RFC 9639, 8.2). */
interface StreamInfo {
  readonly bytes: Uint8Array;
  /** Samples in each frame of a stream that does not vary it. */
  readonly blockSize: number;
  /** Hz */
  readonly rate: number;
  readonly channels: number;
  /** Samples a channel, 0 if not said. */
  readonly total: number;
}

interface FrameHeader {
  /** Bytes of the header. */
  readonly length: number;
  /** Of its first sample a channel. */
  readonly position: number;
  readonly samples: number;
}

interface Frame {
  /** Undefined where its checksum is wrong, or it is cut off. */
  readonly bytes: Uint8Array | undefined;
  readonly header: FrameHeader;
  readonly info: StreamInfo;
}

/** Of the bytes from "fLaC" on. */
function streamInfo(head: Uint8Array): StreamInfo | undefined {
  if (head.length < HEAD_BYTES || !isMagic(head, 0) || (head[4]! & 127) !== 0) return undefined;
  // A copy; of a Buffer slice() gives none.
  const bytes = new Uint8Array(head.subarray(8, HEAD_BYTES));
  const view = new DataView(bytes.buffer);
  const rate = view.getUint32(10) >>> 12;
  if (rate === 0) return undefined;
  return {
    bytes,
    blockSize: view.getUint16(0),
    rate,
    channels: ((bytes[12]! >> 1) & 7) + 1,
    total: (bytes[13]! & 15) * 2 ** 32 + view.getUint32(14),
  };
}

/** Hz; undefined: no FLAC. @param head first bytes of a file */
export const flacRate = (head: Uint8Array): number | undefined => streamInfo(head)?.rate;

function isMagic(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0x66 && bytes[at + 1] === 0x4c && bytes[at + 2] === 0x61 && bytes[at + 3] === 0x43;
}

const isSync = (bytes: Uint8Array, at: number): boolean =>
  bytes[at] === 0xff && (bytes[at + 1]! & 0xfe) === 0xf8;

/** The header of a frame at `at`, if its checksum is right. */
function frameHeader(bytes: Uint8Array, at: number, { blockSize }: StreamInfo): FrameHeader | undefined {
  if (!isSync(bytes, at) || at + 6 > bytes.length) return undefined;
  const [sizeCode, rateCode] = [bytes[at + 2]! >> 4, bytes[at + 2]! & 15];
  const [layout, widthCode] = [bytes[at + 3]! >> 4, (bytes[at + 3]! >> 1) & 7];
  if (sizeCode === 0 || rateCode === 15 || layout > 10 || widthCode === 3 || (bytes[at + 3]! & 1) === 1) {
    return undefined;
  }
  const first = bytes[at + 4]!;
  // Coded like UTF-8, up to 7 bytes.
  const more = first < 0x80 ? 0 : Math.clz32(~(first << 24)) - 1;
  if (first === 0xff || more < 0 || (first >= 0x80 && more === 0)) return undefined;
  let number = first < 0x80 ? first : first & (0x3f >> more);
  for (let i = 1; i <= more; i++) number = number * 64 + ((bytes[at + 4 + i] ?? 0) & 63);
  const sizeAt = at + 5 + more;
  const rateAt = sizeAt + (sizeCode === 6 ? 1 : sizeCode === 7 ? 2 : 0);
  const end = rateAt + (rateCode === 12 ? 1 : rateCode > 12 ? 2 : 0);
  if (end >= bytes.length || checksum8(bytes, at, end) !== bytes[end]) return undefined;
  const explicit = sizeCode === 6 ? bytes[sizeAt]! : (bytes[sizeAt]! << 8) | bytes[sizeAt + 1]!;
  const samples =
    sizeCode === 1
      ? 192
      : sizeCode < 6
        ? 576 << (sizeCode - 2)
        : sizeCode < 8
          ? explicit + 1
          : 256 << (sizeCode - 8);
  const varies = (bytes[at + 1]! & 1) === 1;
  return { length: end + 1 - at, position: varies ? number : number * blockSize, samples };
}

/** Tables of the checksums of a byte: CRC-8 of polynomial 0x07 and CRC-16 of 0x8005. */
const [CRC8, CRC16] = [
  { bits: 8, polynomial: 0x07 },
  { bits: 16, polynomial: 0x8005 },
].map(({ bits, polynomial }) => {
  const top = 1 << (bits - 1);
  return Uint16Array.from({ length: 256 }, (_, byte) => {
    let sum = byte << (bits - 8);
    for (let bit = 0; bit < 8; bit++) sum = sum & top ? (sum << 1) ^ polynomial : sum << 1;
    return sum & (2 * top - 1);
  });
}) as [Uint16Array, Uint16Array];

function checksum8(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) sum = CRC8[sum ^ bytes[at]!]!;
  return sum;
}

/** 0 over a whole frame. */
function checksum16(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum = ((sum << 8) & 0xffff) ^ CRC16[(sum >> 8) ^ byte]!;
  return sum;
}

/** Finds the frames in bytes that come in pieces, from the first "fLaC" on. */
class FlacFrames {
  #pending: Uint8Array = new Uint8Array(0);
  #info: StreamInfo | undefined;
  /** Whether the pending bytes begin with a block of metadata. */
  #isMetadata = false;
  /** Bytes of metadata to pass over. */
  #skip = 0;
  /** Of the frame that begins the pending bytes. */
  #header: FrameHeader | undefined;
  /** Bytes of it looked at, their checksum, and where it was last that of a whole frame. */
  #scan = { at: 0, sum: 0, end: 0 };
  /** Of the next of the pending bytes in the file. */
  #position = 0;

  constructor(private readonly fileBytes: number) {}

  /** @param last whether no bytes follow */
  *push(chunk: Uint8Array, last = false): Generator<Frame> {
    this.#pending = this.#pending.length === 0 ? chunk : joinBytes([this.#pending, chunk]);
    for (;;) {
      if (this.#skip > 0) {
        this.#skip -= this.#drop(Math.min(this.#skip, this.#pending.length));
        if (this.#skip > 0) return;
      }
      if (this.#isMetadata) {
        if (this.#pending.length < 4 && !last) return;
        this.#passMetadata();
      } else if (this.#header) {
        const length = this.#lengthToNext(last);
        if (length === undefined) return;
        const whole = this.#scan.end;
        const bytes = whole > 0 ? this.#pending.slice(0, whole) : undefined;
        yield { bytes, header: this.#header, info: this.#info! };
        this.#drop(length);
        this.#header = frameHeader(this.#pending, 0, this.#info!);
      } else if (!this.#search(last)) return;
    }
  }

  #drop(count: number): number {
    this.#pending = this.#pending.subarray(count);
    this.#position += count;
    this.#scan = { at: 0, sum: 0, end: 0 };
    return count;
  }

  #passMetadata(): void {
    const [kind = 0xff, a = 0, b = 0, c = 0] = this.#pending;
    const length = 4 + (a << 16) + (b << 8) + c;
    // A writer may have forgotten to mark the last one, and a length may be damaged.
    const isDamaged = kind === 0xff || this.#position + length > this.fileBytes;
    this.#isMetadata = !isDamaged && kind < 128;
    if (!isDamaged) this.#skip = length;
  }

  /** Bytes to what follows the frame at the start: another one, or another file; undefined: not yet known. */
  #lengthToNext(last: boolean): number | undefined {
    const [bytes, header, info, scan] = [this.#pending, this.#header!, this.#info!, this.#scan];
    // What may be the beginning of a header, or of a file, waits for all of it.
    const limit = last ? bytes.length : bytes.length - HEAD_BYTES;
    let { at, sum } = scan;
    for (; at < limit; at++) {
      const byte = bytes[at]!;
      if (at > header.length + 2) {
        if (sum === 0) scan.end = at;
        if (byte === 0xff && isSync(bytes, at)) {
          const next = frameHeader(bytes, at, info);
          const lost = next ? next.position - header.position - header.samples : Number.NaN;
          const follows = lost >= 0 && lost <= MOST_LOST * header.samples;
          if (next && (follows || sum === 0 || at > LONGEST_FRAME)) return at;
        } else if (byte === 0x66 && streamInfo(bytes.subarray(at, at + HEAD_BYTES))) return at;
      }
      sum = ((sum << 8) & 0xffff) ^ CRC16[(sum >> 8) ^ byte]!;
    }
    [scan.at, scan.sum] = [at, sum];
    if (!last) return undefined;
    if (sum === 0 && at > header.length + 2) scan.end = at;
    return bytes.length;
  }

  /** Passes over what is no frame. @returns whether a file or a frame was found */
  #search(last: boolean): boolean {
    const bytes = this.#pending;
    const limit = Math.max(0, last ? bytes.length : bytes.length - HEAD_BYTES);
    for (let at = 0; at < limit; at++) {
      if (bytes[at] === 0x66) {
        const info = streamInfo(bytes.subarray(at, at + HEAD_BYTES));
        if (!info) continue;
        this.#info = info;
        this.#isMetadata = bytes[at + 4]! < 128;
        this.#drop(at + HEAD_BYTES);
        return true;
      }
      if (bytes[at] === 0xff && this.#info) {
        this.#header = frameHeader(bytes, at, this.#info);
        if (!this.#header) continue;
        this.#drop(at);
        return true;
      }
    }
    this.#drop(limit);
    return false;
  }
}

/** Decodes each of the files that were joined for itself; silence stands for frames that are lost. */
export function flacDecoder(fileBytes: number): AudioDecoder {
  const frames = new FlacFrames(fileBytes);
  let info: StreamInfo | undefined;
  let decoder: PacketDecoder | undefined;
  let links = 0;
  // Samples: the next one, the last one that a damaged frame claims; seconds of silence and of sound so far.
  let [next, lost, filled, sounded] = [0, 0, 0, 0];
  let [promised, damaged, cut] = [0, 0, false];

  const begin = (frame: Frame): void => {
    if (++links > MAX_LINKS) throw new Error(`more than ${MAX_LINKS} streams one after the other`);
    if (lost > 0) damaged++;
    decoder?.free();
    info = frame.info;
    decoder = symphoniaDecoder('flac', info.bytes, info.rate, info.channels);
    const { position, samples } = frame.header;
    // The positions of what was cut out of a longer recording do not begin at 0.
    next = position + samples > info.total ? position : 0;
    lost = 0;
    promised += info.total > 0 ? info.total / info.rate : Number.NaN;
  };
  const decodeFrames = (found: Iterable<Frame>): DecodedBlock[] => {
    const blocks: DecodedBlock[] = [];
    for (const frame of found) {
      if (frame.info !== info) begin(frame);
      const { rate, channels } = frame.info;
      const { position, samples } = frame.header;
      let block: DecodedBlock | undefined;
      try {
        block = frame.bytes && decoder!.decode(frame.bytes);
      } catch {
        // Silence stands for it, as for one that is not whole.
      }
      if (!block) {
        lost = Math.max(lost, position + samples);
        continue;
      }
      if (lost > 0 || position > next) {
        damaged++;
        const most = (MOST_SILENCE + 4 * sounded - filled) * rate;
        const silent = new Float32Array(Math.max(0, Math.min(position - next, Math.floor(most))));
        filled += silent.length / rate;
        if (silent.length > 0)
          blocks.push({ channelData: Array.from({ length: channels }, () => silent), sampleRate: rate });
      }
      blocks.push(block);
      [next, lost] = [position + samples, 0];
      sounded += samples / rate;
    }
    return blocks;
  };
  return {
    decode: (chunk) => decodeFrames(frames.push(chunk)),
    flush() {
      const blocks = decodeFrames(frames.push(new Uint8Array(0), true));
      // The last frame is not whole.
      cut = lost > 0;
      return blocks;
    },
    missing: () => ({ promised, damaged, cut }),
    free: () => decoder?.free(),
  };
}

/** Tail that is searched for the last frame; frames are seldom longer than 16 KiB. */
const TAIL_BYTES = 128 * 1024;
/** Files up to this size are searched whole for another one that is joined to them. */
const SEARCHED_BYTES = 512 * 1024;
/** Places in longer ones at which a frame is to have about the position of its share of the file. */
const PROBES = [1 / 2, 1 / 3, 1 / 5] as const;

/** Seconds that decoding gives; undefined where only decoding can tell: the last frame must be where the header says. */
export async function flacDuration(file: FileBytes): Promise<number | undefined> {
  const info = streamInfo(await file.read(0, HEAD_BYTES));
  if (!info || info.total === 0) return undefined;
  const start = Math.max(0, file.size - TAIL_BYTES);
  const tail = await file.read(start, TAIL_BYTES);
  for (let at = tail.length - 8; at >= 0; at--) {
    const header = tail[at] === 0xff ? frameHeader(tail, at, info) : undefined;
    if (!header || header.position + header.samples !== info.total) continue;
    if (!endsWhole(tail.subarray(at)) || (await isJoined(file, info))) return undefined;
    return info.total / info.rate;
  }
  return undefined;
}

/** Whether a frame ends with the bytes, or before the 128 bytes of ID3v1. */
function endsWhole(frame: Uint8Array): boolean {
  return checksum16(frame) === 0 || (frame.length > 128 && checksum16(frame.subarray(0, -128)) === 0);
}

async function isJoined(file: FileBytes, info: StreamInfo): Promise<boolean> {
  if (file.size <= SEARCHED_BYTES) {
    const bytes = await file.read(0, file.size);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('fLaC', 4, 'latin1') >= 0;
  }
  for (const share of PROBES) {
    const some = await file.read(Math.floor(file.size * share), TAIL_BYTES);
    let position: number | undefined;
    for (let at = 0; at < some.length && position === undefined; at++) {
      position = some[at] === 0xff ? frameHeader(some, at, info)?.position : undefined;
    }
    // Silence takes few bytes, so that the places are not exact.
    const found = (position ?? 0) / info.total;
    if (found < share / 4 || found > (1 + 3 * share) / 3) return true;
  }
  return false;
}

/** Bytes in which a whole frame and the next one's header are looked for. */
const WINDOW_BYTES = 128 * 1024;
/** What is decoded before a sample in vain. */
const MOST_BEFORE = 16 * 1024;

/** A place in a file from which it can be decoded. */
export interface FlacPlace {
  /** Byte of a frame. */
  readonly at: number;
  /** Of its first sample a channel. */
  readonly position: number;
}

/**
 * Finds a frame that holds a sample, or one some frames before it, by bisection: tables of places are rare, and may be wrong.
 * @returns undefined where the file has no length, or is damaged at one of the places that are looked at
 */
export async function flacFrameBefore(file: FileBytes, sample: number): Promise<FlacPlace | undefined> {
  const info = streamInfo(await file.read(0, HEAD_BYTES));
  if (!info || info.total === 0) return undefined;
  const first = await frameAfter(file, HEAD_BYTES, info);
  if (first?.position !== 0) return undefined;
  let place = first;
  for (let end = file.size; end - place.at > MOST_BEFORE; ) {
    const middle = Math.floor((place.at + end) / 2);
    const found = await frameAfter(file, middle, info);
    if (found && found.position <= sample) {
      if (found.position < place.position) return undefined;
      place = found;
    } else end = middle;
  }
  return place;
}

/** The first frame after a byte whose checksum is right, and that another one follows. */
async function frameAfter(file: FileBytes, from: number, info: StreamInfo): Promise<FlacPlace | undefined> {
  for (let start = from; start < file.size; start += WINDOW_BYTES / 2) {
    const bytes = await file.read(start, WINDOW_BYTES);
    for (let at = 0; at < Math.min(bytes.length, WINDOW_BYTES / 2); at++) {
      const header = bytes[at] === 0xff ? frameHeader(bytes, at, info) : undefined;
      if (!header) continue;
      for (let next = at + header.length; next < bytes.length; next++) {
        if (bytes[next] !== 0xff) continue;
        const following = frameHeader(bytes, next, info);
        if (following?.position !== header.position + header.samples) continue;
        if (checksum16(bytes.subarray(at, next)) === 0) return { at: start + at, position: header.position };
      }
    }
  }
  return undefined;
}

/** Frames that are damaged or lost: what stands for them is told by what stands before. */
export class DamagedFramesError extends Error {}

/**
 * Sound from a place on, whose first `skipped` samples are left out.
 * @throws DamagedFramesError
 */
export async function* flacFrom(
  file: FileBytes,
  { at }: FlacPlace,
  skipped: number,
): AsyncGenerator<DecodedBlock> {
  const head = new Uint8Array(await file.read(0, HEAD_BYTES));
  // The only block of metadata; with no length, the first frame's position counts as the beginning.
  head[4] = 0x80;
  head[21]! &= 0xf0;
  head.fill(0, 22, 26);
  const decoder = flacDecoder(Number.POSITIVE_INFINITY);
  let left = skipped;
  const rest = function* (decoded: Decoded): Generator<DecodedBlock> {
    if (decoder.missing!().damaged) throw new DamagedFramesError();
    for (const { channelData, sampleRate } of [decoded].flat() as DecodedBlock[]) {
      const dropped = Math.min(left, channelData[0]!.length);
      left -= dropped;
      yield { channelData: channelData.map((samples) => samples.subarray(dropped)), sampleRate };
    }
  };
  try {
    yield* rest(await decoder.decode(head));
    for await (const bytes of blocksFrom(fromByte(file, at))) yield* rest(await decoder.decode(bytes));
    yield* rest(await decoder.flush!());
  } finally {
    decoder.free();
  }
}
