/**
 * The sound of MP4, M4A, MOV and 3GP files (ISO 14496-12, QuickTime), whole or in fragments, with their edit lists.
 *
 * Own code: mediabunny 1.61 reads damaged files without end and does not read ALAC; Symphonia 0.6 overlooks edit lists,
 * reads PCM sample by sample and refuses files without `ftyp`.
 */
import type { FileBytes } from '../file-bytes.ts';
import { coreOfAac, readEsDescriptor } from './aac-config.ts';
import { EVERYTHING, NoSoundError, type Packet, type Track } from './track.ts';
import { textOf, viewOf, Window } from './window.ts';

interface Box {
  readonly type: string;
  readonly at: number;
  readonly body: Uint8Array;
}

interface Samples {
  /** Bytes of each sample, or of all. */
  readonly sizes: Uint32Array | number;
  readonly count: number;
  /** Pairs of a number of samples and the duration of each. */
  readonly durations: DataView;
  /** Triples of the first chunk, samples a chunk, and the description. */
  readonly chunks: DataView;
  readonly offsets: Float64Array;
}

interface Sound {
  readonly id: number;
  readonly enabled: boolean;
  readonly timescale: number;
  readonly duration: number;
  readonly edits: readonly { readonly length: number; readonly start: number; readonly rate: number }[];
  readonly codec: string;
  readonly config: Uint8Array;
  readonly sampleRate: number;
  readonly channels: number;
  /** Bytes of a sample of all channels of PCM. */
  readonly frameBytes: number;
  readonly samples: Samples | undefined;
}

/** Boxes behind the index that are looked at for another file. */
const MAX_BOXES = 64;
/** Frames of PCM in a packet. */
const PCM_FRAMES = 4096;

export async function openMp4(file: FileBytes): Promise<Track> {
  const window = new Window(file);
  let movie: Uint8Array | undefined;
  let joined = false;
  for (let at = 0, behind = 0; at < file.size && behind < MAX_BOXES; ) {
    const box = await boxAt(window, at);
    if (!box) break;
    if (box.type === 'moov') {
      joined = movie !== undefined;
      movie ??= (await window.bytes(box.body, box.end - box.body)).slice();
    }
    // Fragments follow, of which there may be thousands.
    if (joined || (movie && box.type === 'moof')) break;
    if (movie) behind++;
    at = box.end;
  }
  if (!movie) throw new NoSoundError('an MP4 file without its index (moov): its recording was cut off');
  const sounds = soundsOf(movie);
  const sound =
    sounds.find(({ enabled, codec }) => enabled && !isForeign(codec)) ??
    sounds.find(({ codec }) => !isForeign(codec)) ??
    sounds[0];
  if (!sound) throw new NoSoundError('an MP4 file without sound');
  const movieScale = movieTimescale(movie);
  const fragmented = childOf(movie, 'mvex') !== undefined;
  // The length of fragments stands in each, and an index may name more than the file has.
  const isWhole = !fragmented && sound.samples !== undefined && endOf(sound.samples) <= file.size;
  const claimed = !fragmented && sound.samples && sound.timescale > 0 ? sound.duration / sound.timescale : 0;
  const missing = { cut: false };
  const { spans, silence } = heard(sound, movieScale, movie);
  const promised = claimed > 0 ? lengthOf(spans, silence, claimed) : 0;
  return {
    codec: sound.codec,
    config: sound.config,
    sampleRate: sound.sampleRate,
    channels: sound.channels,
    spans,
    silence,
    seconds: isWhole && promised > 0 ? promised : undefined,
    packets: () => packetsOf(window, sound, movie!, fragmented, missing),
    missing: () => ({ ...missing, joined, promised: isWhole ? undefined : promised }),
  };
}

/** Length of what is heard of `seconds` of media. */
function lengthOf(spans: Track['spans'], silence: number, seconds: number): number {
  return spans.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, seconds) - from), silence);
}

function isForeign(codec: string): boolean {
  return codec.startsWith('?');
}

async function boxAt(
  window: Window,
  at: number,
): Promise<{ type: string; body: number; end: number } | undefined> {
  const head = await window.bytes(at, 16);
  if (head.length < 8) return undefined;
  const view = viewOf(head);
  const type = textOf(head.subarray(4, 8));
  let size = view.getUint32(0);
  let body = at + 8;
  if (size === 1) {
    if (head.length < 16) return undefined;
    size = view.getUint32(8) * 2 ** 32 + view.getUint32(12);
    body = at + 16;
  } else if (size === 0) size = window.size - at;
  if (at + size < body) return undefined;
  return { type, body, end: Math.min(at + size, window.size) };
}

function* boxesIn(bytes: Uint8Array, from = 0): Generator<Box> {
  const view = viewOf(bytes);
  for (let at = from; at + 8 <= bytes.length; ) {
    let size = view.getUint32(at);
    let header = 8;
    if (size === 1 && at + 16 <= bytes.length) {
      size = view.getUint32(at + 8) * 2 ** 32 + view.getUint32(at + 12);
      header = 16;
    } else if (size === 0) size = bytes.length - at;
    if (size < header) return;
    const end = Math.min(at + size, bytes.length);
    yield { type: textOf(bytes.subarray(at + 4, at + 8)), at, body: bytes.subarray(at + header, end) };
    at = end;
  }
}

function childOf(bytes: Uint8Array, ...path: readonly string[]): Uint8Array | undefined {
  let body: Uint8Array | undefined = bytes;
  for (const type of path) {
    let found: Uint8Array | undefined;
    for (const box of boxesIn(body)) {
      if (box.type !== type) continue;
      found = box.body;
      break;
    }
    if (!found) return undefined;
    body = found;
  }
  return body;
}

/** Numbers of a box, 0 beyond its end. */
function numbers(body: Uint8Array) {
  const view = viewOf(body);
  const u16 = (at: number) => (at + 2 <= body.length ? view.getUint16(at) : 0);
  const u32 = (at: number) => (at + 4 <= body.length ? view.getUint32(at) : 0);
  const i32 = (at: number) => (at + 4 <= body.length ? view.getInt32(at) : 0);
  const u64 = (at: number) => u32(at) * 2 ** 32 + u32(at + 4);
  const i64 = (at: number) => i32(at) * 2 ** 32 + u32(at + 4);
  return { view, u16, u32, i32, u64, i64 };
}

function movieTimescale(movie: Uint8Array): number {
  const header = childOf(movie, 'mvhd');
  if (!header) return 0;
  return numbers(header).u32(header[0] === 1 ? 20 : 12);
}

function soundsOf(movie: Uint8Array): Sound[] {
  const sounds: Sound[] = [];
  for (const { type, body } of boxesIn(movie)) {
    if (type !== 'trak') continue;
    const handler = childOf(body, 'mdia', 'hdlr');
    if (!handler || textOf(handler.subarray(8, 12)) !== 'soun') continue;
    const header = childOf(body, 'tkhd');
    const media = childOf(body, 'mdia', 'mdhd');
    const table = childOf(body, 'mdia', 'minf', 'stbl');
    const description = table && childOf(table, 'stsd');
    if (!header || !media || !table || !description) continue;
    const { u32, u64 } = numbers(media);
    const long = media[0] === 1;
    const samples = samplesOf(table);
    const total = samples ? durationOf(samples) : 0;
    sounds.push({
      id: numbers(header).u32(header[0] === 1 ? 20 : 12),
      enabled: ((header[3] ?? 0) & 1) === 1,
      timescale: u32(long ? 20 : 12),
      duration: total || (long ? u64(24) : u32(16)),
      edits: editsOf(childOf(body, 'edts', 'elst')),
      samples,
      ...describe(description),
    });
  }
  return sounds;
}

function editsOf(list: Uint8Array | undefined): Sound['edits'] {
  if (!list) return [];
  const { u16, u32, i32, u64, i64 } = numbers(list);
  const long = list[0] === 1;
  const step = long ? 20 : 12;
  const count = Math.min(u32(4), Math.floor((list.length - 8) / step));
  return Array.from({ length: Math.max(0, count) }, (_, i) => {
    const at = 8 + i * step;
    return long
      ? { length: u64(at), start: i64(at + 8), rate: u16(at + 16) }
      : { length: u32(at), start: i32(at + 4), rate: u16(at + 8) };
  });
}

/** What is heard: by the edit list, else by the comment in which iTunes keeps it, else by Opus' own header. */
function heard(sound: Sound, movieScale: number, movie: Uint8Array): Pick<Track, 'spans' | 'silence'> {
  const { timescale, edits, codec, config } = sound;
  const scaled = timescale > 0 && movieScale > 0;
  let silence = 0;
  const spans: { from: number; to: number }[] = [];
  for (const { length, start } of scaled ? edits : []) {
    if (start < 0) {
      if (spans.length === 0) silence += length / movieScale;
      continue;
    }
    const from = start / timescale;
    // Of a file in fragments the length is not known when its head is written: 0.
    const to = length === 0 ? Number.POSITIVE_INFINITY : from + length / movieScale;
    if (from < (spans.at(-1)?.to ?? 0)) break;
    spans.push({ from, to });
  }
  if (spans.length > 0) return { spans, silence };
  const comment = /iTunSMPB[\s\S]{0,64}? 0{8} ([0-9A-F]{8}) ([0-9A-F]{8}) ([0-9A-F]{16})/.exec(textOf(movie));
  if (comment && timescale > 0) {
    const [delay, , length] = comment.slice(1).map((hex) => Number.parseInt(hex, 16));
    const from = delay! / timescale;
    if (length! > 0) return { spans: [{ from, to: from + length! / timescale }], silence };
  }
  if (codec === 'opus') {
    const skipped = config.length >= 12 ? viewOf(config).getUint16(10, true) / 48_000 : 0;
    return { spans: [{ from: skipped, to: Number.POSITIVE_INFINITY }], silence };
  }
  return { spans: EVERYTHING, silence };
}

type Description = Pick<Sound, 'codec' | 'config' | 'sampleRate' | 'channels' | 'frameBytes'>;

function describe(description: Uint8Array): Description {
  const entry = [...boxesIn(description, 8)][0];
  if (!entry)
    return { codec: '?unknown', config: new Uint8Array(0), sampleRate: 0, channels: 0, frameBytes: 0 };
  const { body } = entry;
  const { u16, u32, view } = numbers(body);
  const version = u16(8);
  let channels = u16(16);
  let bits = u16(18);
  let sampleRate = u32(24) / 65_536;
  let flags = 0;
  let extra = 28;
  if (version === 1) {
    extra = 44;
  } else if (version === 2 && body.length >= 64) {
    sampleRate = view.getFloat64(32);
    channels = u32(40);
    bits = u32(48);
    flags = u32(52);
    extra = 64;
  }
  const children = [...boxesIn(body, extra)];
  // QuickTime keeps what belongs to the codec in a box of its own; a writer may say version 1 and mean 0.
  const nested = children.flatMap(({ type, body: inner }) => (type === 'wave' ? [...boxesIn(inner)] : []));
  const child = (type: string) => [...nested, ...children].find((box) => box.type === type)?.body;
  const common = { sampleRate, channels, frameBytes: 0, config: new Uint8Array(0) };
  const pcm = (codec: string, bytes: number): Description => ({
    ...common,
    codec,
    frameBytes: bytes * channels,
  });
  const little = child('enda')?.[1] === 1;
  switch (entry.type) {
    case 'mp4a': {
      const es = child('esds');
      const stream = es && readEsDescriptor(es.subarray(4));
      if (!stream) return { ...common, codec: '?MPEG-4 audio without its configuration' };
      const { objectType, config } = stream;
      if (objectType === 0x69 || objectType === 0x6b) return { ...common, codec: 'mp3' };
      if (objectType === 0x40 || (objectType >= 0x66 && objectType <= 0x68)) {
        const core = coreOfAac(config);
        if (typeof core === 'string') return { ...common, codec: `?${core}` };
        return {
          ...common,
          codec: 'aac',
          config: core.config,
          sampleRate: core.rate,
          channels: core.channels,
        };
      }
      return {
        ...common,
        codec: `?${OBJECT_TYPES.get(objectType) ?? `MPEG-4 audio 0x${objectType.toString(16)}`}`,
      };
    }
    case '.mp3':
    case 'mp3 ':
    case 'ms\0U':
      return { ...common, codec: 'mp3' };
    case 'alac': {
      const cookie = child('alac')?.slice(4);
      return {
        ...common,
        codec: cookie ? 'alac' : '?ALAC without its configuration',
        config: cookie ?? common.config,
      };
    }
    case 'Opus': {
      const specific = child('dOps');
      return { ...common, codec: 'opus', config: opusHead(specific, channels) };
    }
    case 'fLaC': {
      const blocks = child('dfLa');
      return {
        ...common,
        codec: blocks ? 'flac' : '?FLAC without its configuration',
        config: (blocks ?? common.config).slice(8, 42),
      };
    }
    case 'alaw':
      return pcm('alaw', 1);
    case 'ulaw':
      return pcm('mulaw', 1);
    case 'sowt':
      return pcm(bits === 8 ? 's8' : 's16le', bits === 8 ? 1 : 2);
    case 'twos':
    case 'NONE':
      return bits === 8 ? pcm(entry.type === 'twos' ? 's8' : 'u8', 1) : pcm('s16be', 2);
    case 'raw ':
      return pcm('u8', 1);
    case 'in24':
      return pcm(little ? 's24le' : 's24be', 3);
    case 'in32':
      return pcm(little ? 's32le' : 's32be', 4);
    case 'fl32':
      return pcm(little ? 'f32le' : 'f32be', 4);
    case 'fl64':
      return pcm(little ? 'f64le' : 'f64be', 8);
    case 'ipcm':
    case 'fpcm': {
      const specific = child('pcmC');
      const order = ((specific?.[4] ?? 0) & 1) === 1;
      return linear(specific?.[5] ?? bits, entry.type === 'fpcm', order, channels, common);
    }
    case 'lpcm':
      return linear(bits, (flags & 1) === 1, (flags & 2) === 0, channels, common);
    case 'enca':
      return { ...common, codec: '?encrypted sound' };
    default:
      return {
        ...common,
        codec: `?${SAMPLE_ENTRIES.get(entry.type) ?? `"${entry.type.replace(/[^ -~]/g, '.')}"`}`,
      };
  }
}

/** PCM by its width and byte order, as `codec` names it. */
function linear(
  bits: number,
  float: boolean,
  little: boolean,
  channels: number,
  common: Omit<Description, 'codec'>,
): Description {
  const bytes = bits / 8;
  const codec = bytes === 1 ? 's8' : `${float ? 'f' : 's'}${bits}${little ? 'le' : 'be'}`;
  const known = float ? bytes === 4 || bytes === 8 : bytes >= 1 && bytes <= 4 && Number.isInteger(bytes);
  return { ...common, codec: known ? codec : `?PCM of ${bits} bits`, frameBytes: bytes * channels };
}

const OBJECT_TYPES: ReadonlyMap<number, string> = new Map([
  [0xa5, 'AC-3'],
  [0xa6, 'E-AC-3'],
  [0xa9, 'DTS'],
  [0xac, 'DTS'],
  [0xdd, 'Vorbis'],
  [0xe1, 'QCELP'],
]);
const SAMPLE_ENTRIES: ReadonlyMap<string, string> = new Map([
  ['ac-3', 'AC-3'],
  ['ec-3', 'E-AC-3'],
  ['ac-4', 'AC-4'],
  ['dtsc', 'DTS'],
  ['dtsh', 'DTS'],
  ['dtsl', 'DTS'],
  ['dtse', 'DTS'],
  ['samr', 'AMR'],
  ['sawb', 'AMR-WB'],
  ['ima4', 'IMA ADPCM'],
  ['QDM2', 'QDesign'],
  ['agsm', 'GSM'],
  ['sqcp', 'QCELP'],
  ['mha1', 'MPEG-H'],
  ['mhm1', 'MPEG-H'],
]);

/** OpusHead, little-endian, of the box dOps, big-endian. */
function opusHead(specific: Uint8Array | undefined, channels: number): Uint8Array {
  const head = new Uint8Array(19 + Math.max(0, (specific?.length ?? 0) - 11));
  head.set(Buffer.from('OpusHead\x01', 'latin1'));
  const view = viewOf(head);
  head[9] = specific?.[1] ?? channels;
  if (!specific || specific.length < 11) return head;
  const { u16, u32 } = numbers(specific);
  view.setUint16(10, u16(2), true);
  view.setUint32(12, u32(4), true);
  view.setUint16(16, u16(8), true);
  head.set(specific.subarray(10), 18);
  return head;
}

function samplesOf(table: Uint8Array): Samples | undefined {
  const [stsz, stz2, stts, stsc, stco, co64] = ['stsz', 'stz2', 'stts', 'stsc', 'stco', 'co64'].map((type) =>
    childOf(table, type),
  );
  const sizes = stsz ?? stz2;
  const places = stco ?? co64;
  if (!sizes || !stts || !stsc || !places) return undefined;
  const { u32 } = numbers(sizes);
  const width = stsz ? 32 : (sizes[7] ?? 32);
  const constant = stsz ? u32(4) : 0;
  const claimed = u32(8);
  const listed = Math.min(claimed, Math.floor(((sizes.length - 12) * 8) / width));
  const sizeAt = (i: number) => {
    if (width === 32) return u32(12 + i * 4);
    if (width === 16) return numbers(sizes).u16(12 + i * 2);
    return width === 8 ? sizes[12 + i]! : (sizes[12 + (i >> 1)]! >> (i % 2 === 0 ? 4 : 0)) & 15;
  };
  const place = numbers(places);
  const step = stco ? 4 : 8;
  const chunks = Math.min(place.u32(4), Math.floor((places.length - 8) / step));
  const rows = (body: Uint8Array, bytes: number) =>
    viewOf(
      body.subarray(8, 8 + bytes * Math.min(numbers(body).u32(4), Math.floor((body.length - 8) / bytes))),
    );
  return {
    sizes: constant > 0 ? constant : Uint32Array.from({ length: Math.max(0, listed) }, (_, i) => sizeAt(i)),
    count: constant > 0 ? claimed : Math.max(0, listed),
    durations: rows(stts, 8),
    chunks: rows(stsc, 12),
    offsets: Float64Array.from({ length: Math.max(0, chunks) }, (_, i) =>
      stco ? place.u32(8 + i * step) : place.u64(8 + i * step),
    ),
  };
}

/** Least size of a file that has all samples. */
function endOf({ sizes, count, offsets }: Samples): number {
  const bytes = typeof sizes === 'number' ? sizes * count : sizes.reduce((sum, size) => sum + size, 0);
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const offset of offsets) [first, last] = [Math.min(first, offset), Math.max(last, offset)];
  return Math.max(first + bytes, last);
}

function durationOf({ durations }: Samples): number {
  let total = 0;
  for (let at = 0; at + 8 <= durations.byteLength; at += 8) {
    total += durations.getUint32(at) * durations.getUint32(at + 4);
  }
  return total;
}

async function* packetsOf(
  window: Window,
  sound: Sound,
  movie: Uint8Array,
  fragmented: boolean,
  missing: { cut: boolean },
): AsyncGenerator<Packet> {
  if (sound.samples) yield* indexedPackets(window, sound, sound.samples);
  if (fragmented) yield* fragmentPackets(window, sound, movie, missing);
}

async function* indexedPackets(window: Window, sound: Sound, samples: Samples): AsyncGenerator<Packet> {
  const { sizes, count, durations, chunks, offsets } = samples;
  // What a damaged index may claim ends with as many bytes as the file has.
  let left = window.size;
  let [sample, ticks, row, used] = [0, 0, 0, 0];
  const advance = (by: number) => {
    for (let rest = by; rest > 0; ) {
      if (row + 8 > durations.byteLength) return;
      const step = Math.min(rest, durations.getUint32(row) - used);
      ticks += step * durations.getUint32(row + 4);
      used += step;
      rest -= step;
      if (used >= durations.getUint32(row)) [row, used] = [row + 8, 0];
    }
  };
  const time = () => (sound.timescale > 0 ? ticks / sound.timescale : undefined);
  let entry = 0;
  for (let chunk = 0; chunk < offsets.length && sample < count; chunk++) {
    while (entry + 24 <= chunks.byteLength && chunks.getUint32(entry + 12) <= chunk + 1) entry += 12;
    if (entry + 12 > chunks.byteLength) return;
    const inChunk = Math.min(chunks.getUint32(entry + 4), count - sample);
    let at = offsets[chunk]!;
    if (sound.frameBytes > 0) {
      // Of PCM a sample is a frame of a few bytes, whatever size is claimed.
      const perSample =
        typeof sizes === 'number' ? 1 : Math.max(1, Math.round((sizes[sample] ?? 0) / sound.frameBytes));
      const total = inChunk * perSample;
      for (let done = 0; done < total && left > 0; done += PCM_FRAMES) {
        const frames = Math.min(PCM_FRAMES, total - done);
        const data = await window.bytes(at, frames * sound.frameBytes);
        if (data.length === 0) return;
        left -= data.length;
        yield { data };
        at += frames * sound.frameBytes;
      }
      sample += inChunk;
      continue;
    }
    for (let i = 0; i < inChunk; i++, sample++) {
      const size = typeof sizes === 'number' ? sizes : sizes[sample]!;
      left -= Math.max(1, size);
      if (left < 0) return;
      const data = await window.bytes(at, size);
      if (data.length > 0) yield { data, time: time() };
      advance(1);
      at += size;
    }
  }
}

async function* fragmentPackets(
  window: Window,
  sound: Sound,
  movie: Uint8Array,
  missing: { cut: boolean },
): AsyncGenerator<Packet> {
  let defaults = { duration: 0, size: 0 };
  for (const { type, body } of boxesIn(childOf(movie, 'mvex') ?? new Uint8Array(0))) {
    if (type !== 'trex' || numbers(body).u32(4) !== sound.id) continue;
    defaults = { duration: numbers(body).u32(12), size: numbers(body).u32(16) };
  }
  let left = window.size;
  let ticks = 0;
  for (let at = 0; at < window.size; ) {
    const box = await boxAt(window, at);
    if (!box) return;
    if (box.type === 'moof') {
      const moof = (await window.bytes(box.body, box.end - box.body)).slice();
      // Where a run says no place it follows the one before, of whichever track.
      let next = box.end + 8;
      for (const { type, body } of boxesIn(moof)) {
        if (type !== 'traf') continue;
        const header = childOf(body, 'tfhd');
        if (!header) continue;
        const { u32, u64 } = numbers(header);
        const flags = u32(0) & 0xffffff;
        let field = 8;
        let base = at;
        if (flags & 1) {
          base = u64(field);
          field += 8;
        }
        if (flags & 2) field += 4;
        let { duration, size } = defaults;
        if (flags & 8) {
          duration = u32(field);
          field += 4;
        }
        if (flags & 16) size = u32(field);
        const isOurs = u32(4) === sound.id;
        const decodeTime = childOf(body, 'tfdt');
        if (isOurs && decodeTime) {
          ticks = decodeTime[0] === 1 ? numbers(decodeTime).u64(4) : numbers(decodeTime).u32(4);
        }
        for (const run of boxesIn(body)) {
          if (run.type !== 'trun') continue;
          const read = numbers(run.body);
          const kind = read.u32(0) & 0xffffff;
          let cursor = 8;
          if (kind & 1) {
            next = base + read.i32(cursor);
            cursor += 4;
          }
          if (kind & 4) cursor += 4;
          const width = [0x100, 0x200, 0x400, 0x800].filter((bit) => kind & bit).length * 4;
          const claimed = read.u32(4);
          const count =
            width > 0 ? Math.min(claimed, Math.floor((run.body.length - cursor) / width)) : claimed;
          for (let i = 0; i < count; i++) {
            let [length, bytes, column] = [duration, size, cursor + i * width];
            if (kind & 0x100) {
              length = read.u32(column);
              column += 4;
            }
            if (kind & 0x200) bytes = read.u32(column);
            if (isOurs) {
              left -= Math.max(1, bytes);
              if (left < 0) return;
              const data = await window.bytes(next, bytes);
              missing.cut = data.length < bytes;
              if (data.length > 0)
                yield sound.frameBytes > 0
                  ? { data }
                  : { data, time: sound.timescale > 0 ? ticks / sound.timescale : undefined };
              ticks += length;
            } else if (width === 0 && i === 0) {
              next += bytes * (count - 1);
              i = count;
            }
            next += bytes;
          }
        }
      }
    }
    at = box.end;
  }
}
