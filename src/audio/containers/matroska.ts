/**
 * The sound of WebM and Matroska files (RFC 9559), also of recordings whose sizes and length were never filled in.
 *
 * Elements are read one after the other, whatever contains them, so a damaged or unknown size of a cluster is of no
 * consequence; after bytes that are no element the next cluster is looked for.
 *
 * Own code: mediabunny 1.61 reads some damaged files without end; Symphonia 0.6 does not undo compressed headers and
 * gives up where a size is wrong.
 */
import { inflateSync } from 'node:zlib';
import type { FileBytes } from '../file-bytes.ts';
import { joinBytes } from '../join-bytes.ts';
import { coreOfAac } from './aac-config.ts';
import { EVERYTHING, NoSoundError, type Packet, type Track } from './track.ts';
import { textOf, viewOf, Window } from './window.ts';

const EBML = 0x1a45dfa3;
const SEGMENT = 0x18538067;
const INFO = 0x1549a966;
const TRACKS = 0x1654ae6b;
const CLUSTER = 0x1f43b675;
const TIMESTAMP = 0xe7;
const SIMPLE_BLOCK = 0xa3;
const BLOCK_GROUP = 0xa0;
const BLOCK = 0xa1;
const DISCARD_PADDING = 0x75a2;
/** What may follow a cluster, or stand in one, and is passed over by its size. */
const OTHERS = new Set([
  0x114d9b74, 0x1c53bb6b, 0x1254c367, 0x1043a770, 0x1941a469, 0xec, 0xbf, 0xa7, 0xab, 0x5854, 0xaf,
]);
/** Longest packet of sound with its lacing; blocks of pictures are not read. */
const MAX_BLOCK = 4 * 2 ** 20;
/** Longest id and size of an element. */
const LONGEST_HEAD = 12;
/** Bytes that are searched for the next cluster after damage, in pieces. */
const SEARCH_BYTES = 64 * 1024;

interface Element {
  readonly id: number;
  readonly body: number;
  /** Undefined: unknown until the next element that cannot be in it. */
  readonly size: number | undefined;
}

interface Sound {
  readonly number: number;
  readonly isDefault: boolean;
  readonly codec: string;
  readonly config: Uint8Array;
  readonly sampleRate: number;
  readonly channels: number;
  /** Seconds that the codec needs before its first sound. */
  readonly delay: number;
  readonly restore: (data: Uint8Array) => Uint8Array;
}

export async function openMatroska(file: FileBytes): Promise<Track> {
  const window = new Window(file);
  let scale = 1_000_000;
  let duration: number | undefined;
  let sounds: Sound[] | undefined;
  let first = 0;
  let [isCut, joined] = [false, false];
  for (let at = 0; at < file.size; ) {
    const element = await elementAt(window, at);
    if (!element) break;
    const { id, body, size } = element;
    if (id === CLUSTER) {
      first = at;
      if (sounds) break;
      at = size === undefined ? body : body + size;
      continue;
    }
    if (id === SEGMENT && size !== undefined) {
      if (body + size > file.size) isCut = true;
      else joined = body + size < file.size && (await elementAt(window, body + size))?.id === EBML;
    }
    if (id === SEGMENT || size === undefined) {
      at = body;
      continue;
    }
    if (id === INFO) {
      for (const child of childrenOf(await window.bytes(body, size))) {
        if (child.id === 0x2ad7b1) scale = unsigned(child.data) || scale;
        if (child.id === 0x4489) duration = float(child.data);
      }
    }
    if (id === TRACKS) {
      sounds = childrenOf((await window.bytes(body, size)).slice()).flatMap(({ id: entry, data }) =>
        entry === 0xae ? (readTrack(data) ?? []) : [],
      );
    }
    at = body + size;
  }
  if (!sounds) throw new NoSoundError('a WebM or Matroska file without a list of tracks: it was cut off');
  const readable = sounds.filter(({ codec }) => !codec.startsWith('?'));
  const sound = readable.find(({ isDefault }) => isDefault) ?? readable[0] ?? sounds[0];
  if (!sound) throw new NoSoundError('a WebM or Matroska file without sound');
  const missing = { damaged: 0, cut: false, lost: false };
  const promised =
    duration !== undefined && duration > 0 ? (duration * scale) / 1e9 - sound.delay : undefined;
  return {
    codec: sound.codec,
    config: sound.config,
    sampleRate: sound.sampleRate,
    channels: sound.channels,
    spans: sound.delay > 0 ? [{ from: sound.delay, to: Number.POSITIVE_INFINITY }] : EVERYTHING,
    silence: 0,
    seconds: isCut || joined ? undefined : promised,
    packets: () => packetsOf(window, sound, scale / 1e9, first, missing),
    // The length is that of the picture, too: a sound that ends before it is whole.
    missing: () => ({ ...missing, promised: isCut || missing.lost ? promised : undefined }),
  };
}

async function elementAt(window: Window, at: number): Promise<Element | undefined> {
  const head = await window.bytes(at, LONGEST_HEAD);
  const id = idOf(head, 0);
  if (!id) return undefined;
  const size = sizeOf(head, id.length);
  if (!size) return undefined;
  return { id: id.value, body: at + id.length + size.length, size: size.value };
}

function idOf(bytes: Uint8Array, at: number): { value: number; length: number } | undefined {
  const length = Math.clz32(bytes[at] ?? 0) - 23;
  if (length > 4 || at + length > bytes.length) return undefined;
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + bytes[at + i]!;
  return { value, length };
}

function sizeOf(bytes: Uint8Array, at: number): { value: number | undefined; length: number } | undefined {
  const first = bytes[at] ?? 0;
  const length = Math.clz32(first) - 23;
  if (length > 8 || at + length > bytes.length) return undefined;
  let value = first & (0xff >> length);
  let unknown = value === 0xff >> length;
  for (let i = 1; i < length; i++) {
    unknown &&= bytes[at + i] === 255;
    value = value * 256 + bytes[at + i]!;
  }
  return { value: unknown ? undefined : value, length };
}

function childrenOf(bytes: Uint8Array): { id: number; data: Uint8Array }[] {
  const children: { id: number; data: Uint8Array }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const id = idOf(bytes, at);
    const size = id && sizeOf(bytes, at + id.length);
    if (!id || !size) break;
    const from = at + id.length + size.length;
    const to = Math.min(bytes.length, from + (size.value ?? bytes.length));
    children.push({ id: id.value, data: bytes.subarray(from, to) });
    at = to;
  }
  return children;
}

function unsigned(data: Uint8Array): number {
  return data.subarray(0, 8).reduce((value, byte) => value * 256 + byte, 0);
}

function signed(data: Uint8Array): number {
  const value = unsigned(data);
  return data.length > 0 && data[0]! >= 128 ? value - 2 ** (8 * Math.min(8, data.length)) : value;
}

function float(data: Uint8Array): number {
  const view = viewOf(data);
  return data.length === 8 ? view.getFloat64(0) : data.length === 4 ? view.getFloat32(0) : 0;
}

/** @returns undefined for a track that is not sound */
function readTrack(entry: Uint8Array): Sound | undefined {
  const children = childrenOf(entry);
  const find = (id: number) => children.find((child) => child.id === id)?.data;
  const number = (id: number, otherwise: number) => {
    const data = find(id);
    return data ? unsigned(data) : otherwise;
  };
  if (number(0x83, 0) !== 2) return undefined;
  const audio = childrenOf(find(0xe1) ?? new Uint8Array(0));
  const field = (id: number) => audio.find((child) => child.id === id)?.data;
  const name = textOf(find(0x86) ?? new Uint8Array(0)).replace(/\0+$/, '');
  const sampleRate = float(field(0xb5) ?? new Uint8Array(0)) || 8000;
  const channels = unsigned(field(0x9f) ?? Uint8Array.of(1));
  const bits = unsigned(field(0x6264) ?? new Uint8Array(0));
  const restore = restorer(find(0x6d80));
  const described = describe(name, find(0x63a2) ?? new Uint8Array(0), bits);
  const { config } = described;
  // Chromium's recordings leave the delay to Opus' own header.
  const preSkip =
    described.codec === 'opus' && config.length >= 12 ? viewOf(config).getUint16(10, true) / 48_000 : 0;
  return {
    number: number(0xd7, 0),
    isDefault: number(0x88, 1) === 1 && number(0xb9, 1) === 1,
    sampleRate,
    channels,
    ...described,
    codec: restore ? described.codec : '?encrypted or unusually compressed sound',
    delay: number(0x56aa, 0) / 1e9 || preSkip,
    restore: restore ?? ((data) => data),
  };
}

function describe(
  name: string,
  config: Uint8Array,
  bits: number,
): { codec: string; config: Uint8Array; sampleRate?: number; channels?: number } {
  if (name === 'A_OPUS' || name === 'A_OPUS/EXPERIMENTAL') return { codec: 'opus', config };
  if (name === 'A_VORBIS') return { codec: 'vorbis', config: vorbisHeaders(config) };
  if (name === 'A_FLAC') return { codec: 'flac', config: config.slice(8, 42) };
  if (name === 'A_MPEG/L3') return { codec: 'mp3', config: new Uint8Array(0) };
  if (name === 'A_MPEG/L2') return { codec: 'mp2', config: new Uint8Array(0) };
  if (name === 'A_ALAC') return { codec: 'alac', config };
  if (name === 'A_AAC') {
    const core = coreOfAac(config);
    if (typeof core === 'string') return { codec: `?${core}`, config };
    return { codec: 'aac', config: core.config, sampleRate: core.rate, channels: core.channels };
  }
  const pcm = new Uint8Array(0);
  if (name === 'A_PCM/INT/LIT') return { codec: bits === 8 ? 'u8' : `s${bits}le`, config: pcm };
  if (name === 'A_PCM/INT/BIG') return { codec: bits === 8 ? 'u8' : `s${bits}be`, config: pcm };
  if (name === 'A_PCM/FLOAT/IEEE') return { codec: `f${bits}le`, config: pcm };
  return { codec: `?${name.replace(/^A_/, '').replace(/[^ -~]/g, '.')}`, config };
}

/** The headers of identification and setup, of three with Xiph's lacing. */
function vorbisHeaders(config: Uint8Array): Uint8Array {
  let at = 1;
  const lengths = [0, 0];
  for (let i = 0; i < 2; i++) {
    let byte: number;
    do {
      byte = config[at++] ?? 0;
      lengths[i]! += byte;
    } while (byte === 255);
  }
  const setup = at + lengths[0]! + lengths[1]!;
  return joinBytes([config.subarray(at, at + lengths[0]!), config.subarray(setup)]);
}

/** Undoes the compression of packets; undefined where it is of another kind, or encryption. */
function restorer(encodings: Uint8Array | undefined): ((data: Uint8Array) => Uint8Array) | undefined {
  if (!encodings) return (data) => data;
  const list = childrenOf(encodings).filter(({ id }) => id === 0x6240);
  if (list.length !== 1) return list.length === 0 ? (data) => data : undefined;
  const children = childrenOf(list[0]!.data);
  const find = (id: number) => children.find((child) => child.id === id)?.data;
  if ((unsigned(find(0x5032) ?? Uint8Array.of(1)) & 1) === 0) return (data) => data;
  if (unsigned(find(0x5033) ?? new Uint8Array(0)) !== 0) return undefined;
  const compression = childrenOf(find(0x5034) ?? new Uint8Array(0));
  const method = unsigned(compression.find(({ id }) => id === 0x4254)?.data ?? new Uint8Array(0));
  const stripped = compression.find(({ id }) => id === 0x4255)?.data ?? new Uint8Array(0);
  if (method === 3) return (data) => joinBytes([stripped, data]);
  return method === 0 ? (data) => inflateSync(data, { maxOutputLength: MAX_BLOCK }) : undefined;
}

async function* packetsOf(
  window: Window,
  sound: Sound,
  tick: number,
  start: number,
  missing: { damaged: number; cut: boolean; lost: boolean },
): AsyncGenerator<Packet> {
  let cluster = 0;
  for (let at = start; at < window.size; ) {
    const element = await elementAt(window, at);
    const id = element?.id ?? 0;
    const size = element?.size;
    const descends = id === CLUSTER || id === SEGMENT;
    const isLeaf = id === TIMESTAMP || id === SIMPLE_BLOCK || id === BLOCK_GROUP;
    const known = descends || isLeaf || OTHERS.has(id) || id === INFO || id === TRACKS || id === EBML;
    if (!element || !known || (size === undefined && !descends)) {
      const next = await clusterAfter(window, at);
      if (next === undefined) {
        missing.cut = at + LONGEST_HEAD > window.size;
        missing.lost = !missing.cut;
        return;
      }
      missing.damaged++;
      at = next;
      continue;
    }
    if (descends) {
      at = element.body;
      continue;
    }
    if (id === TIMESTAMP) cluster = unsigned(await window.bytes(element.body, Math.min(8, size!)));
    else if (id === SIMPLE_BLOCK) {
      const block = await blockOf(window, element.body, size!, sound.number);
      if (block) yield* framesOf(block, sound, cluster, tick, 0);
    } else if (id === BLOCK_GROUP) {
      // A group of a picture may be long; the number of its track stands at its beginning.
      const inner = await elementAt(window, element.body);
      const isOurs = inner?.id !== BLOCK || (await trackAt(window, inner.body)) === sound.number;
      if (isOurs && size! <= MAX_BLOCK) {
        const children = childrenOf((await window.bytes(element.body, size!)).slice());
        const block = children.find((child) => child.id === BLOCK)?.data;
        const padding = children.find((child) => child.id === DISCARD_PADDING)?.data;
        const number = block && sizeOf(block, 0);
        if (block && number?.value === sound.number) {
          yield* framesOf(block, sound, cluster, tick, padding ? signed(padding) / 1e9 : 0);
        }
      }
    }
    at = element.body + size!;
    missing.cut = at > window.size;
  }
}

async function trackAt(window: Window, at: number): Promise<number | undefined> {
  return sizeOf(await window.bytes(at, 8), 0)?.value;
}

async function blockOf(
  window: Window,
  at: number,
  size: number,
  track: number,
): Promise<Uint8Array | undefined> {
  if (size > MAX_BLOCK || (await trackAt(window, at)) !== track) return undefined;
  return (await window.bytes(at, size)).slice();
}

/** Where the next cluster begins after a byte that is no element. */
async function clusterAfter(window: Window, from: number): Promise<number | undefined> {
  for (let at = from + 1; at < window.size; at += SEARCH_BYTES - 3) {
    const found = Buffer.from(await window.bytes(at, SEARCH_BYTES)).indexOf('\x1f\x43\xb6\x75', 0, 'latin1');
    if (found >= 0) return at + found;
  }
  return undefined;
}

/** The packets of a block: one, or several with a lacing (RFC 9559, 10.3). */
function* framesOf(
  block: Uint8Array,
  sound: Sound,
  cluster: number,
  tick: number,
  padding: number,
): Generator<Packet> {
  const track = sizeOf(block, 0);
  if (!track || block.length < track.length + 4) return;
  const view = viewOf(block);
  const time = (cluster + view.getInt16(track.length)) * tick;
  const lacing = (block[track.length + 2]! >> 1) & 3;
  let at = track.length + 3;
  const frames: Uint8Array[] = [];
  if (lacing === 0) frames.push(block.subarray(at));
  else {
    const count = (block[at++] ?? 0) + 1;
    const sizes: number[] = [];
    if (lacing === 2) {
      for (let i = 0; i < count; i++) sizes.push(Math.floor((block.length - at) / count));
    } else {
      for (let i = 0; i < count - 1; i++) {
        if (lacing === 1) {
          let [size, byte] = [0, 0];
          do {
            byte = block[at++] ?? 0;
            size += byte;
          } while (byte === 255);
          sizes.push(size);
        } else {
          const read = sizeOf(block, at);
          if (!read || read.value === undefined) return;
          at += read.length;
          sizes.push(i === 0 ? read.value : sizes[i - 1]! + read.value - (2 ** (7 * read.length - 1) - 1));
        }
      }
      sizes.push(block.length - at - sizes.reduce((sum, size) => sum + size, 0));
    }
    for (const size of sizes) {
      if (size < 0 || at + size > block.length) return;
      frames.push(block.subarray(at, at + size));
      at += size;
    }
  }
  for (const [i, frame] of frames.entries()) {
    let data: Uint8Array;
    try {
      data = sound.restore(frame);
    } catch {
      continue;
    }
    yield {
      data,
      time: i === 0 ? time : undefined,
      padding: i === frames.length - 1 && padding > 0 ? padding : undefined,
    };
  }
}
