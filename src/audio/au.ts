/** AU of Sun and NeXT (`.au`, `.snd`), and SPHERE of NIST (`.sph`), in which corpora of telephone speech are published. */
import { type NumberKind, pcmDecoder } from './pcm.ts';
import type { HeaderInput, SampleData } from './samples-in-file.ts';
import { viewBytes } from './wav.ts';

const AU_ENCODINGS: ReadonlyMap<number, readonly [kind: NumberKind, bytes: number]> = new Map([
  [1, ['mu-law', 1]],
  [2, ['signed', 1]],
  [3, ['signed', 2]],
  [4, ['signed', 3]],
  [5, ['signed', 4]],
  [6, ['float', 4]],
  [7, ['float', 8]],
  [27, ['a-law', 1]],
]);

export function* auHeader(input: HeaderInput): Generator<undefined, SampleData> {
  const view = yield* input.take(24);
  const [start, size, encoding, sampleRate, channels] = [4, 8, 12, 16, 20].map((at) => view.getUint32(at));
  const found = AU_ENCODINGS.get(encoding!);
  if (!found) throw new Error(`its samples are coded as ${encoding}; expected PCM, float, A-law or mu-law`);
  yield* input.skip(Math.max(0, start! - 24));
  const [kind, bytes] = found;
  const decoder = pcmDecoder({
    kind,
    bytes,
    littleEndian: false,
    channels: channels!,
    sampleRate: sampleRate!,
  });
  return { bytes: size === 0xffff_ffff ? Number.POSITIVE_INFINITY : size!, decoder };
}

/** A header of lines "name -type value" in as many bytes as its second line says. */
export function* sphereHeader(input: HeaderInput): Generator<undefined, SampleData> {
  const start = latin1(yield* input.take(16));
  const length = Number(/^NIST_1A\n\s*(\d+)\n/.exec(start)?.[1]);
  if (!(length >= 16 && length <= 2 ** 20)) throw new Error('its header does not say how long it is');
  const header = latin1(yield* input.take(length - 16));
  const value = (name: string) => new RegExp(`^${name} -\\S+ (.+?)\\s*$`, 'm').exec(header)?.[1];
  const coding = value('sample_coding') ?? 'pcm';
  const kind: NumberKind | undefined = /^(?:mu-law|ulaw)$/.test(coding)
    ? 'mu-law'
    : coding === 'alaw'
      ? 'a-law'
      : coding === 'pcm'
        ? 'signed'
        : undefined;
  if (!kind) throw new Error(`its samples are coded as ${coding}; expected pcm, ulaw or alaw`);
  const bytes = Number(value('sample_n_bytes') ?? (kind === 'signed' ? 2 : 1));
  const channels = Number(value('channel_count') ?? 1);
  const decoder = pcmDecoder({
    ...{ kind, bytes, channels },
    littleEndian: value('sample_byte_format') !== '10',
    sampleRate: Number(value('sample_rate')),
  });
  const samples = Number(value('sample_count') ?? Number.NaN);
  return { bytes: samples * channels * bytes || Number.POSITIVE_INFINITY, decoder };
}

function latin1(view: DataView): string {
  return Buffer.from(viewBytes(view)).toString('latin1');
}
