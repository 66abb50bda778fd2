/** Sound that comes as it is spoken: WAV, or its bare samples, through a pipe. */
import { UserError } from '../errors.ts';
import type { AudioDecoder, Decoded } from './decoder.ts';
import { detectFormat } from './formats.ts';
import { joinBytes } from './join-bytes.ts';
import { pcmDecoder } from './pcm.ts';
import { Resampler } from './resample.ts';
import { SAMPLE_RATE } from './sample-rate.ts';
import { wavDecoder } from './wav.ts';

/** Bytes that tell a WAV from bare samples. */
const HEAD_BYTES = 16;
const RAW = { kind: 'signed', bytes: 2, littleEndian: true, channels: 1, sampleRate: SAMPLE_RATE } as const;
/** Formats that other sound is not mistaken for. */
const CERTAIN = /^(?:FLAC|Ogg|AIFF|AU|W64|NIST|MP4|WebM|CAF)/;

/**
 * Samples of 16 kHz, mono, as soon as their bytes come: unlike `readSourceInBlocks`, which reads ahead.
 * @param bytes of a WAV of any rate, or samples of 16 bits, little endian, mono, 16 kHz
 * @throws UserError for another format
 */
export async function* samplesAsTheyCome(
  name: string,
  bytes: AsyncIterable<Uint8Array>,
): AsyncGenerator<Float32Array, void, undefined> {
  let decoder: AudioDecoder | undefined;
  let head: Uint8Array = new Uint8Array(0);
  let resampler: { readonly rate: number; readonly of: Resampler } | undefined;
  const resampled = function* (decoded: Decoded): Generator<Float32Array> {
    for (const { channelData, sampleRate } of [decoded].flat()) {
      const [first] = channelData;
      if (!first || first.length === 0) continue;
      const mono = first.map((_, i) => {
        const mean = channelData.reduce((sum, channel) => sum + channel[i]!, 0) / channelData.length;
        return Math.max(-1, Math.min(1, mean || 0));
      });
      if (sampleRate === SAMPLE_RATE) yield mono;
      else {
        if (resampler?.rate !== sampleRate) {
          resampler = { rate: sampleRate, of: new Resampler(sampleRate, SAMPLE_RATE) };
        }
        yield* resampler.of.push(mono);
      }
    }
  };
  const decode = async (chunk: Uint8Array): Promise<Decoded> => {
    try {
      return await decoder!.decode(chunk);
    } catch (error) {
      throw new UserError(
        `${name}: found WAV with ${(error as Error).message}; expected samples that can be read`,
      );
    }
  };
  for await (const chunk of bytes) {
    if (decoder) {
      yield* resampled(await decode(chunk));
      continue;
    }
    head = joinBytes([head, chunk]);
    if (head.length < HEAD_BYTES) continue;
    decoder = decoderOf(name, head);
    yield* resampled(await decode(head));
  }
  if (!decoder) {
    if (head.length === 0) throw new UserError(`${name}: found no bytes; expected WAV or samples of 16 bits`);
    decoder = decoderOf(name, head);
    yield* resampled(await decode(head));
  }
  if (decoder.flush) yield* resampled(await decoder.flush());
  const rest = resampler?.of.finish();
  if (rest && rest.length > 0) yield rest;
}

function decoderOf(name: string, head: Uint8Array): AudioDecoder {
  const format = detectFormat(head);
  const found = typeof format === 'string' ? '' : 'name' in format ? format.name : format.found;
  if (found === 'WAV') return wavDecoder(Number.POSITIVE_INFINITY);
  if (CERTAIN.test(found)) {
    throw new UserError(
      `${name}: found ${found}; expected WAV, or samples of 16 bits, mono, 16 kHz (ffmpeg -i … -ac 1 -ar 16000 -f s16le -)`,
    );
  }
  return pcmDecoder(RAW);
}
