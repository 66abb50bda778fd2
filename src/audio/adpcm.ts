/** ADPCM of 4 bits a sample in blocks: Intel/DVI's (IMA), Microsoft's, and Apple's form of IMA's. */
import { checkChannels, unitDecoder } from './pcm.ts';
import type { SampleDecoder } from './samples-in-file.ts';

interface Blocks {
  readonly channels: number;
  readonly sampleRate: number;
  readonly blockBytes: number;
}

const IMA_STEPS = Int32Array.from([
  7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97,
  107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724,
  796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026,
  4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500,
  20350, 22385, 24623, 27086, 29794, 32767,
]);
const IMA_INDEX = Int32Array.from([-1, -1, -1, -1, 2, 4, 6, 8]);

/** One channel's state. */
class ImaPredictor {
  constructor(
    private value: number,
    private index: number,
  ) {
    this.index = Math.min(88, Math.max(0, index));
  }

  /** The next sample, as 16 bits. */
  next(code: number): number {
    const step = IMA_STEPS[this.index]!;
    // In integers, as the encoder does.
    let change = step >> 3;
    if (code & 4) change += step;
    if (code & 2) change += step >> 1;
    if (code & 1) change += step >> 2;
    this.value = clamp16(code & 8 ? this.value - change : this.value + change);
    this.index = Math.min(88, Math.max(0, this.index + IMA_INDEX[code & 7]!));
    return this.value;
  }
}

/** WAV's: a block has a first sample and a step index for each channel, then 4 bytes (8 samples) a channel in turn. */
export function imaDecoder({ channels, sampleRate, blockBytes }: Blocks): SampleDecoder {
  const frames = ((blockBytes - 4 * channels) * 2) / channels + 1;
  checkBlocks(channels, blockBytes, frames);
  return blockDecoder({ channels, sampleRate, blockBytes }, frames, (block, write) => {
    for (let channel = 0; channel < channels; channel++) {
      const first = block.getInt16(4 * channel, true);
      const predictor = new ImaPredictor(first, block.getUint8(4 * channel + 2));
      write(channel, 0, first);
      for (let i = 0; i < frames - 1; i++) {
        const group = i >> 3;
        const at = 4 * channels + (group * channels + channel) * 4 + ((i & 7) >> 1);
        const byte = block.getUint8(at);
        write(channel, i + 1, predictor.next(i & 1 ? byte >> 4 : byte & 15));
      }
    }
  });
}

/** QuickTime's (`ima4`): packets of 34 bytes a channel, one after the other, 64 samples each. */
export function appleImaDecoder(channels: number, sampleRate: number): SampleDecoder {
  checkBlocks(channels, 34 * channels, 64);
  return blockDecoder({ channels, sampleRate, blockBytes: 34 * channels }, 64, (block, write) => {
    for (let channel = 0; channel < channels; channel++) {
      const state = block.getInt16(34 * channel);
      const predictor = new ImaPredictor((state >> 7) << 7, state & 127);
      for (let i = 0; i < 64; i++) {
        const byte = block.getUint8(34 * channel + 2 + (i >> 1));
        write(channel, i, predictor.next(i & 1 ? byte >> 4 : byte & 15));
      }
    }
  });
}

const MS_ADAPTATION = Int32Array.from([
  230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230,
]);
/** The seven pairs that every encoder uses, of 256. */
const MS_COEFFICIENTS: readonly (readonly [number, number])[] = [
  [256, 0],
  [512, -256],
  [0, 0],
  [192, 64],
  [240, 0],
  [460, -208],
  [392, -232],
];

/** Microsoft's: a block has predictor, step and two samples of each channel, then 4 bits a sample, channels in turn. */
export function msDecoder({ channels, sampleRate, blockBytes }: Blocks): SampleDecoder {
  const frames = Math.floor(((blockBytes - 7 * channels) * 2) / channels) + 2;
  checkBlocks(channels, blockBytes, frames);
  if (channels > 2) throw new Error(`it claims ${channels} channels of ADPCM; expected 1 or 2`);
  return blockDecoder({ channels, sampleRate, blockBytes }, frames, (block, write) => {
    const states = Array.from({ length: channels }, (_, channel) => {
      const [a, b] = MS_COEFFICIENTS[block.getUint8(channel)] ?? [0, 0];
      const number = (field: number) => block.getInt16(channels + (field * channels + channel) * 2, true);
      write(channel, 0, number(2));
      write(channel, 1, number(1));
      return { a, b, step: number(0), last: number(1), before: number(2) };
    });
    for (let i = 0; i < (frames - 2) * channels; i++) {
      const byte = block.getUint8(7 * channels + (i >> 1));
      const code = i & 1 ? byte & 15 : byte >> 4;
      const state = states[i % channels]!;
      const predicted = Math.trunc((state.last * state.a + state.before * state.b) / 256);
      const value = clamp16(predicted + (code & 8 ? code - 16 : code) * state.step);
      state.before = state.last;
      state.last = value;
      state.step = Math.max(16, (MS_ADAPTATION[code]! * state.step) >> 8);
      write(i % channels, 2 + Math.floor(i / channels), value);
    }
  });
}

function checkBlocks(channels: number, blockBytes: number, frames: number): void {
  checkChannels(channels);
  if (!Number.isInteger(frames) || frames < 2) {
    throw new Error(
      `it claims blocks of ${blockBytes} bytes for ${channels} channels; expected those of ADPCM`,
    );
  }
}

type WriteSample = (channel: number, frame: number, value: number) => void;

/** @param frames samples a channel of a block */
function blockDecoder(
  { channels, sampleRate, blockBytes }: Blocks,
  frames: number,
  decodeBlock: (block: DataView, write: WriteSample) => void,
): SampleDecoder {
  const decode = (bytes: Uint8Array) => {
    const blocks = bytes.length / blockBytes;
    const channelData = Array.from({ length: channels }, () => new Float32Array(blocks * frames));
    for (let i = 0; i < blocks; i++) {
      const block = new DataView(bytes.buffer, bytes.byteOffset + i * blockBytes, blockBytes);
      decodeBlock(block, (channel, frame, value) => {
        channelData[channel]![i * frames + frame] = value / 32768;
      });
    }
    return { channelData, sampleRate };
  };
  return unitDecoder(blockBytes, decode, (units) => (units * frames) / sampleRate);
}

function clamp16(value: number): number {
  return Math.min(32_767, Math.max(-32_768, value));
}
