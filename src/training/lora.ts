/**
 * Low-rank adaptation (Hu et al. 2021, "LoRA"): for a projection only B·A, of low rank, is trained, and the weight is frozen.
 * Initialises adapters, merges them into the weights, and writes Hugging Face PEFT's files.
 */

import { join } from 'node:path';
import { type Weight, whisperTensors } from '../checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../checkpoint/dimensions.ts';
import { writeSafetensors } from '../checkpoint/safetensors-write.ts';
import { UserError } from '../errors.ts';
import { createFolder, writeJson, writing } from '../files/write-whole.ts';
import { Graph } from '../graph/graph.ts';
import { sfc32, uniformValues } from '../random.ts';
import { adapterNames, mergedWeight } from '../whisper/adapters.ts';
import type { WhisperModel } from '../whisper/model.ts';
import type { Adapters } from '../whisper/variant.ts';
import { setVariant } from '../whisper/variant.ts';
import type { LoraProjection } from './choices.ts';

export interface LoraOptions {
  /** Rank of B·A. */
  readonly rank: number;
  /** B·A is multiplied by alpha / rank. */
  readonly alpha: number;
  /** Projections with adapters, in every layer of the tuned part. */
  readonly projections: readonly LoraProjection[];
}

/**
 * @param weights of the tuned part
 * @throws UserError where the options fit no projection in it
 */
export function loraAdapters(
  dimensions: WhisperDimensions,
  weights: readonly string[],
  { rank, alpha, projections }: LoraOptions,
): Adapters {
  if (!Number.isInteger(rank) || rank < 1 || rank > dimensions.width)
    throw new UserError(
      `LoRA rank ${rank}: expected a whole number from 1 to the width, ${dimensions.width}`,
    );
  if (!Number.isFinite(alpha) || alpha <= 0)
    throw new UserError(`LoRA alpha ${alpha}: expected a number above 0`);
  const endings = projections.map((projection) => `.${projection}.weight`);
  const chosen = weights.filter((name) => endings.some((ending) => name.endsWith(ending)));
  if (chosen.length === 0)
    throw new UserError(`LoRA: the part that is tuned has no ${projections.join(', ') || 'projection'}`);
  return { rank, alpha, projections: new Set(chosen.map((name) => name.slice(0, -'.weight'.length))) };
}

/** [out, in] of a projection. */
function projectionShape(dimensions: WhisperDimensions, projection: string): readonly [number, number] {
  const shape = whisperTensors(dimensions).get(`${projection}.weight`);
  if (shape?.length !== 2) throw new Error(`internal: "${projection}" is no projection`);
  return shape as readonly [number, number];
}

/** A and B of each adapter, by name: A [rank, in], B [out, rank]. */
export function adapterShapes(
  dimensions: WhisperDimensions,
  { rank, projections }: Adapters,
): Map<string, readonly [number, number]> {
  return new Map(
    [...projections].flatMap((projection) => {
      const [out, inner] = projectionShape(dimensions, projection);
      const [a, b] = adapterNames(projection);
      return [[a, [rank, inner]] as const, [b, [out, rank]] as const];
    }),
  );
}

/**
 * Stores new adapters beside the model's weights: A Kaiming-uniform as in PEFT (in ± 1/√in), B zero, so that the model
 * is unchanged at first.
 */
export async function createLora(model: WhisperModel, adapters: Adapters, seed: number): Promise<void> {
  const random = sfc32(seed);
  const weights = new Map<string, Weight>();
  for (const [name, shape] of adapterShapes(model.dimensions, adapters)) {
    const count = shape[0] * shape[1];
    const isA = name.includes('.lora_A.');
    const data = isA ? uniformValues(count, shape[1] ** -0.5, random) : new Float32Array(count);
    weights.set(name, { shape, data });
  }
  await model.runtime.store(weights);
}

/**
 * Merges the adapters into the model's weights, so that it decodes and is saved like any Whisper.
 * @returns a function that undoes it, for more training
 */
export async function mergeLora(model: WhisperModel, adapters: Adapters): Promise<() => Promise<void>> {
  const { runtime, dimensions } = model;
  const names = [...adapters.projections].map((projection) => `${projection}.weight`);
  const base = await runtime.read(names);
  const graph = new Graph();
  setVariant(graph, { adapters });
  for (const projection of adapters.projections) {
    const merged = mergedWeight(graph, projection, ...projectionShape(dimensions, projection));
    graph.output(`merged:${projection}.weight`, merged);
  }
  const program = await runtime.load(graph, { builtIn: () => false });
  const { fetched } = await runtime.run(program, {}, { fetch: program.outputs });
  await runtime.unload(program);
  const put = async (values: readonly { shape: readonly number[]; data: unknown }[]) => {
    await runtime.store(names.map((name, i): [string, Weight] => [name, values[i] as Weight]));
    await model.decoderChanged();
    if (names.some((name) => name.startsWith('model.encoder.'))) await model.encoderChanged();
  };
  await put(names.map((name) => fetched[`merged:${name}`]!));
  return () => put(base);
}

/** PEFT wraps the model twice: its names begin with its wrappers'. */
const PEFT_PREFIX = 'base_model.model.';

/**
 * Writes the adapters as PEFT's `PeftModel.from_pretrained(model, directory)` reads them: adapter_config.json and
 * adapter_model.safetensors, float32.
 *
 * @throws UserError where `directory` cannot be written
 */
export async function saveLora(model: WhisperModel, adapters: Adapters, directory: string): Promise<void> {
  const names = [...adapters.projections].flatMap(adapterNames);
  const values = await model.runtime.read(names);
  const tensors = names.map((name, i) => {
    const { shape, data } = values[i]!;
    const bytes = () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { name: `${PEFT_PREFIX}${name}`, dtype: 'F32' as const, shape, bytes };
  });
  const config = {
    peft_type: 'LORA',
    task_type: null,
    base_model_name_or_path: null,
    r: adapters.rank,
    lora_alpha: adapters.alpha,
    lora_dropout: 0,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    // Full names: a projection's name alone would match both the encoder's and the decoder's.
    target_modules: [...adapters.projections],
  };
  await createFolder(directory);
  await writing(directory, () => writeSafetensors(join(directory, 'adapter_model.safetensors'), tensors));
  await writeJson(join(directory, 'adapter_config.json'), config);
}
