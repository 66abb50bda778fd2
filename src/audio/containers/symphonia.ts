/** Symphonia's decoders of single packets, in WebAssembly (codecs/symphonia.wasm; built by scripts/symphonia). */
import { readFileSync } from 'node:fs';
import type { DecodedBlock } from '../decoder.ts';

/** The places are the numbers in scripts/symphonia/src/lib.rs. PCM: signed unless u8, LE little-endian. */
const CODECS = [
  'aac',
  'alac',
  'vorbis',
  'flac',
  'mp3',
  'mp2',
  'u8',
  's8',
  's16le',
  's16be',
  's24le',
  's24be',
  's32le',
  's32be',
  'f32le',
  'f32be',
  'f64le',
  'f64be',
  'alaw',
  'mulaw',
] as const;

export type SymphoniaCodec = (typeof CODECS)[number];

export function isSymphoniaCodec(codec: string): codec is SymphoniaCodec {
  return (CODECS as readonly string[]).includes(codec);
}

export interface PacketDecoder {
  /** @throws Error for a packet that does not decode; the next one may */
  decode(packet: Uint8Array): DecodedBlock;
  free(): void;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  input(bytes: number): number;
  open(codec: number, rate: number, channels: number): number;
  decode(): number;
  samples(): number;
  channels(): number;
  rate(): number;
  message(): number;
  message_bytes(): number;
}

let compiled: WebAssembly.Module | undefined;

/**
 * @param config the codec's private data: AudioSpecificConfig, ALAC's magic cookie, FLAC's STREAMINFO, Vorbis' headers
 * @throws Error that says what is wrong with it
 */
export function symphoniaDecoder(
  codec: SymphoniaCodec,
  config: Uint8Array,
  rate: number,
  channels: number,
): PacketDecoder {
  compiled ??= new WebAssembly.Module(
    readFileSync(new URL('../../../codecs/symphonia.wasm', import.meta.url)),
  );
  const module = compiled;
  // An instance has at most 64 MiB, and none survives a trap.
  const open = () => {
    const wasm = new WebAssembly.Instance(module, {}).exports as unknown as Exports;
    write(wasm, config);
    if (wasm.open(CODECS.indexOf(codec), rate, channels) < 0) throw new Error(message(wasm));
    return wasm;
  };
  let wasm = open();
  return {
    decode(packet) {
      let frames: number;
      try {
        write(wasm, packet);
        frames = wasm.decode();
      } catch {
        wasm = open();
        throw new Error('a damaged packet');
      }
      if (frames < 0) throw new Error(message(wasm));
      const at = wasm.samples();
      const channelData = Array.from({ length: frames === 0 ? 0 : wasm.channels() }, (_, i) =>
        new Float32Array(wasm.memory.buffer, at + i * frames * 4, frames).slice(),
      );
      return { channelData, sampleRate: wasm.rate() };
    },
    free() {},
  };
}

function write(wasm: Exports, bytes: Uint8Array): void {
  const at = wasm.input(bytes.length);
  new Uint8Array(wasm.memory.buffer, at, bytes.length).set(bytes);
}

function message(wasm: Exports): string {
  const bytes = new Uint8Array(wasm.memory.buffer, wasm.message(), wasm.message_bytes());
  return Buffer.from(bytes).toString('utf8');
}
