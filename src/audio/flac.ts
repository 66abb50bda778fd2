/** FLAC, decoded by libFLAC. */
import { decoder as libFlac } from '@audio/decode-flac';
import type { AudioDecoder } from './decoder.ts';
import type { FileBytes } from './file-bytes.ts';
import { joinBytes } from './join-bytes.ts';
import { joinSamples } from './join-samples.ts';

/** Longest header of a FLAC frame: sync word, flags, number, block size, rate, checksum. */
const LONGEST_FLAC_HEADER = 16;

/**
 * FLAC, where what may be the beginning of a frame header waits for the next block. @audio/decode-flac 1.3.5 overlooks
 * a header that lies across two blocks (about every thousandth block of 64 KiB); from then on each frame comes one call
 * late, and the last one, a quarter of a second at 16 kHz, is lost.
 */
export async function flacDecoder(): Promise<AudioDecoder> {
  const decoder = await libFlac();
  let waiting = new Uint8Array(0);
  return {
    decode(chunk) {
      const bytes = joinBytes([waiting, chunk]);
      let end = Math.max(0, bytes.length - LONGEST_FLAC_HEADER);
      while (end < bytes.length && !(bytes[end] === 0xff && ((bytes[end + 1] ?? 0xf8) & 0xfe) === 0xf8))
        end++;
      waiting = bytes.slice(end);
      return decoder.decode(bytes.subarray(0, end));
    },
    flush() {
      const [last, rest] = [decoder.decode(waiting), decoder.flush()];
      if (last.channelData.length === 0) return rest;
      if (rest.channelData.length === 0) return last;
      return {
        ...last,
        channelData: last.channelData.map((part, i) => joinSamples([part, rest.channelData[i]!])),
      };
    },
    free: () => decoder.free(),
  };
}

/** Tail that is searched for the last frame; frames are seldom longer than 16 KiB. */
const TAIL_BYTES = 128 * 1024;

/** Seconds that decoding gives; undefined where only decoding can tell: the last frame must be where the header says. */
export async function flacDuration(file: FileBytes): Promise<number | undefined> {
  const head = await file.read(0, 42);
  if (head.length < 42 || (head[4]! & 127) !== 0) return undefined;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const blockSize = view.getUint16(8);
  const rate = view.getUint32(18) >>> 12;
  const total = (head[21]! & 15) * 2 ** 32 + view.getUint32(22);
  if (total === 0 || rate === 0) return undefined;
  const tail = await file.read(Math.max(0, file.size - TAIL_BYTES), TAIL_BYTES);
  for (let at = tail.length - 8; at >= 0; at--) {
    if (tail[at] !== 0xff || (tail[at + 1]! & 0xfe) !== 0xf8) continue;
    if (lastSample(tail, at, blockSize) !== total || checksum16(tail.subarray(at)) !== 0) continue;
    return total / rate;
  }
  return undefined;
}

/** Samples up to the end of the frame whose header begins at `at`. */
function lastSample(bytes: Uint8Array, at: number, blockSize: number): number | undefined {
  const first = bytes[at + 4]!;
  // Coded like UTF-8, up to 7 bytes.
  const more = first < 0x80 ? 0 : Math.clz32(~(first << 24)) - 1;
  if (more < 0 || first === 0xff) return undefined;
  let number = first < 0x80 ? first : first & (0x3f >> more);
  for (let i = 1; i <= more; i++) number = number * 64 + ((bytes[at + 4 + i] ?? 0) & 63);
  const sizeAt = at + 5 + more;
  const code = bytes[at + 2]! >> 4;
  const explicit = code === 6 ? bytes[sizeAt]! : (bytes[sizeAt]! << 8) | bytes[sizeAt + 1]!;
  const samples =
    code === 1 ? 192 : code < 6 ? 576 << (code - 2) : code < 8 ? explicit + 1 : 256 << (code - 8);
  const variable = (bytes[at + 1]! & 1) === 1;
  return (variable ? number : number * blockSize) + samples;
}

/** CRC-16 of polynomial 0x8005: 0 over a whole frame. */
function checksum16(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) sum = sum & 0x8000 ? ((sum << 1) ^ 0x8005) & 0xffff : sum << 1;
  }
  return sum;
}
