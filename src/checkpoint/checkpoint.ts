/** A Whisper model on disk, as Hugging Face transformers lays it out: read as float32, written in any float type. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { GROUP, SCALE_SUFFIX } from '../graph/stored-form.ts';
import { firstNonFinite, float32ToBfloat16, float32ToFloat16 } from '../half-precision.ts';
import type { WhisperDimensions } from './dimensions.ts';
import { type Json, readJsonIfPresent, writeCheckpointDirectory } from './directory.ts';
import { readFloat32, readTensorEntries } from './safetensors.ts';
import { elementCount, type TensorEntry } from './safetensors-header.ts';
import type { TensorToWrite } from './safetensors-write.ts';
import { dimensionsFromConfig, readGenerationConfig, readPreprocessorConfig } from './settings.ts';
import { checkTokenizer, readTokenizer } from './tokenizer-files.ts';

export { dimensionsFromConfig } from './settings.ts';

export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Checkpoint {
  readonly directory: string;
  readonly dimensions: WhisperDimensions;
  /** All of whisperTensors, by Hugging Face's names, such as "model.decoder.layers.0.self_attn.q_proj.weight". */
  readonly weights: Map<string, Weight>;
  readonly config: Json;
  readonly generationConfig: Json;
  readonly preprocessorConfig: Json;
  /** Path of tokenizer.json, or of vocab.json where there is none. */
  readonly tokenizerFile: string;
  /** The content of tokenizer.json (tokenizer-files.ts). */
  readonly tokenizer: Json;
}

/** The embedding is the output matrix too; the second name appears in files that were not written tied. */
const EMBEDDING = 'model.decoder.embed_tokens.weight';
const OUTPUT_MATRIX = 'proj_out.weight';

/** Shards as large as Hugging Face's own. */
const DEFAULT_SHARD_BYTES = 5_000_000_000;

/** Every tensor of a Whisper of these sizes and its shape. Keys have no bias; the output matrix is the embedding. */
export function whisperTensors(dimensions: WhisperDimensions): Map<string, readonly number[]> {
  const { width, melBins, audioPositions, textPositions, vocabulary } = dimensions;
  const shapes = new Map<string, readonly number[]>();
  const linear = (name: string, outputs: number, inputs: number) => {
    shapes.set(`${name}.weight`, [outputs, inputs]);
    shapes.set(`${name}.bias`, [outputs]);
  };
  const norm = (name: string) => {
    shapes.set(`${name}.weight`, [width]);
    shapes.set(`${name}.bias`, [width]);
  };
  const attention = (name: string) => {
    shapes.set(`${name}.k_proj.weight`, [width, width]);
    for (const projection of ['v_proj', 'q_proj', 'out_proj']) linear(`${name}.${projection}`, width, width);
    norm(`${name}_layer_norm`);
  };
  const feedForward = (layer: string, inner: number) => {
    linear(`${layer}.fc1`, inner, width);
    linear(`${layer}.fc2`, width, inner);
    norm(`${layer}.final_layer_norm`);
  };
  shapes.set('model.encoder.conv1.weight', [width, melBins, 3]);
  shapes.set('model.encoder.conv1.bias', [width]);
  shapes.set('model.encoder.conv2.weight', [width, width, 3]);
  shapes.set('model.encoder.conv2.bias', [width]);
  shapes.set('model.encoder.embed_positions.weight', [audioPositions, width]);
  for (let i = 0; i < dimensions.encoderLayers; i++) {
    attention(`model.encoder.layers.${i}.self_attn`);
    feedForward(`model.encoder.layers.${i}`, dimensions.encoderFfn);
  }
  norm('model.encoder.layer_norm');
  shapes.set(EMBEDDING, [vocabulary, width]);
  shapes.set('model.decoder.embed_positions.weight', [textPositions, width]);
  for (let i = 0; i < dimensions.decoderLayers; i++) {
    attention(`model.decoder.layers.${i}.self_attn`);
    attention(`model.decoder.layers.${i}.encoder_attn`);
    feedForward(`model.decoder.layers.${i}`, dimensions.decoderFfn);
  }
  norm('model.decoder.layer_norm');
  return shapes;
}

/**
 * Reads a model directory: config.json, the tokenizer, and weights in F32, F16, BF16 or this project's forms of 8
 * and 4 bits (see quantize.ts), in one file or shards. Weights come as float32 whatever the file holds.
 *
 * @throws UserError naming file and tensor, when anything is missing, damaged, or not a multilingual Whisper
 */
export async function readCheckpoint(directory: string): Promise<Checkpoint> {
  const configFile = join(directory, 'config.json');
  const config = await readConfig(directory);
  const dimensions = dimensionsFromConfig(config, configFile);
  const { file: tokenizerFile, tokenizer } = await readTokenizer(directory);
  const generationConfig = await readGenerationConfig(directory, config, dimensions, {
    file: tokenizerFile,
    tokenizer,
  });
  checkTokenizer(directory, { file: tokenizerFile, tokenizer }, dimensions.vocabulary, generationConfig);
  const preprocessorConfig = await readPreprocessorConfig(directory, dimensions);
  const entries = await readTensorEntries(directory);
  const shapes = whisperTensors(dimensions);
  const scales = takeScales(entries, shapes);
  checkTensors(directory, entries, shapes);
  const weights = await readWeights(shapes, entries, scales);
  return {
    directory,
    dimensions,
    weights,
    config,
    generationConfig,
    preprocessorConfig,
    tokenizerFile,
    tokenizer,
  };
}

/**
 * Reads config.json.
 * @throws UserError that says what was found in place of a model directory, and how it becomes one
 */
async function readConfig(directory: string): Promise<Json> {
  const found = await stat(directory).catch(() => undefined);
  if (found === undefined) {
    const isName = /^\w[\w.-]*$/.test(directory);
    const how = isName
      ? '; a model of the Hugging Face hub is named owner/name, such as openai/whisper-small'
      : '';
    throw new UserError(`${directory}: no such directory${how}`);
  }
  if (!found.isDirectory()) {
    const where = /\.(safetensors|json|bin|txt)$/.test(directory) ? ': name the directory that it is in' : '';
    throw new UserError(`${directory}: expected a model directory, found a file${where}`);
  }
  const config = await readJsonIfPresent(join(directory, 'config.json'));
  if (config !== undefined) return config;
  const names = (await readdir(directory)).sort();
  const adapter = await readJsonIfPresent(join(directory, 'adapter_config.json'));
  if (adapter !== undefined) {
    const base =
      typeof adapter.base_model_name_or_path === 'string' ? ` of ${adapter.base_model_name_or_path}` : '';
    throw new UserError(
      `${directory}: holds a PEFT adapter${base}, expected a whole model: merge it with PEFT's merge_and_unload() and save that`,
    );
  }
  const checkpoints = names.filter((name) => /^checkpoint-\d+$/.test(name));
  const latest = checkpoints.reduce((most, name) => Math.max(most, Number(name.slice(11))), 0);
  const inside =
    checkpoints.length > 0 ? `; name one of the directories in it, such as checkpoint-${latest}` : '';
  throw new UserError(
    `${directory}: not a model directory: it holds ${names.slice(0, 3).join(', ') || 'nothing'}, ` +
      `expected config.json${inside}`,
  );
}

/**
 * Removes the scales of tensors with 8 and 4 bits from `entries`. A tensor with 4 bits, which holds two weights a byte, gets the
 * shape of its weight.
 * @returns the scales by the tensor that they scale
 */
function takeScales(
  entries: Map<string, TensorEntry>,
  shapes: ReadonlyMap<string, readonly number[]>,
): Map<string, TensorEntry> {
  const scales = new Map<string, TensorEntry>();
  for (const [name, entry] of [...entries]) {
    const { dtype, shape, file } = entry;
    if (dtype !== 'I8' && dtype !== 'U8') continue;
    const scale = entries.get(name + SCALE_SUFFIX);
    if (scale === undefined) {
      throw new UserError(`${file}: tensor "${name}" is ${dtype}, but there is no "${name}${SCALE_SUFFIX}"`);
    }
    const [rows = 0, bytes = 0] = shape;
    if (dtype === 'U8' && (shape.length !== 2 || (2 * bytes) % GROUP !== 0)) {
      throw new UserError(
        `${file}: tensor "${name}" is U8 [${shape}], expected rows of groups of ${GROUP} weights, two a byte`,
      );
    }
    const expected = dtype === 'I8' ? [rows] : [rows, (2 * bytes) / GROUP];
    if (scale.dtype === 'I8' || scale.dtype === 'U8' || scale.shape.join() !== expected.join()) {
      throw new UserError(
        `${scale.file}: tensor "${scale.name}" is ${scale.dtype} [${scale.shape}], ` +
          `expected floats [${expected}]: one for each ${dtype === 'I8' ? 'row' : `group of ${GROUP}`} of "${name}"`,
      );
    }
    entries.delete(scale.name);
    scales.set(name, scale);
    const whole = shapes.get(name);
    if (dtype === 'U8' && whole && elementCount(whole) === 2 * rows * bytes) {
      entries.set(name, { ...entry, shape: whole });
    }
  }
  return scales;
}

function checkTensors(
  directory: string,
  entries: Map<string, TensorEntry>,
  shapes: Map<string, readonly number[]>,
): void {
  const missing = [...shapes.keys()].filter((name) => !entries.has(name));
  if (missing.length > 0) {
    const adapter = [...entries.keys()].some((name) => name.includes('lora_'));
    throw new UserError(
      `${directory}: ${missing.length} of ${shapes.size} tensors are missing, the first "${missing[0]}"` +
        (adapter ? '; it holds a LoRA adapter: merge that into its model first' : ''),
    );
  }
  for (const { name, shape, file } of entries.values()) {
    const expected = name === OUTPUT_MATRIX ? shapes.get(EMBEDDING) : shapes.get(name);
    if (expected !== undefined && expected.join() !== shape.join()) {
      throw new UserError(
        `${file}: tensor "${name}" has shape [${shape}], but config.json implies [${expected}]`,
      );
    }
    // Names outside "model." are heads and buffers of other tools, which Whisper does not use.
    if (expected === undefined && name.startsWith('model.')) {
      throw new UserError(`${file}: tensor "${name}" has no place in the model that config.json describes`);
    }
  }
}

async function readWeights(
  shapes: Map<string, readonly number[]>,
  entries: Map<string, TensorEntry>,
  scaleEntries: Map<string, TensorEntry>,
): Promise<Map<string, Weight>> {
  const scales = new Map<string, Float32Array>();
  for await (const { entry, data } of readFloat32(scaleEntries.values())) {
    scales.set(entry.name.slice(0, -SCALE_SUFFIX.length), data);
  }
  const wanted = [...entries.values()].filter(({ name }) => shapes.has(name) || name === OUTPUT_MATRIX);
  const read = new Map<string, Weight>();
  for await (const { entry, data } of readFloat32(wanted, scales)) {
    read.set(entry.name, { shape: entry.shape, data });
  }
  const output = read.get(OUTPUT_MATRIX);
  if (output !== undefined) {
    const embedding = read.get(EMBEDDING)!.data;
    const differs = output.data.findIndex((value, i) => value !== embedding[i]);
    if (differs >= 0) {
      throw new UserError(
        `${entries.get(OUTPUT_MATRIX)!.file}: ${OUTPUT_MATRIX} differs from the token embedding at value ` +
          `${differs}: only models whose output matrix is tied to the embedding are supported`,
      );
    }
  }
  // In the model's own order, whatever the file's.
  return new Map([...shapes.keys()].map((name) => [name, read.get(name)!]));
}

const WRITTEN_AS = { float16: 'F16', bfloat16: 'BF16', float32: 'F32' } as const;

export interface WriteCheckpointOptions {
  readonly dtype: keyof typeof WRITTEN_AS;
  /** Weights beyond this are split into files of at most this size. @default 5 GB */
  readonly maxShardBytes?: number;
}

/**
 * Writes a model directory that Hugging Face transformers loads. It appears complete or not at all; an older
 * model of that name is replaced.
 *
 * @throws UserError when `directory` holds something else, or a weight does not fit the float type
 */
export async function writeCheckpoint(
  directory: string,
  checkpoint: Checkpoint,
  { dtype, maxShardBytes = DEFAULT_SHARD_BYTES }: WriteCheckpointOptions,
): Promise<void> {
  const shapes = whisperTensors(checkpoint.dimensions);
  const tensors = [...shapes].map(([name, shape]): TensorToWrite => {
    const weight = checkpoint.weights.get(name);
    if (weight === undefined || weight.shape.join() !== shape.join()) {
      throw new Error(`internal: weight "${name}" is [${weight?.shape}], expected [${shape}]`);
    }
    const written = WRITTEN_AS[dtype];
    return { name, shape, dtype: written, bytes: () => floatBytes(name, weight.data, dtype) };
  });
  // The former quantisation and number format no longer apply.
  const { quantization_config: _, dtype: __, ...config } = checkpoint.config;
  await writeCheckpointDirectory(directory, {
    ...checkpoint,
    config: { ...config, torch_dtype: dtype },
    companionsFrom: checkpoint.directory,
    tensors,
    maxShardBytes,
  });
}

/** The tensor's bytes as `dtype`, little-endian like every machine that Node runs on in practice. */
export function floatBytes(name: string, data: Float32Array, dtype: keyof typeof WRITTEN_AS): Uint8Array {
  const bad = firstNonFinite(data);
  if (bad >= 0) throw new UserError(`weight "${name}": value ${bad} is ${data[bad]}, not written`);
  if (dtype === 'float32') return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const half = dtype === 'float16' ? float32ToFloat16(data) : float32ToBfloat16(data);
  const infinity = dtype === 'float16' ? 0x7c00 : 0x7f80;
  const overflow = half.findIndex((bits) => (bits & 0x7fff) === infinity);
  if (overflow >= 0) {
    throw new UserError(`weight "${name}": ${data[overflow]} is too large for ${dtype}: write float32`);
  }
  return new Uint8Array(half.buffer);
}
