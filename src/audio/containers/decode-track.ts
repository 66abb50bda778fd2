/** The sound of a file in a container, block by block, in the time of the file. */
import type { DecodedBlock } from '../decoder.ts';
import type { FileBytes } from '../file-bytes.ts';
import { joinSamples } from '../join-samples.ts';
import { packetDecoder } from './codecs.ts';
import type { PacketDecoder } from './symphonia.ts';
import type { Packet, Track } from './track.ts';

/** Times of containers are rounded, and drift; a gap is what is longer: a muted microphone sends nothing. */
const LEAST_GAP = 0.1;
/** Seconds of silence that times alone may claim, in all, besides four times what is sound: they may be damaged. */
const MOST_SILENCE = 120;
/** A clock that begins later than this began before the recording. */
const LATEST_START = 120;
/** Frames in a block. */
const BLOCK_FRAMES = 16_384;
/** Packets in a row that do not decode, after which the rest is given up. */
const MOST_FAILURES = 2000;

/** @throws NoSoundError for a file without sound; Error for damage */
export type OpenTrack = (file: FileBytes) => Promise<Track>;

/** Packets that do not decode. */
export interface Failures {
  /** Places with some. */
  damaged: number;
  /** Whether the last ones do not. */
  cut: boolean;
}

/**
 * Decodes what is heard of the track: without the priming and padding of its codec, by its edit list; silence stands for
 * what is missing between packets or does not decode, so that later times are right.
 *
 * @param failures counts packets that do not decode
 * @throws ForeignCodecError for a codec that is not decoded here; Error for damage, unless something was decoded before
 */
export async function* decodeTrack(
  track: Track,
  failures: Failures = { damaged: 0, cut: false },
): AsyncGenerator<DecodedBlock> {
  const decoder = await packetDecoder(track);
  try {
    yield* batched(heard(track, decoder, failures));
  } finally {
    decoder.free();
  }
}

async function* heard(track: Track, decoder: PacketDecoder, failed: Failures): AsyncGenerator<DecodedBlock> {
  const { spans } = track;
  const end = spans.at(-1)!.to;
  let clock: number | undefined;
  let offset = 0;
  // Seconds that are to be filled before the next packet that decodes, and of the last one that did.
  let [missing, filled, sounded, failures, usual] = [0, 0, 0, 0, 0];
  let failure: unknown;
  let decodedAny = false;
  for await (const { packet, next } of withNext(track.packets())) {
    if (clock === undefined) {
      const begin = spans[0]!.from;
      const late = (packet.time ?? 0) - begin;
      // Silence stands before a first packet that is late.
      clock = late > LEAST_GAP ? begin : (packet.time ?? 0);
      offset = late > LATEST_START ? late : 0;
    }
    const time = packet.time === undefined ? undefined : packet.time - offset;
    const after = next?.time === undefined ? undefined : next.time - offset;
    // Against a single damaged time: the one after it is to agree.
    const isTrusted = time !== undefined && (after === undefined || after >= time);
    if (isTrusted && time! - (clock + missing) > LEAST_GAP) {
      const gap = Math.min(time! - (clock + missing), MOST_SILENCE + 4 * sounded - filled);
      filled += gap;
      missing += gap;
    }
    if (clock + missing >= end) break;
    let block: DecodedBlock;
    try {
      block = decoder.decode(packet.data);
      if (failures > 0) failed.damaged++;
      failures = 0;
    } catch (error) {
      failure = error;
      if (++failures > MOST_FAILURES) break;
      missing += usual || (isTrusted && after !== undefined ? Math.min(1, after - time!) : 0);
      continue;
    }
    const { channelData, sampleRate } = block;
    const length = channelData[0]?.length ?? 0;
    if (length === 0) continue;
    if (!decodedAny && track.silence > 0) {
      yield* quiet(Math.min(track.silence, MOST_SILENCE), channelData.length, sampleRate);
    }
    decodedAny = true;
    if (missing > 0) {
      for (const { from, to } of spans) {
        yield* quiet(Math.min(clock + missing, to) - Math.max(clock, from), channelData.length, sampleRate);
      }
      clock += missing;
      missing = 0;
    }
    usual = length / sampleRate;
    const kept = length - Math.min(length, Math.round((packet.padding ?? 0) * sampleRate));
    for (const { from, to } of spans) {
      const begin = Math.max(0, Math.round((from - clock) * sampleRate));
      const stop = Math.min(kept, Math.round((to - clock) * sampleRate));
      if (begin >= stop) continue;
      yield { channelData: channelData.map((samples) => samples.subarray(begin, stop)), sampleRate };
    }
    clock += length / sampleRate;
    sounded += length / sampleRate;
  }
  failed.cut = failures > 0;
  if (!decodedAny && failure !== undefined) throw failure;
}

async function* withNext(
  packets: AsyncGenerator<Packet>,
): AsyncGenerator<{ packet: Packet; next: Packet | undefined }> {
  let packet: Packet | undefined;
  for await (const next of packets) {
    // Containers give views of what they read last.
    const copy = { ...next, data: next.data.slice() };
    if (packet) yield { packet, next: copy };
    packet = copy;
  }
  if (packet) yield { packet, next: undefined };
}

/** Silence in blocks of a second. */
function* quiet(seconds: number, channels: number, sampleRate: number): Generator<DecodedBlock> {
  for (let left = Math.round(seconds * sampleRate); left > 0; left -= sampleRate) {
    const samples = new Float32Array(Math.min(left, sampleRate));
    yield { channelData: Array.from({ length: channels }, () => samples), sampleRate };
  }
}

/** Joins the blocks of packets to larger ones of the same rate and channels. */
async function* batched(blocks: AsyncGenerator<DecodedBlock>): AsyncGenerator<DecodedBlock> {
  let held: DecodedBlock[] = [];
  let frames = 0;
  const joined = (): DecodedBlock => {
    const { sampleRate, channelData } = held[0]!;
    const whole = channelData.map((_, i) => joinSamples(held.map((block) => block.channelData[i]!)));
    held = [];
    frames = 0;
    return { channelData: whole, sampleRate };
  };
  for await (const block of blocks) {
    const first = held[0];
    if (
      first &&
      (first.sampleRate !== block.sampleRate || first.channelData.length !== block.channelData.length)
    ) {
      yield joined();
    }
    held.push(block);
    frames += block.channelData[0]!.length;
    if (frames >= BLOCK_FRAMES) yield joined();
  }
  if (held.length > 0) yield joined();
}

/** Length by the headers, where they tell and the codec is decoded here. */
export async function trackSeconds(open: OpenTrack, file: FileBytes): Promise<number | undefined> {
  try {
    const { codec, seconds } = await open(file);
    return codec.startsWith('?') ? undefined : seconds;
  } catch {
    return undefined; // decoding says what is wrong
  }
}
