/**
 * Ogg (RFC 3533): finds the streams of sound among those of a file, one after the other (chained) or beside others
 * (multiplexed, as in a video), and decodes each for itself: Opus, Vorbis or FLAC.
 */
import { decoder as opusDecoder } from '@audio/decode-opus';
import { decoder as vorbisDecoder } from '@audio/decode-vorbis';
import { type AudioDecoder, type Decoded, type DecodedBlock, silently } from './decoder.ts';
import { blocksFrom, type FileBytes } from './file-bytes.ts';
import { flacDecoder } from './flac.ts';
import { joinBytes } from './join-bytes.ts';

interface Page {
  readonly bytes: Uint8Array;
  readonly beginsStream: boolean;
  readonly endsStream: boolean;
  readonly continuesPacket: boolean;
  /** Position in samples at the end of the page; -1 where no packet ends on it. */
  readonly granule: number;
  readonly serial: number;
  readonly sequence: number;
  /** Lengths of the body's segments: a packet ends with one below 255. */
  readonly segments: Uint8Array;
  readonly body: Uint8Array;
}

const HEADER_BYTES = 27;
/** "OggS" and the version. */
const CAPTURE_BYTES = 5;
/** Streams one after the other; more are damage. */
const MAX_LINKS = 1000;
const OPUS_RATE = 48_000;

/** Cuts bytes that come in pieces into pages, and skips what is none. */
class OggPages {
  private pending: Uint8Array = new Uint8Array(0);
  /** Of the first pending byte, and of the end of the last page. */
  private position = 0;
  private end: number | undefined;
  /** Places between pages at which bytes are none: the rest of a page, say. */
  gaps = 0;

  *push(chunk: Uint8Array): Generator<Page> {
    const bytes = this.pending.length === 0 ? chunk : joinBytes([this.pending, chunk]);
    let at = 0;
    for (;;) {
      at = nextCapture(bytes, at);
      if (bytes.length < at + HEADER_BYTES) break;
      const bodyAt = at + HEADER_BYTES + bytes[at + 26]!;
      if (bytes.length < bodyAt) break;
      const segments = bytes.subarray(at + HEADER_BYTES, bodyAt);
      let end = bodyAt;
      for (const length of segments) end += length;
      if (bytes.length < end) break;
      // A stream that was cut off within a page goes on with the next one's first page.
      if (bytes.length >= end + 4 && nextCapture(bytes, end) !== end) {
        const inside = nextCapture(bytes, at + 1);
        if (inside < end) {
          at = inside;
          continue;
        }
      }
      if (this.end !== undefined && this.position + at > this.end) this.gaps++;
      this.end = this.position + end;
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, HEADER_BYTES);
      const flags = bytes[at + 5]!;
      yield {
        bytes: bytes.subarray(at, end),
        continuesPacket: (flags & 1) !== 0,
        beginsStream: (flags & 2) !== 0,
        endsStream: (flags & 4) !== 0,
        granule: Number(view.getBigInt64(6, true)),
        serial: view.getUint32(14, true),
        sequence: view.getUint32(18, true),
        segments,
        body: bytes.subarray(bodyAt, end),
      };
      at = end;
    }
    this.pending = bytes.slice(at);
    this.position += at;
  }

  /** What is left at the end: a page that is cut off. */
  rest(): Uint8Array {
    return this.pending;
  }
}

/** The place of the next "OggS" and version 0, or of what may be its beginning at the end of the bytes. */
function nextCapture(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    if (bytes[at] !== 0x4f) continue;
    const [b = 0x67, c = 0x67, d = 0x53, version = 0] = bytes.subarray(at + 1, at + 5);
    if (b === 0x67 && c === 0x67 && d === 0x53 && version === 0) return at;
  }
  return bytes.length;
}

interface OggCodec {
  readonly name: string;
  /** How the first packet begins. */
  readonly magic: string;
  open(): AudioDecoder | Promise<AudioDecoder>;
  /** What its decoder reads of a page; default: all. */
  bytesOf?(page: Page): Uint8Array;
}

const CODECS: readonly OggCodec[] = [
  { name: 'Opus', magic: 'OpusHead', open: opusDecoder },
  { name: 'Vorbis', magic: '\x01vorbis', open: vorbisDecoder },
  // Without the mapping's 9 bytes the packets are those of a FLAC file.
  {
    name: 'FLAC',
    magic: '\x7fFLAC',
    open: () => flacDecoder(Number.POSITIVE_INFINITY),
    bytesOf: ({ body, beginsStream }) => (beginsStream ? body.subarray(9) : body),
  },
];

const codecOf = (page: Page): OggCodec | undefined => {
  const start = String.fromCharCode(...page.body.subarray(0, 8));
  return CODECS.find(({ magic }) => start.startsWith(magic));
};

/** A page with the codec of the stream that it begins, if that is the next of sound. */
interface SoundPage {
  readonly page: Page;
  readonly begins?: OggCodec | undefined;
}

/** Leaves the pages of one stream of sound at a time: a stream that begins beside another one is passed over. */
class SoundPages {
  private readonly pages = new OggPages();
  private serial: number | undefined;
  private hasSound = false;

  *push(chunk: Uint8Array): Generator<SoundPage> {
    for (const page of this.pages.push(chunk)) {
      const codec = page.beginsStream ? codecOf(page) : undefined;
      if (codec && (this.serial === undefined || this.hasSound)) {
        this.serial = page.serial;
        this.hasSound = false;
        yield { page, begins: codec };
      } else if (page.serial === this.serial && !codec) {
        this.hasSound = true;
        yield { page };
      }
    }
  }

  get gaps(): number {
    return this.pages.gaps;
  }

  rest(): Uint8Array {
    return this.serial === undefined ? new Uint8Array(0) : this.pages.rest();
  }
}

/** Of a page that is cut off. */
const bodyOf = (bytes: Uint8Array): Uint8Array =>
  bytes.subarray(HEADER_BYTES + (bytes[HEADER_BYTES - 1] ?? 0));

/** CRC-32 of polynomial 0x04c11db7, not reflected, of each byte. */
const CRC = Int32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte << 24;
  for (let bit = 0; bit < 8; bit++) sum = sum < 0 ? (sum << 1) ^ 0x04c11db7 : sum << 1;
  return sum;
});

/** Whether a page's checksum is right, or was left out. */
function isWhole(page: Uint8Array): boolean {
  let sum = 0;
  for (let at = 0; at < page.length; at++) {
    const byte = at >= 22 && at < 26 ? 0 : page[at]!;
    sum = (sum << 8) ^ CRC[(sum >>> 24) ^ byte]!;
  }
  const claimed = new DataView(page.buffer, page.byteOffset, page.length).getInt32(22, true);
  return claimed === 0 || claimed === sum;
}

export function oggDecoder(): AudioDecoder {
  const pages = new SoundPages();
  let current: AudioDecoder | undefined;
  let codec: OggCodec | undefined;
  let begins: SoundPage | undefined;
  let links = 0;
  let sequence = 0;
  let [damagedPages, damagedFrames, wasDamaged, cut] = [0, 0, false, false];

  const decodeRun = async (run: Uint8Array[]): Promise<DecodedBlock[]> => {
    if (run.length === 0) return [];
    // A decoder is opened for a stream that goes on.
    if (begins) {
      if (++links > MAX_LINKS) throw new Error(`more than ${MAX_LINKS} streams one after the other`);
      codec = begins.begins!;
      current = await codec.open();
      begins = undefined;
    }
    const decoder = current!;
    return [silently(() => decoder.decode(joinBytes(run))) as Decoded].flat();
  };
  const endLink = async (): Promise<DecodedBlock[]> => {
    const rest = current?.flush ? silently(() => current!.flush!()) : [];
    const blocks = [await rest].flat();
    damagedFrames += current?.missing?.().damaged ?? 0;
    current?.free();
    current = undefined;
    return blocks;
  };
  const blocksOf = async (found: Iterable<SoundPage>): Promise<DecodedBlock[]> => {
    const blocks: DecodedBlock[][] = [];
    let run: Uint8Array[] = [];
    for (const each of found) {
      if (each.begins) {
        blocks.push(await decodeRun(run), await endLink());
        begins = each;
        run = [];
      }
      const { page } = each;
      const isDamaged = !isWhole(page.bytes);
      // Recordings of broadcasts begin with the headers and go on anywhere.
      const isLater = !each.begins && sequence > 2 && page.sequence > sequence + 1;
      if ((isDamaged && !wasDamaged) || (isLater && !wasDamaged && !isDamaged)) damagedPages++;
      wasDamaged = isDamaged;
      sequence = page.sequence;
      run.push((begins?.begins ?? codec)?.bytesOf?.(page) ?? page.bytes);
    }
    blocks.push(await decodeRun(run));
    return blocks.flat();
  };
  return {
    decode: (chunk) => blocksOf(pages.push(chunk)),
    async flush() {
      const rest = pages.rest();
      cut = rest.length >= CAPTURE_BYTES;
      const last = cut ? await decodeRun([codec?.bytesOf ? bodyOf(rest) : rest]) : [];
      return [...last, ...(await endLink())];
    },
    missing: () => ({ damaged: Math.max(pages.gaps, damagedPages, damagedFrames), cut }),
    free: () => current?.free(),
  };
}

/** Seconds that decoding gives; undefined where only decoding can tell. */
export async function oggDuration(file: FileBytes): Promise<number | undefined> {
  const pages = new SoundPages();
  let seconds = 0;
  let link: Link | undefined;
  for await (const block of blocksFrom(file)) {
    for (const { page, begins } of pages.push(block)) {
      if (begins) {
        const length = link?.seconds() ?? 0;
        if (Number.isNaN(length)) return undefined;
        seconds += length;
        link = new Link(page, begins);
      } else link!.add(page);
    }
  }
  // Of FLAC also what is whole on a page that is cut off.
  if (link?.codec.bytesOf && pages.rest().length > 0) return undefined;
  seconds += link?.seconds() ?? Number.NaN;
  return Number.isNaN(seconds) ? undefined : seconds;
}

/** Counts the samples of one stream by its pages. */
class Link {
  private readonly rate: number;
  /** Samples before the sound, of Opus. */
  private readonly skipped: number = 0;
  /** Most samples in a packet. */
  private readonly longest: number;
  private sequence: number;
  private headers: number;
  private first: number | undefined;
  private last = 0;
  private samples = 0;
  /** Of the packet that goes on on the next page. */
  private unfinished = 0;
  private ended = false;
  private whole: boolean;

  constructor(
    page: Page,
    readonly codec: OggCodec,
  ) {
    const view = new DataView(page.body.buffer, page.body.byteOffset, page.body.byteLength);
    this.sequence = page.sequence;
    const { name } = codec;
    this.whole = view.byteLength >= (name === 'Opus' ? 19 : name === 'Vorbis' ? 30 : 51);
    this.rate = OPUS_RATE;
    this.longest = 0;
    this.headers = name === 'FLAC' ? 0 : name === 'Vorbis' ? 2 : 1;
    if (!this.whole) return;
    if (name === 'Opus') this.skipped = view.getUint16(10, true);
    else if (name === 'Vorbis') {
      this.rate = view.getUint32(12, true);
      this.longest = 2 ** (view.getUint8(28) >> 4);
    } else {
      // After the mapping's 9 bytes: "fLaC", a block header, STREAMINFO.
      this.headers = view.getUint16(7);
      this.longest = view.getUint16(19);
      this.rate = view.getUint32(27) >>> 12;
    }
  }

  add(page: Page): void {
    if (page.sequence !== this.sequence + 1) this.whole = false;
    this.sequence = page.sequence;
    if (page.endsStream) this.ended = true;
    let packets = 0;
    let at = 0;
    let begins = page.continuesPacket ? this.unfinished : opusSamples(page.body);
    for (const length of page.segments) {
      at += length;
      if (length === 255) continue;
      if (this.headers > 0) this.headers--;
      else {
        packets++;
        this.samples += begins;
      }
      begins = opusSamples(page.body.subarray(at));
    }
    this.unfinished = begins;
    if (page.granule < 0 || packets === 0) return;
    // The position of a recording of a broadcast does not begin at 0.
    if (this.first === undefined && page.granule > packets * this.longest && this.codec.name !== 'Opus')
      this.whole = false;
    this.first ??= page.granule - this.samples;
    this.last = page.granule;
  }

  /** NaN where pages are missing. */
  seconds(): number {
    if (!this.whole) return Number.NaN;
    if (this.codec.name !== 'Opus') return this.last / this.rate;
    const promised = this.ended ? this.last - Math.max(0, this.first ?? 0) : Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min(this.samples, promised) - this.skipped) / this.rate;
  }
}

/** Samples of a packet at 48 kHz, by its first bytes (RFC 6716, 3.1). */
function opusSamples(packet: Uint8Array): number {
  if (packet.length === 0) return 0;
  const [toc, count = 0] = [packet[0]!, packet[1]];
  const config = toc >> 3;
  const milliseconds =
    config < 12
      ? [10, 20, 40, 60][config & 3]!
      : config < 16
        ? [10, 20][config & 1]!
        : [2.5, 5, 10, 20][config & 3]!;
  const frames = (toc & 3) === 0 ? 1 : (toc & 3) < 3 ? 2 : count & 63;
  return frames * milliseconds * 48;
}
