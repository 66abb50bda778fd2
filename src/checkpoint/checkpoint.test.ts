import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { UserError } from '../errors.ts';
import { float16ToFloat32, float32ToFloat16 } from '../half-precision.ts';
import {
  type Checkpoint,
  dimensionsFromConfig,
  readCheckpoint,
  whisperTensors,
  writeCheckpoint,
} from './checkpoint.ts';
import { elementCount } from './safetensors-header.ts';
import { type TensorToWrite, writeSafetensors } from './safetensors-write.ts';

const config = {
  model_type: 'whisper',
  d_model: 12,
  encoder_layers: 2,
  decoder_layers: 1,
  encoder_attention_heads: 3,
  decoder_attention_heads: 2,
  encoder_ffn_dim: 20,
  decoder_ffn_dim: 24,
  vocab_size: 1526,
  num_mel_bins: 80,
  max_source_positions: 10,
  max_target_positions: 8,
  torch_dtype: 'float32',
};
const generationConfig = {
  is_multilingual: true,
  lang_to_id: { '<|en|>': 17 },
  task_to_id: { transcribe: 20 },
};
const specialTokens = [
  ...['<|endoftext|>', '<|startoftranscript|>', '<|en|>', '<|yue|>', '<|translate|>', '<|transcribe|>'],
  ...['<|startoflm|>', '<|startofprev|>', '<|nospeech|>', '<|notimestamps|>', '<|0.00|>'],
];
const tokenizer = { added_tokens: specialTokens.map((content, i) => ({ id: 15 + i, content })) };

const root = await mkdtemp(join(tmpdir(), 'checkpoint-'));
afterAll(() => rm(root, { recursive: true }));
let directory: string;
let model: string;
let count = 0;
beforeEach(async () => {
  directory = join(root, String(count++));
  model = join(directory, 'model');
  await writeModel();
});

let state = 1;
function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  return state / 2 ** 32;
}

function floatTensor(name: string, shape: readonly number[]): TensorToWrite {
  const values = Float32Array.from({ length: elementCount(shape) }, random);
  return { name, shape, dtype: 'F32', bytes: () => new Uint8Array(values.buffer) };
}

/** The tiny random model, with its tensors as `change` leaves them. */
async function writeModel(change: (tensors: Map<string, TensorToWrite>) => void = () => {}): Promise<void> {
  await mkdir(model, { recursive: true });
  const shapes = whisperTensors(dimensionsFromConfig(config));
  const tensors = new Map([...shapes].map(([name, shape]) => [name, floatTensor(name, shape)]));
  change(tensors);
  await writeSafetensors(join(model, 'model.safetensors'), [...tensors.values()]);
  await writeJson('config.json', config);
  await writeJson('generation_config.json', generationConfig);
  await writeJson('preprocessor_config.json', { feature_size: 80, hop_length: 160 });
  await writeJson('tokenizer.json', tokenizer);
}

async function writeJson(name: string, value: unknown): Promise<void> {
  await writeFile(join(model, name), JSON.stringify(value));
}

async function refusal(path = model): Promise<string> {
  const error = await readCheckpoint(path).then(
    () => 'no error',
    (thrown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect(error.message).not.toContain('\n');
  expect(error.message).toContain(path);
  return error.message;
}

function expectSameWeights(found: Checkpoint, expected: Checkpoint, tolerance = 0): void {
  expect([...found.weights.keys()]).toEqual([...expected.weights.keys()]);
  for (const [name, { shape, data }] of expected.weights) {
    const other = found.weights.get(name)!;
    expect(other.shape).toEqual(shape);
    const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - other.data[i]!)), 0);
    expect(worst, name).toBeLessThanOrEqual(tolerance);
  }
}

test('a model is the same after it is written and read, in every float type and in shards', async () => {
  const original = await readCheckpoint(model);
  const target = join(directory, 'written');
  await writeCheckpoint(target, original, { dtype: 'float32' });
  expectSameWeights(await readCheckpoint(target), original);
  await writeCheckpoint(target, original, { dtype: 'float32', maxShardBytes: 5000 });
  const files = await readdir(target);
  expect(files).toContain('model.safetensors.index.json');
  expect(files).not.toContain('model.safetensors'); // of the version that this one replaced
  expect(files.filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(2);
  expectSameWeights(await readCheckpoint(target), original);

  await writeCheckpoint(target, original, { dtype: 'float16' });
  const halved = await readCheckpoint(target);
  const fc1 = 'model.decoder.layers.0.fc1.weight';
  const rounded = float16ToFloat32(float32ToFloat16(original.weights.get(fc1)!.data));
  expect(halved.weights.get(fc1)!.data).toEqual(rounded);
  expect(halved.config).toEqual({ ...config, torch_dtype: 'float16' });
  expect(halved.generationConfig).toEqual(generationConfig);
  expect(halved.preprocessorConfig).toEqual(original.preprocessorConfig);
  expect(await readFile(halved.tokenizerFile, 'utf8')).toBe(JSON.stringify(tokenizer));
  await writeCheckpoint(target, original, { dtype: 'bfloat16' });
  expectSameWeights(await readCheckpoint(target), original, 2 ** -10);
  expect(await readdir(directory)).toEqual(['model', 'written']);
});

test('the tensors are those of the published sizes', () => {
  const published: [string, number, number, number, number, number, number][] = [
    // mel bins, width, encoder layers, decoder layers, vocabulary, million parameters (models' own tensors)
    ['tiny', 80, 384, 4, 4, 51_865, 37.76],
    ['base', 80, 512, 6, 6, 51_865, 72.59],
    ['small', 80, 768, 12, 12, 51_865, 241.73],
    ['medium', 80, 1024, 24, 24, 51_865, 763.86],
    ['large-v2', 80, 1280, 32, 32, 51_865, 1543.3],
    ['large-v3', 128, 1280, 32, 32, 51_866, 1543.49],
    ['large-v3-turbo', 128, 1280, 32, 4, 51_866, 808.88],
  ];
  for (const [name, melBins, width, encoderLayers, decoderLayers, vocabulary, millions] of published) {
    const dimensions = dimensionsFromConfig({
      ...{ model_type: 'whisper', max_source_positions: 1500, max_target_positions: 448 },
      ...{ d_model: width, num_mel_bins: melBins, vocab_size: vocabulary },
      ...{ encoder_layers: encoderLayers, decoder_layers: decoderLayers },
      ...{ encoder_attention_heads: width / 64, decoder_attention_heads: width / 64 },
      ...{ encoder_ffn_dim: width * 4, decoder_ffn_dim: width * 4 },
    });
    const total = [...whisperTensors(dimensions).values()].reduce(
      (sum, shape) => sum + elementCount(shape),
      0,
    );
    expect(total / 1e6, name).toBeCloseTo(millions, 1);
  }
});

test('English-only models are refused with the reason', async () => {
  await writeJson('config.json', { ...config, vocab_size: 51_864 });
  expect(await refusal()).toMatch(/English-only model \(vocab_size 51864\).*without ".en"/);
  await writeJson('config.json', config);
  await writeJson('generation_config.json', { ...generationConfig, is_multilingual: false });
  expect(await refusal()).toMatch(/English-only model \(is_multilingual is false\)/);
});

test('hostile and foreign configurations are refused by field', async () => {
  const cases: [object, RegExp][] = [
    [{ model_type: 'bert' }, /model_type is "bert", expected "whisper"/],
    [{ decoder_ffn_dim: -24 }, /decoder_ffn_dim is -24/],
    [{ decoder_ffn_dim: '24' }, /decoder_ffn_dim is "24"/],
    [{ vocab_size: 1e15 }, /vocab_size is 1000000000000000, expected a whole number from 1 to 10000000/],
    [{ encoder_layers: 1e9 }, /encoder_layers is 1000000000/],
    [{ d_model: 12.5 }, /d_model is 12.5/],
    [{ d_model: undefined }, /d_model is missing/],
    [{ d_model: 13 }, /d_model 13 is not a multiple of encoder_attention_heads 3/],
    [{ activation_function: 'relu' }, /activation_function is "relu", expected "gelu"/],
    [{ scale_embedding: true }, /scale_embedding is true/],
  ];
  for (const [change, message] of cases) {
    await writeJson('config.json', { ...config, ...change });
    expect(await refusal()).toMatch(message);
  }
  for (const [text, message] of [
    ['', /config.json:?\d*: not JSON/],
    ['{', /config.json:?\d*: not JSON/],
    ['[]', /config.json: expected a JSON object/],
  ] as const) {
    await writeFile(join(model, 'config.json'), text);
    expect(await refusal()).toMatch(message);
  }
});

test('directories that are no model are refused', async () => {
  expect(await refusal(join(directory, 'absent'))).toMatch(/no such directory/);
  expect(await refusal(join(model, 'config.json'))).toMatch(/expected a model directory, found a file/);
  const other = join(directory, 'other');
  await mkdir(other);
  expect(await refusal(other)).toMatch(/it holds nothing, expected config.json/);
  await writeFile(join(other, 'photo.jpg'), '');
  expect(await refusal(other)).toMatch(/it holds photo.jpg, expected config.json/);
  await rm(join(model, 'tokenizer.json'));
  expect(await refusal()).toMatch(/lacks tokenizer.json/);
});

test('missing, misshapen and misplaced tensors are named', async () => {
  const name = 'model.encoder.layers.1.fc2.bias';
  await writeModel((tensors) => tensors.delete(name));
  expect(await refusal()).toMatch(`1 of 65 tensors are missing, the first "${name}"`);
  await writeModel((tensors) => tensors.set(name, floatTensor(name, [13])));
  expect(await refusal()).toMatch(`tensor "${name}" has shape [13], but config.json implies [12]`);
  const beyond = 'model.decoder.layers.1.fc2.bias';
  await writeModel((tensors) => tensors.set(beyond, floatTensor(beyond, [12])));
  expect(await refusal()).toMatch(`tensor "${beyond}" has no place in the model`);
  await writeModel((tensors) => {
    tensors.clear();
    tensors.set('base_model.model.x.lora_A.weight', floatTensor('base_model.model.x.lora_A.weight', [2, 2]));
  });
  expect(await refusal()).toMatch(/65 of 65 tensors are missing.*merge/);
  const embedding = 'model.decoder.embed_tokens.weight';
  await writeModel((tensors) => {
    tensors.set(embedding, {
      name: embedding,
      shape: [30, 12],
      dtype: 'I8',
      bytes: () => new Uint8Array(360),
    });
  });
  expect(await refusal()).toMatch(`tensor "${embedding}" is I8, but there is no "${embedding}.scale"`);
  const halves = (shape: number[], scales: TensorToWrite) =>
    writeModel((tensors) => {
      const bytes = () => new Uint8Array(shape.reduce((product, size) => product * size, 1));
      tensors.set(embedding, { name: embedding, shape, dtype: 'U8', bytes });
      tensors.set(scales.name, scales);
    });
  const scale = `${embedding}.scale`;
  await halves([30, 6], floatTensor(scale, [30]));
  expect(await refusal()).toMatch(
    `tensor "${embedding}" is U8 [30,6], expected rows of groups of 32 weights`,
  );
  await halves([30, 16], floatTensor(scale, [30]));
  expect(await refusal()).toMatch(`tensor "${scale}" is F32 [30], expected floats [30,1]`);
  await halves([30, 16], floatTensor(scale, [30, 1]));
  expect(await refusal()).toMatch(
    `tensor "${embedding}" has shape [30,16], but config.json implies [1526,12]`,
  );
});

test('the output matrix may be there when it is the embedding, and heads of other tools are ignored', async () => {
  const original = await readCheckpoint(model);
  const embedding = original.weights.get('model.decoder.embed_tokens.weight')!;
  const withOutput = async (data: Float32Array) => {
    await writeModel((tensors) => {
      for (const [name, { shape, data }] of original.weights) {
        tensors.set(name, { name, shape, dtype: 'F32', bytes: () => new Uint8Array(data.buffer) });
      }
      const bytes = () => new Uint8Array(data.buffer);
      tensors.set('proj_out.weight', {
        name: 'proj_out.weight',
        shape: embedding.shape,
        dtype: 'F32',
        bytes,
      });
      tensors.set('classifier.weight', floatTensor('classifier.weight', [2, 12]));
    });
  };
  await withOutput(embedding.data);
  expectSameWeights(await readCheckpoint(model), original);
  await withOutput(embedding.data.map((value, i) => (i === 7 ? value + 1 : value)));
  expect(await refusal()).toMatch(/proj_out.weight differs from the token embedding at value 7/);
});

test('missing configurations are filled in from the tokenizer and from what Whisper always uses', async () => {
  await rm(join(model, 'generation_config.json'));
  await rm(join(model, 'preprocessor_config.json'));
  const filled = await readCheckpoint(model);
  expect(filled.generationConfig).toMatchObject({
    decoder_start_token_id: 16,
    eos_token_id: 15,
    pad_token_id: 15,
    no_timestamps_token_id: 24,
    lang_to_id: { '<|en|>': 17, '<|yue|>': 18 },
    task_to_id: { translate: 19, transcribe: 20 },
    max_length: 8,
  });
  expect(filled.preprocessorConfig).toMatchObject({ feature_size: 80, n_fft: 400, hop_length: 160 });

  // Fine-tuned by an old tool: present, without the maps. What it does say stays.
  await writeJson('generation_config.json', { max_length: 5, suppress_tokens: [1] });
  expect((await readCheckpoint(model)).generationConfig).toMatchObject({
    max_length: 5,
    suppress_tokens: [1],
    lang_to_id: { '<|en|>': 17, '<|yue|>': 18 },
  });
  await writeJson('tokenizer.json', {});
  expect(await refusal()).toMatch(/lacks lang_to_id or task_to_id, and .* has no <\|endoftext\|>/);
  await writeJson('generation_config.json', generationConfig);

  // As transformers 5 saves a processor.
  await writeJson('processor_config.json', { feature_extractor: { feature_size: 80, hop_length: 161 } });
  expect((await readCheckpoint(model)).preprocessorConfig.hop_length).toBe(161);
  await writeJson('preprocessor_config.json', { feature_size: 128 });
  expect(await refusal()).toMatch(/feature_size is 128, but config.json's num_mel_bins 80/);
});

test('writing replaces a model, keeps the user’s other files, and touches nothing that is no model', async () => {
  const checkpoint = await readCheckpoint(model);
  const mine = join(directory, 'mine');
  await mkdir(mine);
  await writeFile(join(mine, 'thesis.txt'), 'years of work');
  await expect(writeCheckpoint(mine, checkpoint, { dtype: 'float16' })).rejects.toThrow(/not overwritten/);
  expect(await readdir(mine)).toEqual(['thesis.txt']);
  await expect(writeCheckpoint(join(mine, 'thesis.txt'), checkpoint, { dtype: 'float16' })).rejects.toThrow(
    /is a file/,
  );
  const copy = join(directory, 'copy');
  await cp(model, copy, { recursive: true });
  await writeFile(join(copy, 'notes.txt'), 'kept');
  await writeCheckpoint(copy, checkpoint, { dtype: 'float16' });
  expect(await readFile(join(copy, 'notes.txt'), 'utf8')).toBe('kept');
  await writeCheckpoint(model, checkpoint, { dtype: 'float16' }); // over its own source
  expect((await readCheckpoint(model)).config.torch_dtype).toBe('float16');
  expect((await readdir(directory)).sort()).toEqual(['copy', 'mine', 'model']);
});

test('a weight that the float type cannot hold stops the writing and leaves nothing behind', async () => {
  const checkpoint = await readCheckpoint(model);
  const name = 'model.encoder.layer_norm.bias';
  const target = join(directory, 'written');
  checkpoint.weights.get(name)!.data[3] = 70_000;
  await expect(writeCheckpoint(target, checkpoint, { dtype: 'float16' })).rejects.toThrow(
    `weight "${name}": 70000 is too large for float16: write float32`,
  );
  checkpoint.weights.get(name)!.data[3] = Number.NaN;
  await expect(writeCheckpoint(target, checkpoint, { dtype: 'float32' })).rejects.toThrow(/value 3 is NaN/);
  expect(await readdir(directory)).toEqual(['model']);
});
