/** Encoder outputs as records of the cache: float16, or int8 with a scale for each frame. */
import { float32ToFloat16 } from '../half-precision.ts';
import { type EncodedClip, frameValues } from '../whisper/encoded-clip.ts';
import { ABOUT_BYTES } from './shards.ts';

export const CACHE_DTYPES = ['float16', 'int8'] as const;
export type CacheDtype = (typeof CACHE_DTYPES)[number];

export type EncodedShape = Omit<EncodedClip, 'frames'>;

/** What is stored of a clip, and the clip as it will be read. */
export interface EncodedRecord {
  readonly about: Buffer;
  readonly payload: Uint8Array;
  readonly clip: EncodedClip;
}

/**
 * float16: the values, [window, width]. int8: scales, float32 [window], then the values over the scale of their frame, int8
 * [window, width]; a frame's largest magnitude is 127.
 */
export function encodedRecord(clip: EncodedClip, dtype: CacheDtype): EncodedRecord {
  const { window, length, width } = clip;
  const about = Buffer.alloc(ABOUT_BYTES);
  [window, length, width, CACHE_DTYPES.indexOf(dtype)].forEach((value, i) => {
    about.writeUInt32LE(value, 4 * i);
  });
  if (dtype === 'float16') {
    const frames = clip.frames instanceof Uint16Array ? clip.frames : float32ToFloat16(clip.frames);
    return { about, payload: bytesOf(frames), clip: { ...clip, frames } };
  }
  const payload = quantized(frameValues(clip), window, width);
  return { about, payload, clip: { ...clip, frames: dequantized(payload, window, width) } };
}

/** The shape of a stored clip. */
export function encodedShape(about: Buffer): EncodedShape {
  const [window, length, width] = [0, 4, 8].map((place) => about.readUInt32LE(place)) as [
    number,
    number,
    number,
  ];
  return { window, length, width };
}

/** Undefined where the payload is not of that shape. */
export function encodedClip({ about, payload }: { about: Buffer; payload: Buffer }): EncodedClip | undefined {
  const shape = encodedShape(about);
  const { window, width } = shape;
  const dtype = CACHE_DTYPES[about.readUInt32LE(12)];
  if (payload.length !== (dtype === 'int8' ? window * (4 + width) : 2 * window * width)) return undefined;
  const frames =
    dtype === 'int8'
      ? dequantized(payload, window, width)
      : new Uint16Array(payload.buffer, payload.byteOffset, window * width);
  return { ...shape, frames };
}

/** Bytes that a clip's outputs take on disk, without the header. */
export const encodedBytes = (window: number, width: number, dtype: CacheDtype): number =>
  dtype === 'int8' ? window * (4 + width) : 2 * window * width;

const bytesOf = (values: NodeJS.ArrayBufferView): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function quantized(values: Float32Array, window: number, width: number): Uint8Array {
  const bytes = new ArrayBuffer(window * (4 + width));
  const scales = new Float32Array(bytes, 0, window);
  const rounded = new Int8Array(bytes, 4 * window);
  for (let frame = 0; frame < window; frame++) {
    const from = frame * width;
    let most = 0;
    for (let i = from; i < from + width; i++) most = Math.max(most, Math.abs(values[i]!));
    scales[frame] = most / 127;
    const scale = scales[frame]! || 1;
    for (let i = from; i < from + width; i++) {
      rounded[i] = Math.max(-127, Math.min(127, Math.round(values[i]! / scale)));
    }
  }
  return new Uint8Array(bytes);
}

function dequantized(bytes: Uint8Array, window: number, width: number): Float32Array {
  const scales = new Float32Array(bytes.buffer, bytes.byteOffset, window);
  const rounded = new Int8Array(bytes.buffer, bytes.byteOffset + 4 * window, window * width);
  const values = new Float32Array(window * width);
  for (let i = 0; i < values.length; i++) values[i] = rounded[i]! * scales[Math.floor(i / width)]!;
  return values;
}
