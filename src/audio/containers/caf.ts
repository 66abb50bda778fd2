/** The sound of CAF files (Apple's Core Audio Format specification 1.0). */
import type { FileBytes } from '../file-bytes.ts';
import { coreOfAac, readEsDescriptor } from './aac-config.ts';
import { EVERYTHING, NoSoundError, type Packet, type Track } from './track.ts';
import { textOf, viewOf, Window } from './window.ts';

/** Bytes of PCM in a packet, about. */
const PCM_BYTES = 16 * 1024;

export async function openCaf(file: FileBytes): Promise<Track> {
  const window = new Window(file);
  let description: DataView | undefined;
  let cookie: Uint8Array = new Uint8Array(0);
  let table: Uint8Array | undefined;
  let [isCut, joined] = [false, false];
  let data: { at: number; size: number; claimed: number } | undefined;
  for (let at = 8; at + 12 <= file.size; ) {
    const head = await window.bytes(at, 12);
    const type = textOf(head.subarray(0, 4));
    if (type === 'caff') {
      joined = true;
      break;
    }
    const body = at + 12;
    const claimed = Number(viewOf(head).getBigInt64(4));
    // -1: to the end of the file.
    const size = claimed < 0 ? file.size - body : Math.min(claimed, file.size - body);
    if (claimed > size) isCut = true;
    if (type === 'data') data = { at: body + 4, size: Math.max(0, size - 4), claimed: claimed - 4 };
    else if (type === 'desc') description = viewOf((await window.bytes(body, size)).slice());
    else if (type === 'kuki') cookie = (await window.bytes(body, size)).slice();
    else if (type === 'pakt') table = (await window.bytes(body, size)).slice();
    at = body + size;
  }
  if (!description || description.byteLength < 32 || !data) {
    throw new NoSoundError('a CAF file without a description of its sound, or without sound');
  }
  const sampleRate = description.getFloat64(0);
  const format = textOf(new Uint8Array(description.buffer, 8, 4));
  const flags = description.getUint32(12);
  const packetBytes = description.getUint32(16);
  const packetFrames = description.getUint32(20);
  const channels = description.getUint32(24);
  const bits = description.getUint32(28);
  const { codec, ...described } = describe(format, cookie, flags, bits, channels, sampleRate);
  const isPcm = format === 'lpcm' || format === 'alaw' || format === 'ulaw';
  if (!isPcm && packetBytes === 0 && !table) {
    throw new NoSoundError('a CAF file without its table of packets (pakt): its recording was cut off');
  }
  const frameBytes = packetBytes || (Math.ceil(bits / 8) || 1) * channels;
  // Number of packets, valid frames, frames before them, frames after them.
  const view = table && table.length >= 24 ? viewOf(table) : undefined;
  const valid = view ? Number(view.getBigInt64(8)) : 0;
  const priming = view ? Math.max(0, view.getInt32(16)) : 0;
  const spans =
    !isPcm && valid > 0 && sampleRate > 0
      ? [{ from: priming / sampleRate, to: (priming + valid) / sampleRate }]
      : EVERYTHING;
  const { at, size, claimed } = data;
  return {
    codec,
    config: new Uint8Array(0),
    sampleRate,
    channels,
    ...described,
    spans,
    silence: 0,
    seconds:
      isPcm && sampleRate > 0
        ? Math.floor(size / frameBytes) / sampleRate
        : // Writers that know nothing of either count whole packets.
          !isCut && valid > 0 && sampleRate > 0 && (priming > 0 || view!.getInt32(20) > 0)
          ? valid / sampleRate
          : undefined,
    missing: () =>
      isCut && sampleRate > 0
        ? { promised: (isPcm ? Math.floor(claimed / frameBytes) : valid) / sampleRate, cut: true }
        : { joined },
    packets: isPcm
      ? () => pieces(window, at, size, Math.max(1, Math.floor(PCM_BYTES / frameBytes)) * frameBytes)
      : packetBytes > 0
        ? () => pieces(window, at, size, packetBytes)
        : () => packets(window, at, size, table ?? new Uint8Array(0), packetFrames === 0),
  };
}

function describe(
  format: string,
  cookie: Uint8Array,
  flags: number,
  bits: number,
  channels: number,
  rate: number,
): { codec: string; config?: Uint8Array; sampleRate?: number; channels?: number } {
  switch (format) {
    case 'lpcm': {
      const float = (flags & 1) !== 0;
      if (bits === 8 && !float) return { codec: 's8' };
      return { codec: `${float ? 'f' : 's'}${Math.ceil(bits / 8) * 8}${flags & 2 ? 'le' : 'be'}` };
    }
    case 'alaw':
      return { codec: 'alaw' };
    case 'ulaw':
      return { codec: 'mulaw' };
    case 'alac':
      return { codec: cookie.length >= 24 ? 'alac' : '?ALAC without its configuration', config: cookie };
    case '.mp3':
      return { codec: 'mp3' };
    case '.mp2':
      return { codec: 'mp2' };
    case 'opus':
      return { codec: 'opus', config: cookie };
    case 'aac ':
    case 'aach':
    case 'aacp': {
      const core = coreOfAac(readEsDescriptor(cookie)?.config ?? cookie);
      if (typeof core === 'string') return { codec: `?${core}` };
      return { codec: 'aac', config: core.config, sampleRate: core.rate, channels: core.channels };
    }
    default:
      return {
        codec: `?${format === 'ima4' ? 'IMA ADPCM' : `"${format.replace(/[^ -~]/g, '.')}"`} (${channels} × ${rate} Hz)`,
      };
  }
}

async function* pieces(window: Window, from: number, size: number, length: number): AsyncGenerator<Packet> {
  for (let at = from; at < from + size; at += length) {
    const data = await window.bytes(at, Math.min(length, from + size - at));
    if (data.length === 0) return;
    yield { data };
  }
}

/** Packets whose lengths stand in the table, as numbers of 7 bits a byte. */
async function* packets(
  window: Window,
  from: number,
  size: number,
  table: Uint8Array,
  framesVary: boolean,
): AsyncGenerator<Packet> {
  let place = 24;
  const next = () => {
    let value = 0;
    for (let i = 0; i < 5; i++) {
      const byte = table[place++] ?? 0;
      value = value * 128 + (byte & 127);
      if (byte < 128) break;
    }
    return value;
  };
  let at = from;
  while (place < table.length && at < from + size) {
    const length = next();
    if (framesVary) next();
    if (length === 0) continue;
    yield { data: await window.bytes(at, Math.min(length, from + size - at)) };
    at += length;
  }
}
