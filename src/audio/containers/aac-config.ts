/** AudioSpecificConfig of AAC (ISO 14496-3, 1.6.2.1). */

const RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
const OBJECT_TYPES: ReadonlyMap<number, string> = new Map([
  [1, 'AAC Main'],
  [3, 'AAC SSR'],
  [4, 'AAC LTP'],
  [23, 'AAC-LD'],
  [36, 'MPEG-4 ALS'],
  [39, 'AAC-ELD'],
  [42, 'xHE-AAC'],
]);

/**
 * The low-complexity core of an AAC stream. HE-AAC has half its sample rate: up to 11 or 12 kHz, which is more than
 * Whisper hears; of HE-AAC v2 it is the mean of the channels.
 *
 * @returns its own AudioSpecificConfig, or the name of what has no such core
 */
export function coreOfAac(
  config: Uint8Array,
): { config: Uint8Array; rate: number; channels: number } | string {
  let at = 0;
  const bits = (count: number) => {
    let value = 0;
    for (let i = 0; i < count; i++, at++)
      value = value * 2 + (((config[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    return value;
  };
  const objectType = () => {
    const type = bits(5);
    return type === 31 ? 32 + bits(6) : type;
  };
  const rateOf = () => {
    const index = bits(4);
    return index === 15 ? bits(24) : (RATES[index] ?? 0);
  };
  if (config.length < 2) return 'AAC without its configuration';
  let type = objectType();
  const rate = rateOf();
  const channels = bits(4);
  if (type === 5 || type === 29) {
    rateOf();
    type = objectType();
  }
  if (type !== 2) return OBJECT_TYPES.get(type) ?? `MPEG-4 audio of type ${type}`;
  if (bits(1) === 1) return 'AAC of 960 samples a frame';
  if (channels === 0 || channels > 7) return 'AAC whose channels stand in its frames';
  if (rate === 0) return 'AAC of an unknown sample rate';
  return { config: aacConfig(rate, channels), rate, channels };
}

/** AudioSpecificConfig of AAC-LC. */
export function aacConfig(rate: number, channels: number): Uint8Array {
  const index = RATES.indexOf(rate);
  if (index >= 0) return Uint8Array.of((2 << 3) | (index >> 1), ((index & 1) << 7) | (channels << 3));
  const bits = (2n << 35n) | (15n << 31n) | (BigInt(rate) << 7n) | (BigInt(channels) << 3n);
  return Uint8Array.from([32n, 24n, 16n, 8n, 0n], (shift) => Number((bits >> shift) & 255n));
}

export function aacRate(index: number): number {
  return RATES[index] ?? 0;
}

/** AudioSpecificConfig in an ES descriptor (ISO 14496-1), and the kind of stream that it describes. */
export function readEsDescriptor(bytes: Uint8Array): { objectType: number; config: Uint8Array } | undefined {
  let at = 0;
  const header = () => {
    const tag = bytes[at++] ?? 0;
    let length = 0;
    for (let i = 0; i < 4; i++) {
      const byte = bytes[at++] ?? 0;
      length = length * 128 + (byte & 127);
      if (byte < 128) break;
    }
    return { tag, length };
  };
  if (header().tag !== 3) return undefined;
  const flags = bytes[at + 2] ?? 0;
  at += 3 + (flags & 0x80 ? 2 : 0);
  if (flags & 0x40) at += 1 + (bytes[at] ?? 0);
  if (flags & 0x20) at += 2;
  if (header().tag !== 4) return undefined;
  const objectType = bytes[at] ?? 0;
  at += 13;
  const { tag, length } = header();
  return { objectType, config: tag === 5 ? bytes.slice(at, at + length) : new Uint8Array(0) };
}
