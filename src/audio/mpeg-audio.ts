/**
 * MPEG audio (MP3, and layers I and II): frames are found here, so that tags, padding and joined files between them do no
 * harm, and decoded by mpg123.
 */
import type { AudioDecoder, DecodedBlock } from './decoder.ts';
import { blocksFrom, type FileBytes } from './file-bytes.ts';
import { joinBytes } from './join-bytes.ts';
import { freeFormatConverter } from './mpeg-free-format.ts';
import { type Mpg123, mpg123 } from './mpg123.ts';
import { paddingLength, tagLength } from './tags.ts';

/** What the four bytes of a frame's header say (ISO/IEC 11172-3, 13818-3). */
interface FrameHeader {
  /** 1, 2 or 2.5 */
  readonly version: number;
  readonly layer: number;
  /** Hz */
  readonly rate: number;
  readonly channels: number;
  readonly protectedByChecksum: boolean;
  /** Samples a channel. */
  readonly samples: number;
  /** Bytes of the frame with its header. */
  readonly length: number;
}

interface MpegFrame extends FrameHeader {
  readonly bytes: Uint8Array;
  /** Of the first frame of a file, which holds no sound but says how long it is. */
  readonly info?: InfoFrame | undefined;
  /** Whether another file begins here. */
  readonly begins: boolean;
}

/** The frame that Xing's and LAME's encoders write first. */
interface InfoFrame {
  /** Frames after this one, 0 if not said. */
  readonly frames: number;
  /** Bytes of all frames with this one, 0 if not said. */
  readonly bytes: number;
  /** Samples that the encoder added before the sound and after it. */
  readonly before: number;
  readonly after: number;
}

/** kbit/s by version 1 and layer; of versions 2 and 2.5, layer I and the others. */
const BIT_RATES = [
  [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
  [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
  [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
  [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
  [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
] as const;
const SAMPLE_RATES = [44_100, 48_000, 32_000] as const;
/** Delay of a decoder, in samples, which the encoder's figures leave out. */
const DECODER_DELAY = 529;
/** Joined files beyond this number are damage. */
const MAX_LINKS = 1000;

/**
 * @param freeBytes of a frame without padding, where headers do not say their bit rate (free format)
 * @returns undefined where no frame begins, or its length is not known
 */
function frameHeader(bytes: Uint8Array, at: number, freeBytes = 0): FrameHeader | undefined {
  if (!isMpegHeader(bytes, at)) return undefined;
  const [b, c, d] = [bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!];
  const version = [2.5, 0, 2, 1][(b >> 3) & 3]!;
  const layer = 4 - ((b >> 1) & 3);
  const table = version === 1 ? layer - 1 : layer === 1 ? 3 : 4;
  const bits = BIT_RATES[table]![c >> 4]! * 1000;
  const rate = SAMPLE_RATES[(c >> 2) & 3]! / (version === 1 ? 1 : version === 2 ? 2 : 4);
  if (bits === 0 && freeBytes === 0) return undefined;
  const samples = layer === 1 ? 384 : layer === 3 && version !== 1 ? 576 : 1152;
  const padding = (c >> 1) & 1;
  const length =
    bits === 0
      ? freeBytes + padding * (layer === 1 ? 4 : 1)
      : layer === 1
        ? (Math.floor((12 * bits) / rate) + padding) * 4
        : Math.floor(((samples / 8) * bits) / rate) + padding;
  const channels = d >> 6 === 3 ? 1 : 2;
  return { version, layer, rate, channels, protectedByChecksum: (b & 1) === 0, samples, length };
}

/** Longest frame of free format: 640 kbit/s at 8 kHz. */
const LONGEST_FREE = 5761;

function isFreeFormat(bytes: Uint8Array, at: number): boolean {
  return isMpegHeader(bytes, at) && bytes[at + 2]! >> 4 === 0;
}

/** Bytes of a frame of free format without padding: how far it is to the next one, and the one after; 0 if neither. */
function freeFrameBytes(bytes: Uint8Array, at: number): number {
  const slot = 4 - ((bytes[at + 1]! >> 1) & 3) === 1 ? 4 : 1;
  const padding = (place: number) => ((bytes[place + 2]! >> 1) & 1) * slot;
  const matches = (place: number) =>
    bytes[place] === 0xff &&
    bytes[place + 1] === bytes[at + 1] &&
    (bytes[place + 2]! & 0xfc) === (bytes[at + 2]! & 0xfc) &&
    bytes[place + 3]! >> 6 === bytes[at + 3]! >> 6;
  for (let next = at + 24; next <= at + LONGEST_FREE && next + 4 <= bytes.length; next++) {
    if (!matches(next)) continue;
    const length = next - at - padding(at);
    const after = next + length + padding(next);
    if (matches(after) || after === bytes.length) return length;
  }
  return 0;
}

/** Sync word, no reserved version, layer, bit rate or sample rate. */
function isMpegHeader(bytes: Uint8Array, at: number): boolean {
  if (at + 4 > bytes.length || bytes[at] !== 0xff) return false;
  const [b, c] = [bytes[at + 1]!, bytes[at + 2]!];
  return (
    (b & 0xe0) === 0xe0 &&
    (b & 0x18) !== 0x08 &&
    (b & 0x06) !== 0 &&
    (c & 0xf0) !== 0xf0 &&
    (c & 0x0c) !== 0x0c
  );
}

/** Frames of the same stream differ in bit rate and padding only. */
function continues(before: FrameHeader, header: FrameHeader | undefined): boolean {
  return (
    header?.version === before.version &&
    header.layer === before.layer &&
    header.rate === before.rate &&
    header.channels === before.channels
  );
}

/** Fewer frames than this may stand in any bytes by chance. */
const FEWEST_FRAMES = 4;

/** Whether a file is MPEG audio: a frame at its start, or frames after some junk that fill the rest of `head`. */
export function isMpegAudio(head: Uint8Array): boolean {
  if (isMpegHeader(head, 0)) return true;
  let [frames, bytes, start] = [0, 0, 0];
  for (const frame of new MpegFrames().push(head, true)) {
    if (frames++ === 0) start = frame.bytes.byteOffset - head.byteOffset;
    bytes += frame.length;
  }
  return frames >= FEWEST_FRAMES && bytes > 0.9 * (head.length - start);
}

/** First bytes of a frame, "ID3", "APE", "TAG" and padding. */
const MAY_BEGIN = new Set([0xff, 0x49, 0x41, 0x54, 0]);

/** Finds the frames in bytes that come in pieces, and skips what is between them. */
class MpegFrames {
  private pending: Uint8Array = new Uint8Array(0);
  private skip = 0;
  private before: FrameHeader | undefined;
  private synced = false;
  /** Of a frame without padding, in free format. */
  private freeBytes = 0;
  /** Whether bytes that are none of a frame, a tag or padding follow the last frame. */
  private gap = false;
  /** Places between frames of a stream that are none. */
  damaged = 0;
  /** Whether the last frame is not whole. */
  cut = false;

  /** @param last whether no bytes follow */
  *push(chunk: Uint8Array, last = false): Generator<MpegFrame> {
    const bytes = this.pending.length === 0 ? chunk : joinBytes([this.pending, chunk]);
    let at = 0;
    // The longest frame has 2,881 bytes; a tag's own header has 32.
    const wait = () => {
      this.pending = bytes.slice(at);
    };
    while (at < bytes.length) {
      if (this.skip > 0) {
        const skipped = Math.min(this.skip, bytes.length - at);
        this.skip -= skipped;
        at += skipped;
        continue;
      }
      if (!this.synced && isFreeFormat(bytes, at)) {
        if (bytes.length - at < 3 * LONGEST_FREE && !last) return wait();
        this.freeBytes = freeFrameBytes(bytes, at);
      }
      const header = frameHeader(bytes, at, this.freeBytes);
      if (header && at + header.length > bytes.length && !last) return wait();
      const next = at + (header?.length ?? 0);
      const sure = header && this.synced && this.before && continues(this.before, header);
      if (header && !sure && next + 4 > bytes.length && !last) return wait();
      if (header && next <= bytes.length && (sure || this.confirmed(bytes, header, next, last))) {
        const info = infoFrame(bytes.subarray(at, next), header);
        const begins = !this.before || !continues(this.before, header) || info !== undefined;
        if (this.gap && !begins) this.damaged++;
        this.gap = false;
        this.before = header;
        this.synced = true;
        yield { ...header, bytes: bytes.subarray(at, next), info, begins };
        at = next;
        continue;
      }
      if (sure && next > bytes.length) this.cut = true;
      this.synced = false;
      if (bytes.length - at < 32 && !last) return wait();
      this.skip = betweenFrames(bytes.subarray(at));
      if (this.skip > 0) continue;
      at++;
      this.gap = true;
      while (at < bytes.length && !MAY_BEGIN.has(bytes[at]!)) at++;
    }
    this.pending = new Uint8Array(0);
  }

  /** Whether what follows a supposed frame is another one, a tag or the end. */
  private confirmed(bytes: Uint8Array, header: FrameHeader, next: number, last: boolean): boolean {
    if (next + 4 > bytes.length) return last;
    return continues(header, frameHeader(bytes, next, this.freeBytes)) || tagLength(bytes.subarray(next)) > 0;
  }
}

/** Bytes of a tag, of zeros or of the 128 bytes of ID3v1 ("TAG"), none of which are sound. */
function betweenFrames(bytes: Uint8Array): number {
  if (bytes[0] === 0x54 && bytes[1] === 0x41 && bytes[2] === 0x47) return 128;
  return tagLength(bytes) || paddingLength(bytes);
}

function infoFrame(
  frame: Uint8Array,
  { version, channels, layer, protectedByChecksum }: FrameHeader,
): InfoFrame | undefined {
  if (layer !== 3) return undefined;
  const side = version === 1 ? (channels === 1 ? 17 : 32) : channels === 1 ? 9 : 17;
  let at = 4 + side + (protectedByChecksum ? 2 : 0);
  const name = String.fromCharCode(...frame.subarray(at, at + 4));
  if ((name !== 'Xing' && name !== 'Info') || at + 8 > frame.length) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const flags = view.getUint32(at + 4);
  at += 8;
  const field = (flag: number, bytes: number): number => {
    if ((flags & flag) === 0 || at + bytes > frame.length) return 0;
    at += bytes;
    return view.getUint32(at - bytes);
  };
  const frames = field(1, 4);
  const bytes = field(2, 4);
  field(4, 100);
  field(8, 4);
  // LAME's extension, also of Lavc: its name first.
  if (at + 24 > frame.length || frame[at] === 0 || frames === 0)
    return { frames, bytes, before: 0, after: 0 };
  const delays = view.getUint32(at + 20) & 0xff_ffff;
  return { frames, bytes, before: (delays >> 12) + DECODER_DELAY, after: (delays & 0xfff) - DECODER_DELAY };
}

/** Samples of a joined file's part: those of its frames, without what the encoder added. */
function soundLength(
  samples: number,
  info: InfoFrame | undefined,
  samplesPerFrame: number,
): number | undefined {
  if (!info || info.frames === 0) return samples;
  const promised = info.frames * samplesPerFrame;
  // A decoder gives up on the encoder's figures where there are more frames than they count.
  if (samples > promised) return undefined;
  return Math.max(0, Math.min(samples, promised - Math.max(0, info.after)) - info.before);
}

/** Seconds that decoding gives; undefined where only decoding can tell. */
export async function mpegDuration(file: FileBytes): Promise<number | undefined> {
  const scan = new MpegFrames();
  let seconds = 0;
  let [rate, perFrame, samples] = [0, 0, 0];
  let info: InfoFrame | undefined;
  let position = 0;
  let unknown = false;
  const endLink = (): void => {
    if (rate === 0) return;
    const length = soundLength(samples, info, perFrame);
    if (length === undefined) unknown = true;
    else seconds += length / rate;
  };
  for await (const block of blocksFrom(file)) {
    position += block.length;
    for (const frame of scan.push(block, position >= file.size)) {
      if (frame.begins) {
        endLink();
        [rate, perFrame, samples, info] = [frame.rate, frame.samples, 0, frame.info];
        if (seconds === 0 && info) {
          const at = frame.bytes.byteOffset - block.byteOffset;
          const rest = file.size - at - info.bytes;
          // The file is as long as its first frame says: so is its sound.
          if (
            info.bytes > 0 &&
            info.frames > 0 &&
            frame.bytes.buffer === block.buffer &&
            (rest === 0 || rest === 128)
          ) {
            return soundLength(info.frames * perFrame, info, perFrame)! / rate;
          }
        }
      }
      if (!frame.info) samples += frame.samples;
    }
    if (unknown) return undefined;
  }
  endLink();
  return unknown || seconds === 0 ? undefined : seconds;
}

/** Decodes each of the files that were joined for itself. */
export function mpegDecoder(): AudioDecoder {
  const scan = new MpegFrames();
  let current: Mpg123 | undefined;
  let channels = 2;
  let convert: ReturnType<typeof freeFormatConverter> | undefined;
  let links = 0;
  let promised = 0;
  /** Of the last stream. */
  let link = { info: undefined as InfoFrame | undefined, seconds: 0, bytes: 0 };

  const endLink = (): void => {
    const { info, seconds, bytes } = link;
    // A count of frames that is wrong is not one of bytes, too.
    promised += info && bytes < (info.bytes || Number.POSITIVE_INFINITY) ? seconds : Number.NaN;
  };
  /** Decodes neighbouring frames in one call. */
  const decodeRun = (run: readonly Uint8Array[]): DecodedBlock => {
    const { channelData, sampleRate } = current!.decode(joinBytes(run));
    // mpg123 gives mono as two equal channels.
    return { channelData: channelData.slice(0, channels), sampleRate };
  };
  const decodeFrames = async (frames: Iterable<MpegFrame>): Promise<DecodedBlock[]> => {
    const blocks: DecodedBlock[] = [];
    let run: Uint8Array[] = [];
    for (const frame of frames) {
      if (frame.begins) {
        if (run.length > 0) blocks.push(decodeRun(run));
        run = [];
        convert = freeFormatConverter((header) => frameHeader(header, 0)!.length);
        current?.free();
        if (++links > MAX_LINKS) throw new Error(`more than ${MAX_LINKS} streams one after the other`);
        if (links > 1) endLink();
        current = await mpg123();
        channels = frame.channels;
        const { info, samples, rate } = frame;
        const length = info?.frames ? soundLength(info.frames * samples, info, samples) : undefined;
        link = { info, seconds: (length ?? Number.NaN) / rate, bytes: 0 };
      }
      link.bytes += frame.bytes.length;
      run.push(isFreeFormat(frame.bytes, 0) ? convert!(frame) : frame.bytes);
    }
    if (run.length > 0) blocks.push(decodeRun(run));
    return blocks;
  };
  return {
    decode: (chunk) => decodeFrames(scan.push(chunk)),
    async flush() {
      const blocks = await decodeFrames(scan.push(new Uint8Array(0), true));
      endLink();
      return blocks;
    },
    missing: () => ({ promised, damaged: scan.damaged, cut: scan.cut }),
    free: () => current?.free(),
  };
}
