/** Decoders of the packets in containers. */
import { createOpusDecoder } from '@audio/decode-opus/core';
import { isSymphoniaCodec, type PacketDecoder, symphoniaDecoder } from './symphonia.ts';
import { NoSoundError, type Track } from './track.ts';
import { viewOf } from './window.ts';

const MAX_CHANNELS = 64;

/** Sound in a codec that is recognised but not decoded here; the message names it. */
export class ForeignCodecError extends NoSoundError {}

export async function packetDecoder({ codec, config, sampleRate, channels }: Track): Promise<PacketDecoder> {
  if (codec === 'opus') return opusPackets(config, channels);
  if (!isSymphoniaCodec(codec)) throw new ForeignCodecError(codec.replace(/^\?/, ''));
  if (channels < 1 || channels > MAX_CHANNELS) {
    throw new Error(`it claims ${channels} channels; expected 1 to ${MAX_CHANNELS}`);
  }
  return symphoniaDecoder(codec, config, Math.round(sampleRate), channels);
}

/** @param head OpusHead (RFC 7845, 5.1), or nothing: one or two channels, of which Opus packets say enough */
async function opusPackets(head: Uint8Array, claimed: number): Promise<PacketDecoder> {
  const described = head.length >= 19;
  const family = described ? head[18]! : 0;
  const channels = described ? head[9]! : claimed;
  const outputGain = described ? viewOf(head).getInt16(16, true) : 0;
  const decoder = await createOpusDecoder();
  const layout =
    family > 0 && head.length >= 21 + channels
      ? {
          streamCount: head[19]!,
          coupledStreamCount: head[20]!,
          channelMappingTable: [...head.subarray(21, 21 + channels)],
        }
      : {};
  try {
    decoder.configure({ sampleRate: 48_000, channels, outputGain, preSkip: 0, ...layout });
  } catch (error) {
    decoder.free();
    throw error;
  }
  return {
    decode(packet) {
      const { errors, channelData } = decoder.decodeFrames([packet]);
      if (errors.length > 0) throw new Error(errors[0]!.message);
      return { channelData, sampleRate: 48_000 };
    },
    free: () => decoder.free(),
  };
}
