import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import {
  type Checkpoint,
  dimensionsFromConfig,
  readCheckpoint,
  whisperTensors,
  writeCheckpoint,
} from '../checkpoint/checkpoint.ts';
import { elementCount } from '../checkpoint/safetensors-header.ts';
import { float16ToFloat32, float32ToFloat16 } from '../half-precision.ts';
import { sfc32, uniform } from '../random.ts';
import type { StageProgress } from '../report/progress.ts';
import { writeTinyModel } from '../testing/tiny-model.ts';
import { quantize, quantizedWeight, quantizeRows } from './quantize.ts';

const embedded = fileURLToPath(new URL('../../models/whisper-base-int8', import.meta.url));

const random = sfc32(1);
function gaussian(): number {
  return Math.sqrt(-2 * Math.log(1 - uniform(random))) * Math.cos(2 * Math.PI * uniform(random));
}

function relativeError(found: ArrayLike<number>, expected: Float32Array): number {
  let error = 0;
  let norm = 0;
  for (const [i, value] of expected.entries()) {
    error += (found[i]! - value) ** 2;
    norm += value ** 2;
  }
  return Math.sqrt(error / norm);
}

function restore({ values, scales }: { values: Int8Array; scales: Uint16Array }): Float32Array {
  const columns = values.length / scales.length;
  const floats = float16ToFloat32(scales);
  return Float32Array.from(values, (value, i) => value * floats[Math.floor(i / columns)]!);
}

test('rows come back within half a step, and clipping loses no more than the plain largest value', () => {
  const rows = 50;
  const columns = 512;
  const data = Float32Array.from(
    { length: rows * columns },
    (_, i) => gaussian() * (1 + Math.floor(i / columns)),
  );
  const quantized = quantizeRows(data, rows, 127);
  const found = relativeError(restore(quantized), data);
  expect(found).toBeCloseTo(Math.sqrt(quantized.squaredError / quantized.squaredNorm), 6);
  const plain = Float32Array.from(data, (value, i) => {
    const row = data.subarray(Math.floor(i / columns) * columns, (Math.floor(i / columns) + 1) * columns);
    const scale = row.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) / 127;
    return Math.round(value / scale) * scale;
  });
  expect(found).toBeLessThan(0.012);
  expect(found).toBeLessThan(relativeError(plain, data) * 1.001);
});

test('no other scale that cuts off at most 30 % loses less, whatever the row’s length', () => {
  const [rows, columns] = [40, 37];
  const data = Float32Array.from({ length: rows * columns }, gaussian);
  const { scales, values } = quantizeRows(data, rows, 127);
  const errorOf = (row: Float32Array, scale: number) =>
    row.reduce((sum, w) => sum + (w - scale * Math.min(127, Math.max(-127, Math.round(w / scale)))) ** 2, 0);
  float16ToFloat32(scales).forEach((scale, i) => {
    const row = data.subarray(i * columns, (i + 1) * columns);
    const largest = row.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    const others = [1, 0.9, 0.8, 0.7].map((ratio) =>
      float32ToFloat16(Float32Array.of((largest * ratio) / 127)),
    );
    const least = Math.min(...others.map((bits) => errorOf(row, float16ToFloat32(bits)[0]!)));
    expect(errorOf(row, scale)).toBeLessThanOrEqual(least * 1.00001);
    expect(values[i * columns]).toBe(Math.min(127, Math.max(-127, Math.round(row[0]! / scale))) + 0);
  });
});

test('what was quantised is quantised again to the same', () => {
  const data = Float32Array.from({ length: 200 * 64 }, () => gaussian() ** 3 * 0.02);
  const once = restore(quantizeRows(data, 200, 127));
  expect(restore(quantizeRows(once, 200, 127))).toEqual(once);
});

test('rows of zeros and of numbers below float16 survive', () => {
  const data = new Float32Array([0, 0, 0, 0, 1e-9, -1e-9, 3e-8, 1e-10, 1, -1, 0.5, 0]);
  const restored = restore(quantizeRows(data, 3, 127));
  expect([...restored.subarray(0, 4)]).toEqual([0, 0, 0, 0]);
  for (let i = 4; i < 8; i++) expect(Math.abs(restored[i]! - data[i]!)).toBeLessThanOrEqual(2 ** -25);
  expect(relativeError(restored.subarray(8), data.subarray(8))).toBeLessThan(0.01);
});

test('a quantised model is read like any other, and can be written as floats again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'quantize-'));
  try {
    const config = {
      ...{ model_type: 'whisper', d_model: 64, vocab_size: 70, num_mel_bins: 80 },
      ...{ encoder_layers: 1, decoder_layers: 1, encoder_attention_heads: 2, decoder_attention_heads: 2 },
      ...{ encoder_ffn_dim: 128, decoder_ffn_dim: 128, max_source_positions: 20, max_target_positions: 9 },
    };
    const tokenizerFile = join(directory, 'tokenizer.json');
    await writeFile(tokenizerFile, '{}');
    const dimensions = dimensionsFromConfig(config);
    const original: Checkpoint = {
      directory,
      dimensions,
      weights: new Map(
        [...whisperTensors(dimensions)].map(([name, shape]) => [
          name,
          { shape, data: Float32Array.from({ length: elementCount(shape) }, gaussian) },
        ]),
      ),
      config,
      generationConfig: { lang_to_id: {}, task_to_id: {} },
      preprocessorConfig: {},
      tokenizerFile,
      tokenizer: {},
    };
    const source = join(directory, 'source');
    const target = join(directory, 'int8');
    await writeCheckpoint(source, original, { dtype: 'float32' });
    await writeFile(join(source, 'LICENSE'), 'MIT');
    const summary = await quantize({ model: source, output: target });
    expect(summary.quantized).toBe(2 + 1 + 6 + 10); // convolutions, embedding, encoder layer, decoder layer
    expect(summary.tensors).toBe(original.weights.size);
    expect(summary.bytes).toBeLessThan(summary.sourceBytes * 0.35);
    expect(summary.maxRelativeError).toBeLessThan(0.012);
    expect(await readFile(join(target, 'LICENSE'), 'utf8')).toBe('MIT');

    const read = await readCheckpoint(target);
    expect(read.config.quantization_config).toMatchObject({ quant_method: 'whisper-transfer-int8', bits: 8 });
    for (const [name, { shape, data }] of original.weights) {
      expect(read.weights.get(name)!.shape).toEqual(shape);
      expect(relativeError(read.weights.get(name)!.data, data), name).toBeLessThan(0.012);
    }
    const back = join(directory, 'back');
    await writeCheckpoint(back, read, { dtype: 'float32' });
    const again = await readCheckpoint(back);
    for (const [name, { data }] of read.weights) {
      expect(
        Buffer.compare(Buffer.from(again.weights.get(name)!.data.buffer), Buffer.from(data.buffer)),
        name,
      ).toBe(0);
    }
    expect(again.config).not.toHaveProperty('quantization_config');

    await expect(quantize({ model: target, output: join(directory, 'twice') })).rejects.toThrow(
      /is int8 already/,
    );

    const int4 = join(directory, 'int4');
    const small = await quantize({ model: source, output: int4, bits: 4 });
    expect(small.bytes).toBeLessThan(summary.bytes * 0.7);
    const halved = await readCheckpoint(int4);
    expect(halved.config.quantization_config).toMatchObject({
      ...{ quant_method: 'whisper-transfer-int4', bits: 4, group_size: 32 },
    });
    for (const [name, { shape, data }] of original.weights) {
      const { shape: found, data: values } = halved.weights.get(name)!;
      expect(found).toEqual(shape);
      // Rows of the first convolution, 240 long, are no multiple of 32: it keeps 8 bits.
      const tolerated =
        shape.length === 1 || name.includes('positions') || name.includes('conv1') ? 0.012 : 0.12;
      expect(relativeError(values, data), name).toBeLessThan(tolerated);
      expect(quantizedWeight(name, { shape, data }, 4).data).toEqual(values);
    }
    await expect(quantize({ model: int4, output: join(directory, 'twice') })).rejects.toThrow(
      /is int4 already/,
    );
    const fromInt8 = await quantize({ model: target, output: join(directory, 'int8-int4'), bits: 4 });
    expect(fromInt8.bytes).toBe(small.bytes);
    await expect(quantize({ model: source, output: join(source, '.') })).rejects.toThrow(
      /is the source itself/,
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('the embedded Whisper base is whole, small, and in files that GitHub takes', async () => {
  const checkpoint = await readCheckpoint(embedded);
  expect(checkpoint.dimensions).toMatchObject({
    width: 512,
    decoderLayers: 6,
    vocabulary: 51_865,
    melBins: 80,
  });
  expect(Object.keys(checkpoint.generationConfig.lang_to_id as object)).toHaveLength(99);
  const files = await readdir(embedded);
  expect(files).toContain('LICENSE');
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(embedded, name))).size));
  expect(Math.max(...sizes)).toBeLessThan(50_000_000);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(80_000_000);
});

test('an abort while weights are quantised or written leaves nothing, and the next run removes what a killed one left', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quantize-abort-'));
  try {
    const model = join(folder, 'tiny');
    const output = join(folder, 'int8');
    await writeTinyModel(model);
    for (const share of [0.5, 1]) {
      const stopping = new AbortController();
      const onProgress = ({ done, total }: StageProgress) =>
        done >= share * total && total > 0 && stopping.abort(new Error('stopped'));
      await expect(quantize({ model, output, onProgress, signal: stopping.signal })).rejects.toThrow(
        'stopped',
      );
      expect(await readdir(folder)).toEqual(['tiny']);
    }
    await mkdir(join(folder, 'int8.1-1.incomplete'));
    await quantize({ model, output });
    expect((await readdir(folder)).sort()).toEqual(['int8', 'tiny']);
    expect(await readdir(output)).not.toContain('run.lock');
  } finally {
    await rm(folder, { recursive: true });
  }
});
