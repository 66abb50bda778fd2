/**
 * MP3 of free format, whose headers do not say a bit rate: its frames are made into those of the highest bit rate, as mpg123 in
 * WebAssembly does not find the next one and other decoders refuse them.
 */

/** 320 kbit/s of MPEG 1, 160 of 2 and 2.5: the index of the highest bit rate. */
const HIGHEST = 14;
/** Bytes that a frame may take from those before it. */
const RESERVOIR = 511;

export interface FreeFrame {
  readonly bytes: Uint8Array;
  /** 1, 2 or 2.5 */
  readonly version: number;
  readonly layer: number;
  readonly channels: number;
  readonly protectedByChecksum: boolean;
  /** Present in the first frame of a file that holds facts instead of sound. */
  readonly info?: object | undefined;
}

/** A function that turns one frame after the other. @param lengthOf bytes of a frame with such a header */
export function freeFormatConverter(
  lengthOf: (header: Uint8Array) => number,
): (frame: FreeFrame) => Uint8Array {
  let reservoir: Uint8Array = new Uint8Array(0);
  return ({ bytes, version, layer, channels, protectedByChecksum, info }) => {
    if (layer !== 3) throw new Error('free format of another layer than III');
    const first = version === 1;
    const sideBytes = first ? (channels === 1 ? 17 : 32) : channels === 1 ? 9 : 17;
    const sideAt = protectedByChecksum ? 6 : 4;
    const side = new Uint8Array(bytes.subarray(sideAt, sideAt + sideBytes));
    const bits = (at: number, count: number) => {
      let value = 0;
      for (let i = at; i < at + count; i++) value = value * 2 + (((side[i >> 3] ?? 0) >> (7 - (i & 7))) & 1);
      return value;
    };
    const begin = bits(0, first ? 9 : 8);
    // Private bits and, of MPEG 1, the factors that granules share; then a part for each granule and channel.
    const partsAt = first ? (channels === 1 ? 18 : 20) : channels === 1 ? 9 : 10;
    let used = 0;
    for (let part = 0; part < channels * (first ? 2 : 1); part++) {
      used += bits(partsAt + part * (first ? 59 : 63), 12);
    }
    const own = bytes.subarray(sideAt + sideBytes);
    const data = new Uint8Array(begin + own.length);
    data.set(
      reservoir.subarray(Math.max(0, reservoir.length - begin)),
      Math.max(0, begin - reservoir.length),
    );
    data.set(own, begin);
    reservoir = new Uint8Array([...reservoir.subarray(-RESERVOIR), ...own]).slice(-RESERVOIR);
    // No checksum, no padding, and all of its data in the frame itself.
    const header = Uint8Array.of(0xff, bytes[1]! | 1, (bytes[2]! & 0x0c) | (HIGHEST << 4), bytes[3]!);
    side[0] = 0;
    if (first) side[1]! &= 127;
    const frame = new Uint8Array(lengthOf(header));
    frame.set(header);
    frame.set(side, 4);
    if (info) frame.set(own.subarray(0, frame.length - 4 - sideBytes), 4 + sideBytes);
    if (info) return frame;
    const needed = data.subarray(0, Math.ceil(used / 8));
    if (4 + sideBytes + needed.length > frame.length) {
      throw new Error('frames of free format beyond the highest bit rate of other MP3');
    }
    frame.set(needed, 4 + sideBytes);
    return frame;
  };
}
