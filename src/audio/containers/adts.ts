/** Raw AAC: frames with ADTS headers (ISO 13818-7, 6.2). */
import type { FileBytes } from '../file-bytes.ts';
import { aacConfig, aacRate } from './aac-config.ts';
import { EVERYTHING, NoSoundError, type Packet, type Track } from './track.ts';
import { Window } from './window.ts';

/** Bytes without a frame after which the rest is given up. */
const MAX_GAP = 64 * 1024;

/** The layer is 0, which no MP3 has. */
export function isAdts(head: Uint8Array): boolean {
  return headerOf(head) !== undefined;
}

function headerOf(head: Uint8Array) {
  if (head.length < 7 || head[0] !== 0xff || (head[1]! & 0xf6) !== 0xf0) return undefined;
  const header = (head[1]! & 1) === 1 ? 7 : 9;
  const rate = aacRate((head[2]! >> 2) & 15);
  const length = ((head[3]! & 3) << 11) | (head[4]! << 3) | (head[5]! >> 5);
  if (rate === 0 || length <= header) return undefined;
  return { header, length, rate, profile: head[2]! >> 6, channels: ((head[2]! & 1) << 2) | (head[3]! >> 6) };
}

export async function openAdts(file: FileBytes): Promise<Track> {
  const window = new Window(file);
  const found = { damaged: 0, cut: false };
  const first = headerOf(await window.bytes(0, 7));
  if (!first) throw new NoSoundError('AAC without a frame');
  const { rate, profile, channels } = first;
  const foreign =
    profile !== 1
      ? '?AAC of another profile than LC'
      : channels < 1
        ? '?AAC whose channels stand in its frames'
        : '';
  return {
    codec: foreign || 'aac',
    config: foreign ? new Uint8Array(0) : aacConfig(rate, channels),
    sampleRate: rate,
    channels,
    spans: EVERYTHING,
    silence: 0,
    packets: () => frames(window, found),
    missing: () => found,
  };
}

async function* frames(window: Window, missing: { damaged: number; cut: boolean }): AsyncGenerator<Packet> {
  for (let at = 0, gap = 0; at < window.size && gap < MAX_GAP; ) {
    const found = headerOf(await window.bytes(at, 7));
    if (!found) {
      at++;
      gap++;
      continue;
    }
    if (gap > 0) missing.damaged++;
    gap = 0;
    const frame = await window.bytes(at, found.length);
    at += found.length;
    missing.cut = frame.length < found.length;
    if (frame.length > found.header) yield { data: frame.subarray(found.header) };
  }
}
