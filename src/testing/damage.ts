/** Damages bytes at random, the same for a seed. */
import { below, sfc32 } from '../random.ts';

/** Bytes that stand for limits in many formats. */
const LIMITS = [0, 1, 0x7f, 0x80, 0xff];

/** The bytes with some of them changed, doubled, left out or exchanged, or cut off. */
export function damaged(bytes: Uint8Array, seed: number): Buffer {
  const random = sfc32(seed);
  let found = Buffer.from(bytes);
  for (let times = 1 + below(4, random); times > 0 && found.length > 0; times--) {
    const at = below(found.length, random);
    const length = Math.min(found.length - at, 1 + below(below(2, random) === 0 ? 4 : 200, random));
    const [before, piece, after] = [
      found.subarray(0, at),
      found.subarray(at, at + length),
      found.subarray(at + length),
    ];
    switch (below(7, random)) {
      case 0:
        found = Buffer.concat([before, after]);
        break;
      case 1:
        found = Buffer.concat([before, piece, piece, after]);
        break;
      case 2:
        found = Buffer.from(before);
        break;
      case 3: {
        const to = below(before.length + 1, random);
        found = Buffer.concat([before.subarray(0, to), piece, before.subarray(to), after]);
        break;
      }
      case 4:
        found = Buffer.from(found).fill(LIMITS[below(LIMITS.length, random)]!, at, at + length);
        break;
      case 5:
        found = Buffer.from(found);
        found[at] = found[at]! ^ (1 << below(8, random));
        break;
      default:
        found = Buffer.from(found);
        for (let i = at; i < at + length; i++) found[i] = below(256, random);
    }
  }
  return found;
}
