/** Files that hold samples behind a header: WAV and its relatives, AIFF, AU, SPHERE. */
import { type AudioDecoder, type Decoded, NO_SOUND, type SampleLayout } from './decoder.ts';
import { joinBytes } from './join-bytes.ts';

/** What a header says. */
export interface SampleData {
  /** Bytes of samples from here on; Infinity: to the end of the file. */
  readonly bytes: number;
  readonly decoder: SampleDecoder;
}

export interface SampleDecoder extends AudioDecoder {
  /** Seconds in this number of bytes, where that can be told. */
  secondsIn?(bytes: number): number;
  /** Of samples that are decoded one by one: the bytes of one of all channels. */
  readonly frame?: { readonly bytes: number; readonly sampleRate: number } | undefined;
}

/** Reads a header from bytes that come in pieces: it yields until there are more. @throws Error that says what is wrong */
export type HeaderReader = (input: HeaderInput) => Generator<undefined, SampleData>;

/** The bytes of a header, in order. */
export class HeaderInput {
  private pieces: Uint8Array[] = [];
  private held = 0;
  private ended = false;
  /** Whether bytes were brought back: they do not stand at `position`. */
  isMoved = false;
  /** Of the next byte in the file. */
  position = 0;

  /** @param fileBytes size of the whole file, Infinity where it is not known */
  constructor(readonly fileBytes: number) {}

  push(chunk: Uint8Array): void {
    this.pieces.push(chunk);
    this.held += chunk.length;
  }

  end(): void {
    this.ended = true;
  }

  /** The next bytes, fewer at the end of the file. */
  *peek(length: number): Generator<undefined, DataView> {
    while (this.held < length && !this.ended && this.position + this.held < this.fileBytes) yield;
    const { buffer, byteOffset, byteLength } = this.joined();
    return new DataView(buffer, byteOffset, Math.min(length, byteLength));
  }

  *take(length: number): Generator<undefined, DataView> {
    const view = yield* this.peek(length);
    if (view.byteLength < length) throw new Error('cut off before its samples');
    this.drop(length);
    return view;
  }

  *skip(length: number): Generator<undefined, void> {
    let left = length;
    for (;;) {
      const skipped = Math.min(left, this.held);
      this.drop(skipped);
      left -= skipped;
      if (left === 0) return;
      if (this.ended) throw new Error('cut off before its samples');
      yield;
    }
  }

  /** Brings back bytes to be read before the others. */
  putBack(bytes: Uint8Array): void {
    this.pieces.unshift(bytes);
    this.held += bytes.length;
    this.position -= bytes.length;
    this.isMoved = true;
  }

  /** All that has been pushed and not read. */
  rest(): Uint8Array {
    return this.joined();
  }

  private drop(length: number): void {
    if (length === 0) return;
    this.pieces = [this.joined().subarray(length)];
    this.held -= length;
    this.position += length;
  }

  private joined(): Uint8Array {
    if (this.pieces.length !== 1) this.pieces = [joinBytes(this.pieces)];
    return this.pieces[0]!;
  }
}

/** Writers to a pipe, which do not know the length, say the largest that they can, or about: SoX 0x7ffff000. */
const UNKNOWN_BYTES = 0x7f00_0000;

/** WAV, AIFF, AU and W64. */
const OTHER_FILE = /(?:RIFF|RIFX|RF64|BW64)[\s\S]{4}WAVE|FORM[\s\S]{4}AIF[FC]|\.snd[^ -~]{2}|riff\.\x91\xcf/;

function holdsFile({ buffer, byteOffset, length }: Uint8Array): boolean {
  return OTHER_FILE.test(Buffer.from(buffer, byteOffset, length).toString('latin1'));
}

/** The decoder of files whose samples follow a header. */
export function headerThenSamples(readHeader: HeaderReader): (fileBytes: number) => AudioDecoder {
  return (fileBytes) => {
    const input = new HeaderInput(fileBytes);
    const reading = readHeader(input);
    let data: SampleData | undefined;
    let left = 0;
    let seconds: number | undefined;
    let promised: number | undefined;
    let joined = false;
    let layout: SampleLayout | undefined;

    const readOn = (): Uint8Array => {
      if (data) return input.rest();
      const { done, value } = reading.next();
      if (!done) return new Uint8Array(0);
      data = value;
      left = data.bytes;
      const present = Math.min(left, fileBytes - input.position);
      if (Number.isFinite(present)) seconds = data.decoder.secondsIn?.(present);
      const { frame } = data.decoder;
      if (frame && Number.isFinite(present) && !input.isMoved) {
        const { bytes: frameBytes, sampleRate } = frame;
        layout = { at: input.position, frames: Math.floor(present / frameBytes), frameBytes, sampleRate };
      }
      if (left < UNKNOWN_BYTES) promised = data.decoder.secondsIn?.(left);
      return input.rest();
    };
    const decodeSamples = (bytes: Uint8Array): Decoded | Promise<Decoded> => {
      if (!data || bytes.length === 0) return NO_SOUND;
      const samples = bytes.subarray(0, left);
      left -= samples.length;
      joined ||= samples.length < bytes.length && holdsFile(bytes.subarray(samples.length));
      return samples.length === 0 ? NO_SOUND : data.decoder.decode(samples);
    };
    return {
      decode(chunk) {
        if (data) return decodeSamples(chunk);
        input.push(chunk);
        return decodeSamples(readOn());
      },
      async flush() {
        const blocks: Decoded[] = [];
        if (!data) {
          input.end();
          blocks.push(await decodeSamples(readOn()));
        }
        if (data?.decoder.flush) blocks.push(await data.decoder.flush());
        return blocks.flat();
      },
      seconds: () => seconds,
      layout: () => layout,
      missing: () => ({ ...data?.decoder.missing?.(), promised, joined }),
      free: () => data?.decoder.free(),
    };
  };
}
