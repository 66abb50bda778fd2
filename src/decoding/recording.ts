/** The samples of a recording: held where it is short, read again from its source where it is long. */
import { type AudioSource, audioName, canReadAgain, readSourceInBlocks } from '../audio/audio-source.ts';
import type { ReadEvents, Span } from '../audio/decode-audio.ts';
import { joinSamples } from '../audio/join-samples.ts';
import { SAMPLE_RATE } from '../audio/sample-rate.ts';
import { type Speech, VoiceActivity } from '../audio/voice-activity.ts';
import { UserError } from '../errors.ts';
import { Fingerprint } from '../files/fingerprint.ts';
import { AudibleSamples } from './audible-samples.ts';

/** Of all channels together. A longer recording is decoded once more for its transcript: it may last hours. */
export const MAX_HELD = 120 * SAMPLE_RATE;

/** 16 kHz mono samples, read from the beginning to the end. */
export interface Samples {
  readonly length: number;
  /** The samples from `from` on, `to` not included. An earlier `from` than before may begin to decode again. */
  read(from: number, to: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/** A recording, or a channel of it, after the first pass over its samples. */
export interface ScannedTrack extends Speech {
  readonly length: number;
  readonly audible: AudibleSamples;
  /** Fingerprint of the samples, on request. */
  readonly sound: string | undefined;
  readonly open: () => Samples;
}

export interface ScanOptions extends ReadEvents {
  readonly channels?: 'mix' | 'separate' | undefined;
  readonly clip?: Span | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the seconds read so far; reading goes on when what it returns is there. */
  readonly onRead?: ((seconds: number) => unknown) | undefined;
  /** Whether fingerprints are computed. */
  readonly fingerprints?: boolean;
}

/**
 * Reads a recording once: where somebody speaks, and its samples, where they are few.
 * @returns one track, or one for each channel
 * @throws UserError where it cannot be read or decoded
 */
export async function scanRecording(
  source: AudioSource,
  { channels = 'mix', clip, signal, onDamage, onRead, fingerprints = false }: ScanOptions,
): Promise<ScannedTrack[]> {
  const again = canReadAgain(source);
  const selection = { ...clip, signal, isHeld: !again };
  const tracks: TrackScan[] = [];
  let held = true;
  for await (const block of readSourceInBlocks(source, { ...selection, onDamage, channel: channels })) {
    for (const [i, samples] of block.entries()) {
      tracks[i] ??= new TrackScan(signal, fingerprints);
      await tracks[i].add(samples, held);
    }
    await onRead?.((tracks[0]?.length ?? 0) / SAMPLE_RATE);
    if (held && again && tracks[0]!.length * tracks.length > MAX_HELD) {
      held = false;
      for (const track of tracks) track.parts.length = 0;
    }
  }
  const scanned: ScannedTrack[] = [];
  for (const [i, track] of tracks.entries()) {
    const { length, audible } = track;
    const channel = channels === 'separate' ? i : channels;
    const whole = held ? joinSamples(track.parts.splice(0)) : undefined;
    scanned.push({
      length,
      audible,
      ...(await track.activity.finish()),
      sound: track.hash?.hex(16),
      open: () => {
        if (whole) return heldSamples(whole);
        const blocks = () => readSourceInBlocks(source, { ...selection, channel });
        return new SamplesReadAgain(audioName(source), length, blocks);
      },
    });
  }
  return scanned;
}

class TrackScan {
  readonly activity: VoiceActivity;
  readonly audible = new AudibleSamples();
  readonly hash: Fingerprint | undefined;
  readonly parts: Float32Array[] = [];

  constructor(signal: AbortSignal | undefined, fingerprints: boolean) {
    this.activity = new VoiceActivity(signal);
    this.hash = fingerprints ? new Fingerprint() : undefined;
  }

  get length(): number {
    return this.audible.length;
  }

  async add(samples: Float32Array, held: boolean): Promise<void> {
    if (held) this.parts.push(samples);
    this.audible.add(samples);
    this.hash?.add(samples);
    await this.activity.add(samples);
  }
}

const heldSamples = (samples: Float32Array): Samples => ({
  length: samples.length,
  read: async (from, to) => samples.subarray(from, to),
  close: async () => {},
});

/** Holds what lies between the beginning of the last read and its end. */
class SamplesReadAgain implements Samples {
  #blocks: AsyncGenerator<readonly Float32Array[], void, undefined> | undefined;
  #parts: Float32Array[] = [];
  /** Of the parts, in the recording. */
  #start = 0;
  #end = 0;

  constructor(
    private readonly name: string,
    readonly length: number,
    private readonly decode: () => AsyncGenerator<readonly Float32Array[], void, undefined>,
  ) {}

  async read(from: number, to: number): Promise<Float32Array> {
    if (from < this.#start) await this.close();
    this.#blocks ??= this.decode();
    this.#drop(from);
    while (this.#end < to) {
      const { value, done } = await this.#blocks.next();
      if (done) {
        throw new UserError(
          `${this.name}: found ${(this.#end / SAMPLE_RATE).toFixed(1)} s of sound; ` +
            `expected ${(this.length / SAMPLE_RATE).toFixed(1)} s as a moment ago: the file has changed`,
        );
      }
      this.#parts.push(value[0]!);
      this.#end += value[0]!.length;
      this.#drop(from);
    }
    const samples = new Float32Array(Math.max(0, to - from));
    let at = this.#start;
    for (const part of this.#parts) {
      const own = part.subarray(Math.max(0, from - at), Math.max(0, to - at));
      samples.set(own, Math.max(0, at - from));
      at += part.length;
      if (at >= to) break;
    }
    return samples;
  }

  #drop(before: number): void {
    while (this.#parts.length > 0 && this.#start + this.#parts[0]!.length <= before) {
      this.#start += this.#parts.shift()!.length;
    }
  }

  async close(): Promise<void> {
    await this.#blocks?.return();
    this.#blocks = undefined;
    this.#parts = [];
    this.#start = 0;
    this.#end = 0;
  }
}
