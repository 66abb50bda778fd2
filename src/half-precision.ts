/**
 * float16 and bfloat16 to float32 and back. JavaScript on Node 20 has no Float16Array; Uint16Array holds the bits.
 */

/** The float32 bits of every float16, because a look-up is several times quicker than taking each one apart. */
const FLOAT16_TO_FLOAT32_BITS = buildFloat16Table();

function buildFloat16Table(): Uint32Array {
  const bits = new Uint32Array(65_536);
  const number = new Float32Array(1);
  const numberBits = new Uint32Array(number.buffer);
  for (let half = 0; half < 65_536; half++) {
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    const sign = (half & 0x8000) << 16;
    if (exponent === 0) {
      number[0] = fraction * 2 ** -24; // zero and subnormals
      bits[half] = sign | numberBits[0]!;
    } else if (exponent === 0x1f) {
      bits[half] = sign | 0x7f80_0000 | (fraction << 13); // infinities and NaN
    } else {
      bits[half] = sign | ((exponent + 112) << 23) | (fraction << 13);
    }
  }
  return bits;
}

function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/**
 * float16 bits → float32, exactly. `source` may be the last half of `target`'s own memory: each value is read
 * before the memory it lies in is written, so a file can be read and widened in one buffer.
 */
export function float16ToFloat32(
  source: Uint16Array,
  target: Float32Array = new Float32Array(source.length),
): Float32Array {
  const table = FLOAT16_TO_FLOAT32_BITS;
  const bits = bitsOf(target);
  const count = source.length;
  for (let i = 0; i < count; i++) bits[i] = table[source[i]!]!;
  return target;
}

/** bfloat16 bits → float32, exactly. `source` may be the last half of `target`'s own memory. */
export function bfloat16ToFloat32(
  source: Uint16Array,
  target: Float32Array = new Float32Array(source.length),
): Float32Array {
  const bits = bitsOf(target);
  const count = source.length;
  for (let i = 0; i < count; i++) bits[i] = source[i]! << 16;
  return target;
}

/**
 * float32 → float16 bits, to nearest and ties to even, like IEEE 754 and NumPy. Values from 65,520 on become
 * infinite.
 */
export function float32ToFloat16(
  source: Float32Array,
  target: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  const bits = bitsOf(source);
  const count = bits.length;
  for (let i = 0; i < count; i++) {
    const word = bits[i]!;
    const magnitude = word & 0x7fff_ffff;
    let half: number;
    if (magnitude >= 0x4780_0000) {
      half = magnitude > 0x7f80_0000 ? 0x7e00 : 0x7c00; // NaN; 65,536 and above
    } else if (magnitude >= 0x3880_0000) {
      // Normal. A carry out of the fraction moves into the exponent, which is the right result.
      half = ((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13) - (112 << 10);
    } else if (magnitude > 0x3300_0000) {
      const fraction = (magnitude & 0x7f_ffff) | 0x80_0000;
      const shift = 126 - (magnitude >>> 23); // 14 … 24: the subnormal's unit is 2^-24
      half = (fraction + (1 << (shift - 1)) - 1 + ((fraction >>> shift) & 1)) >>> shift;
    } else {
      half = 0; // 2^-25 is a tie between 0 and the smallest subnormal, and 0 is even
    }
    target[i] = half | ((word >>> 16) & 0x8000);
  }
  return target;
}

/** float32 → bfloat16 bits, to nearest and ties to even. */
export function float32ToBfloat16(
  source: Float32Array,
  target: Uint16Array = new Uint16Array(source.length),
): Uint16Array {
  const bits = bitsOf(source);
  const count = bits.length;
  for (let i = 0; i < count; i++) {
    const word = bits[i]!;
    const notNumber = (word & 0x7fff_ffff) > 0x7f80_0000;
    target[i] = notNumber ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return target;
}

/** Position of the first NaN or infinity, or -1. */
export function firstNonFinite(values: Float32Array): number {
  const bits = bitsOf(values);
  const count = bits.length;
  for (let i = 0; i < count; i++) if ((bits[i]! & 0x7f80_0000) === 0x7f80_0000) return i;
  return -1;
}
