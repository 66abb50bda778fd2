/**
 * mpg123 in WebAssembly. An instance takes 17 MB, and as long to make as some seconds of sound take to decode, so that one is
 * used for many files: its memory is made again what it was before the first.
 */
import { decoder as newDecoder } from '@audio/decode-mp3';
import { silently } from './decoder.ts';

export interface Mpg123 {
  /** Decodes the next frames. @returns left and right, equal where the sound is mono */
  decode(frames: Uint8Array): { channelData: Float32Array[]; sampleRate: number };
  free(): void;
}

interface Instance {
  readonly decoder: Awaited<ReturnType<typeof newDecoder>>;
  /** All of its memory, and what stood in the part that was in use before it decoded. */
  readonly memory: Uint8Array;
  readonly fresh: Uint8Array;
}

/** Instances that wait for the next file. */
const idle: Instance[] = [];
/** As many as decode at the same time, in most uses. */
const MAX_IDLE = 4;

/** A decoder of one stream. */
export async function mpg123(): Promise<Mpg123> {
  const instance = idle.pop() ?? (await newInstance());
  const { decoder, memory, fresh } = instance;
  let isWhole = true;
  return {
    decode(frames) {
      isWhole = false;
      const decoded = silently(() => decoder.decode(frames));
      isWhole = true;
      return decoded;
    },
    free() {
      // After a trap, calls that were not finished stand on its stack.
      if (isWhole && fresh.length > 0 && idle.length < MAX_IDLE) {
        memory.set(fresh);
        idle.push(instance);
      } else decoder.free();
      isWhole = false;
    },
  };
}

async function newInstance(): Promise<Instance> {
  const decoder = await newDecoder();
  // Not part of its interface: without it, each file gets an instance.
  const { _common: inside } = decoder as { _common?: { wasm?: { HEAP?: ArrayBuffer } } };
  const memory = new Uint8Array(inside?.wasm?.HEAP ?? new ArrayBuffer(0));
  const words = new Float64Array(memory.buffer);
  return { decoder, memory, fresh: memory.slice(0, 8 * (words.findLastIndex((word) => word !== 0) + 1)) };
}
