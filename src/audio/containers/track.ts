/** The interface between containers and codecs: one track of sound as packets with times. */
import type { MissingSound } from '../missing-sound.ts';

export interface Packet {
  readonly data: Uint8Array;
  /** When its sound begins by the clock of the container, seconds; undefined: right after the packet before. */
  readonly time?: number | undefined;
  /** Seconds at its end that are padding. */
  readonly padding?: number | undefined;
}

export interface Track {
  /** A name of those in codecs.ts, else what the container calls it. */
  readonly codec: string;
  /** The codec's private data as its decoder expects it. */
  readonly config: Uint8Array;
  /** Hz, by the container: codecs that know better say so. */
  readonly sampleRate: number;
  readonly channels: number;
  /** Stretches of the container's clock that are heard, seconds, in order; before, between and after them nothing is. */
  readonly spans: readonly { readonly from: number; readonly to: number }[];
  /** Seconds of silence before the first packet: the sound of a video may begin later than its picture. */
  readonly silence: number;
  /** Length of what is heard, by the headers, where they tell. */
  readonly seconds?: number | undefined;
  /** Packets in order. */
  packets(): AsyncGenerator<Packet>;
  /** What the container tells is missing, once all packets were read. */
  missing?(): MissingSound;
}

/** A file that is what it seems to be, but has no sound that can be decoded. The message completes "found …". */
export class NoSoundError extends Error {}

export const EVERYTHING = [{ from: 0, to: Number.POSITIVE_INFINITY }] as const;
