/** For tests: small random Whispers, whose weights a reference script makes alike (scripts/golden/golden_file.py). */
import { fileURLToPath } from 'node:url';
import { type Checkpoint, type Weight, whisperTensors, writeCheckpoint } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { readJsonIfPresent } from '../checkpoint/directory.ts';

const embedded = fileURLToPath(new URL('../../models/whisper-base-int8', import.meta.url));

/** Pseudo-random numbers in [0, 1): a hash of the index (the finaliser of MurmurHash3). */
export function unit(index: number, seed: number): number {
  let h = (index + Math.imul(seed, 0x9e3779b9)) >>> 0;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return (h >>> 0) / 2 ** 32;
}

/** float32((unit(i, seed) - 0.5) * width) */
export const pseudo = (count: number, seed: number, width: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => (unit(i, seed) - 0.5) * width);

/**
 * The k-th name in sorted order is drawn with seed + k: matrices with deviation 1/√inputs, biases small, scales of layer
 * norms around 1.
 */
export function tinyWeights(dimensions: WhisperDimensions, seed: number): Map<string, Weight> {
  const shapes = whisperTensors(dimensions);
  const order = [...shapes.keys()].sort();
  return new Map(
    [...shapes].map(([name, shape]) => {
      const count = shape.reduce((a, b) => a * b, 1);
      const inputs = count / shape[0]!;
      const data = pseudo(
        count,
        seed + order.indexOf(name),
        shape.length === 1 ? 0.4 : 3.4 / Math.sqrt(inputs),
      );
      if (name.endsWith('norm.weight')) data.forEach((value, i) => data.set([1 + value], i));
      return [name, { shape, data }];
    }),
  );
}

export const tinyDimensions: WhisperDimensions = {
  melBins: 80,
  audioPositions: 1500,
  textPositions: 448,
  width: 16,
  encoderLayers: 1,
  encoderHeads: 2,
  encoderFfn: 32,
  decoderLayers: 2,
  decoderHeads: 2,
  decoderFfn: 32,
  vocabulary: 51_865,
};

/**
 * Writes a model directory: tiny random weights.
 * @param base model directory of tokenizer and settings. Default: the embedded Whisper base
 */
export async function writeTinyModel(
  directory: string,
  changed: Partial<WhisperDimensions> = {},
  seed = 1,
  base = embedded,
): Promise<void> {
  const dimensions = { ...tinyDimensions, ...changed };
  const json = async (name: string) => (await readJsonIfPresent(`${base}/${name}`))!;
  const config = {
    ...(await json('config.json')),
    d_model: dimensions.width,
    encoder_layers: dimensions.encoderLayers,
    encoder_attention_heads: dimensions.encoderHeads,
    encoder_ffn_dim: dimensions.encoderFfn,
    decoder_layers: dimensions.decoderLayers,
    decoder_attention_heads: dimensions.decoderHeads,
    decoder_ffn_dim: dimensions.decoderFfn,
    vocab_size: dimensions.vocabulary,
  };
  const checkpoint: Checkpoint = {
    directory: base,
    dimensions,
    weights: tinyWeights(dimensions, seed),
    config,
    generationConfig: await json('generation_config.json'),
    preprocessorConfig: await json('preprocessor_config.json'),
    tokenizerFile: `${base}/tokenizer.json`,
    tokenizer: await json('tokenizer.json'),
  };
  await writeCheckpoint(directory, checkpoint, { dtype: 'float32' });
}
