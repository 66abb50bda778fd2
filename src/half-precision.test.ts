import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import about from './checkpoint/golden/half.json' with { type: 'json' };
import {
  bfloat16ToFloat32,
  firstNonFinite,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat16,
} from './half-precision.ts';

// NumPy's and PyTorch's results; see the script that half.json names for the layout.
const { buffer } = new Uint8Array(await readFile(new URL('./checkpoint/golden/half.bin', import.meta.url)));
const widenedBits = new Uint32Array(buffer, 0, 65_536);
const numbers = new Float32Array(buffer, 4 * 65_536, about.count);
const halves = new Uint16Array(buffer, 4 * (65_536 + about.count), about.count);
const brains = new Uint16Array(buffer, 4 * (65_536 + about.count) + 2 * about.count, about.count);
const everyHalf = Uint16Array.from({ length: 65_536 }, (_, bits) => bits);

test('every float16 widens to the float32 that NumPy gives', () => {
  const values = float16ToFloat32(everyHalf);
  const bits = new Uint32Array(values.buffer);
  const wrong = everyHalf.filter((half) => {
    const isNumber = (half & 0x7fff) <= 0x7c00;
    return isNumber ? bits[half] !== widenedBits[half] : !Number.isNaN(values[half]);
  });
  expect([...wrong]).toEqual([]);
});

test('float32 rounds to float16 and bfloat16 as NumPy and PyTorch do, ties and subnormals included', () => {
  expect(float32ToFloat16(numbers)).toEqual(halves);
  expect(float32ToBfloat16(numbers)).toEqual(brains);
});

test('NaN stays NaN in both half types', () => {
  // 0x7f800001: a NaN whose bits would be rounded away, to infinity
  const nan = new Float32Array(new Uint32Array([0x7f80_0001, 0xffc0_0000]).buffer);
  expect([...float16ToFloat32(float32ToFloat16(nan))]).toEqual([Number.NaN, Number.NaN]);
  expect([...bfloat16ToFloat32(float32ToBfloat16(nan))]).toEqual([Number.NaN, Number.NaN]);
});

test('widening in the last half of the target gives what widening from elsewhere gives', () => {
  for (const widen of [float16ToFloat32, bfloat16ToFloat32]) {
    const target = new Float32Array(halves.length);
    const tail = new Uint16Array(target.buffer, target.byteLength - halves.byteLength);
    tail.set(halves);
    expect(widen(tail, target)).toEqual(widen(halves));
  }
});

test('the first value that is not finite is found', () => {
  expect(firstNonFinite(new Float32Array([1, -2, 3e38, 1e-45]))).toBe(-1);
  expect(firstNonFinite(new Float32Array([1, Number.NaN, 0]))).toBe(1);
  expect(firstNonFinite(new Float32Array([0, 0, Number.NEGATIVE_INFINITY]))).toBe(2);
});
