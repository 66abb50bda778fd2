/**
 * The way of a graphics card on SwiftShader, Vulkan computed on the CPU, that Chromium brings: what a step gives there, what
 * stays on the CPU, and how a run ends, is killed and goes on elsewhere. Skipped where it is not installed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasAdapter } from '../backend/device.ts';
import { float32, type HostTensor, int64 } from '../backend/runtime.ts';
import { readCheckpoint } from '../checkpoint/checkpoint.ts';
import { readManifest } from '../data/manifest.ts';
import { decode } from '../decoding/decode.ts';
import type { Diagnosis } from '../decoding/diagnose.ts';
import { writeOnnx } from '../graph/onnx.ts';
import { stepGraph, weightGroups } from '../graph/training-steps.ts';
import { seqSimMatrix } from '../retrieval/seq-sim.ts';
import { type DeviceRun, lossDifference, trainOn, weightDifference } from '../testing/device-training.ts';
import { pseudo, tinyDimensions, tinyWeights, writeTinyModel } from '../testing/tiny-model.ts';
import { encoderGraph } from '../whisper/encoder.ts';
import { WhisperModel } from '../whisper/model.ts';
import { trainingBatch } from './batches.ts';
import type { TrainingOptions } from './train.ts';
import { tunedWeights, tuningGraph } from './tuned-weights.ts';

const ICD = process.env.VK_ICD_FILENAMES ?? '/usr/lib/chromium/vk_swiftshader_icd.json';
const here = existsSync(ICD);
if (!here) console.warn(`skipped: ${ICD} is not here (Debian: apt-get install chromium-common libvulkan1)`);
process.env.VK_ICD_FILENAMES = ICD;
const repository = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'webgpu-'));
const directory = join(scratch, 'tiny');
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.skipIf(!here)('on SwiftShader', { timeout: 600_000 }, () => {
  const models: WhisperModel[] = [];
  beforeAll(async () => {
    await writeTinyModel(directory);
    for (const device of ['cpu', 'webgpu'] as const)
      models.push(await WhisperModel.load(directory, { threads: 1, device }));
  });
  afterAll(() => Promise.all(models.map((model) => model.close())));

  test('a card without float16 is one line', async () => {
    const loading = WhisperModel.load(directory, { threads: 1, device: 'webgpu', compute: 'float16' });
    await expect(loading).rejects.toThrow(
      /^device webgpu: this card does not compute in float16; expected --compute/,
    );
  });

  // Before the trainings, after which the two models are not the same to the last bits.
  test('encoder and decoding: frames and probabilities are the CPU’s', async () => {
    const sound = Float32Array.from({ length: 24_000 }, (_, i) => 0.1 * Math.sin(i / (8 + i / 4000)));
    const found = [];
    for (const model of models) {
      const [clip] = await model.encode([sound], 'fit');
      const prompts = [model.tokens.prompt('en', 'transcribe')];
      const [greedy] = await decode(model, [clip!], { prompts, maxTokens: 3 });
      const [beams] = await decode(model, [clip!], { prompts, maxTokens: 3, beams: 2 });
      found.push({ frames: clip!.frames as Float32Array, greedy: greedy!, beams: beams! });
    }
    const [cpu, card] = found;
    card!.frames.forEach((value, i) => {
      if (Math.abs(value - cpu!.frames[i]!) > 1e-3) throw new Error(`frame value ${i}: ${value}`);
    });
    for (const way of ['greedy', 'beams'] as const) {
      expect(card![way].tokens).toEqual(cpu![way].tokens);
      expect(card![way].averageLogProbability).toBeCloseTo(cpu![way].averageLogProbability, 3);
    }
  });

  /** The same training on the CPU and on the device. */
  async function both(options: Partial<TrainingOptions>): Promise<[DeviceRun, DeviceRun]> {
    const runs: DeviceRun[] = [];
    for (const model of models) {
      const values = await models[0]!.runtime.read(model.weightNames);
      const untuned = model.weightNames.map((name, i) => [name, values[i]!] as const);
      runs.push(await trainOn(model, options, { untuned, pause: 10 }));
      await models[0]!.runtime.store(
        untuned.map(([name, value]) => [name, { ...value, data: value.data.slice() as Float32Array }]),
      );
    }
    return [runs[0]!, runs[1]!];
  }

  test.each([
    ['decoder, 20 steps', {}],
    [
      'encoder and decoder, two batches a step',
      { part: 'all', embedding: 'trained', accumulate: 2, steps: 3 },
    ],
  ] as const)('%s: losses and weights are the CPU’s', async (_, options) => {
    const [cpu, card] = await both(options);
    expect(lossDifference(card, cpu)).toBeLessThan(1e-4);
    card.states.forEach((state, i) => expect(weightDifference(state, cpu.states[i]!)).toBeLessThan(1e-4));
  });

  test('similarities of clips are the CPU’s', async () => {
    const clips = Array.from({ length: 12 }, (_, i) => {
      const window = 20 + 3 * i;
      return { frames: pseudo(window * 16, 200 + i, 2), window, length: window, width: 16 };
    });
    const found: Float32Array[] = [];
    for (const { runtime } of models) found.push(await seqSimMatrix(runtime, clips, clips));
    for (const [i, value] of found[1]!.entries()) expect(value).toBeCloseTo(found[0]![i]!, 5);
  });

  test('of a training step and an encoder only shapes are computed on the CPU', async () => {
    const dimensions = { ...tinyDimensions, vocabulary: 96 };
    const weights = tinyWeights(dimensions, 1);
    const tuning = { part: 'decoder', embedding: 'trained' } as const;
    const training = tuningGraph(dimensions, tuning);
    const names = tunedWeights(dimensions, tuning);
    const groups = weightGroups(
      names.map((name) => [name, training.parameters.get(name)!.shape as number[]]),
    );
    const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, clipNorm: 1, accumulates: false };
    const step = stepGraph(training, groups, options);
    const clip = { frames: pseudo(20 * 16, 3, 1), window: 20, length: 20, width: 16 };
    const { feeds } = trainingBatch([{ clip, tokens: [1, 2, 3, 4, 5], promptLength: 2 }], undefined, 5);
    const state = ['weights', 'means', 'squares'].flatMap((kind) =>
      groups.map(({ length }, i) => [`${kind}.${i}`, float32(new Float32Array(length), [length])] as const),
    );
    const ofStep = await nodesByDevice(writeOnnx(step, () => true, values(weights)).bytes, {
      ...feeds,
      ...Object.fromEntries(state),
      schedule: float32(Float32Array.of(1e-3, 1, 1, 1, 1), [5]),
      corrections: float32(Float32Array.of(0.1, 0.03), [2]),
    });
    const ofEncoder = await nodesByDevice(
      writeOnnx(encoderGraph(dimensions), () => true, values(weights)).bytes,
      {
        mel: float32(pseudo(80 * 40, 4, 1), [1, 80, 40]),
        positions: int64(Array.from({ length: 20 }, (_, i) => i)),
      },
    );
    for (const { card, cpu } of [ofStep, ofEncoder]) {
      expect(card).toBeGreaterThan(30);
      expect(cpu.filter(({ types }) => types.some((type) => type !== 'int64'))).toEqual([]);
    }
  });

  /** The nodes of a graph by where they ran, those of the CPU with the types of their results. */
  async function nodesByDevice(bytes: Uint8Array, feeds: Readonly<Record<string, HostTensor>>) {
    const session = await ort.InferenceSession.create(bytes, {
      executionProviders: ['webgpu'],
      graphOptimizationLevel: 'disabled',
      enableProfiling: true,
      profileFilePrefix: join(scratch, 'profile'),
      logSeverityLevel: 3,
    });
    await session.run(
      Object.fromEntries(
        session.inputNames.map((name) => {
          const { dtype, data, shape } = feeds[name]!;
          return [name, new ort.Tensor(dtype as 'float32', data as Float32Array, shape)];
        }),
      ),
    );
    session.endProfiling();
    await session.release();
    const file = join(scratch, readdirSync(scratch).find((name) => name.startsWith('profile'))!);
    const events: { cat: string; args?: Record<string, unknown> }[] = JSON.parse(readFileSync(file, 'utf8'));
    rmSync(file);
    const nodes = events.filter(({ cat, args }) => cat === 'Node' && args?.provider !== undefined);
    const isOnCpu = ({ args }: (typeof nodes)[number]) => args!.provider === 'CPUExecutionProvider';
    return {
      card: nodes.filter((node) => !isOnCpu(node)).length,
      cpu: nodes.filter(isOnCpu).map(({ args }) => ({
        op: args!.op_name,
        types: (args!.output_type_shape as object[]).flatMap(Object.keys),
      })),
    };
  }

  /** The command; checkpoints follow its even steps. @param signal sent after a step */
  function train(output: string, flags: readonly string[], signal?: 'SIGKILL' | 'SIGINT', step = 3) {
    const child = spawn(
      process.execPath,
      [
        repository('dist/cli/main.js'),
        ...['train', join(scratch, 'clips.jsonl'), '--to', 'zh', '--model', directory, '--output', output],
        ...'--cache off --steps 40 --batch-size 2 --warmup 1 --checkpoint-every 2 --threads 1 --json'.split(
          ' ',
        ),
        ...flags,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let errors = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    let reports = '';
    let isSent = false;
    child.stdout.on('data', (text) => {
      reports += text;
      if (isSent || !signal || !reports.includes(`"step":${step},`)) return;
      isSent = true; // a second one would end the process at once
      child.kill(signal);
    });
    return new Promise<{ code: number | null; signal: string | null; errors: string }>((resolve) => {
      child.on('close', (code, signal) => resolve({ code, signal, errors }));
    });
  }

  const savedWeights = async (folder: string) => {
    const { weights } = await readCheckpoint(folder);
    return [...weights].map(([name, { shape, data }]) => ({ name, ...float32(data, shape) }));
  };

  // One process on the card for both directions: most of its time is compiling shaders.
  test('a run goes from the CPU to the card and back, killed and interrupted, and ends as one on the CPU', async () => {
    const manifest = await readManifest(repository('samples/manifest.tsv'));
    const english = manifest.filter(({ language, set }) => language === 'en' && set === 'train');
    const short = english.sort((a, b) => a.duration - b.duration).slice(0, 4);
    const lines = short.map(({ audio, translations }) =>
      JSON.stringify({ audio, lang: 'en', zh: translations.zh }),
    );
    writeFileSync(join(scratch, 'clips.jsonl'), `${lines.join('\n')}\n`);
    const output = (name: string): string => join(scratch, name);
    expect(await train(output('whole'), [])).toMatchObject({ code: 0 });
    expect(await train(output('moved'), [], 'SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
    const onCard = await train(output('moved'), ['--device', 'webgpu', '--resume'], 'SIGINT', 4);
    expect(onCard).toMatchObject({ code: 130, errors: expect.not.stringMatching(/Napi|terminate|Error/) });
    expect(await train(output('moved'), ['--resume'])).toMatchObject({ code: 0 });
    const wanted = await savedWeights(output('whole'));
    for (const [i, { data }] of (await savedWeights(output('moved'))).entries()) {
      let far = 0;
      for (const [k, x] of data.entries())
        far = Math.max(far, Math.abs(Number(x) - Number(wanted[i]!.data[k])));
      expect(far, wanted[i]!.name).toBeLessThan(2e-3); // float16, as saved
    }
  });
});

describe('a device that is not here', () => {
  const command = (env: NodeJS.ProcessEnv, ...flags: string[]) =>
    spawnSync(process.execPath, [repository('dist/cli/main.js'), ...flags], {
      encoding: 'utf8',
      env: { ...process.env, CUDA_VISIBLE_DEVICES: '', XDG_RUNTIME_DIR: undefined, ...env },
      cwd: scratch,
    });
  const encode = ['encode', repository('samples/manifest.tsv'), '--device'];

  test('cuda: one line, which says how to get it', () => {
    const { status, stderr } = command({}, ...encode, 'cuda');
    expect(status).toBe(2);
    expect(stderr.trim().split('\n').at(-1)).toMatch(/device cuda: .*ONNXRUNTIME_NODE_INSTALL=cuda12.*cuDNN/);
  });

  test.skipIf(hasAdapter(''))('webgpu: one line, without complaints of Vulkan’s loader', () => {
    const { status, stderr } = command({ VK_ICD_FILENAMES: undefined }, ...encode, 'webgpu');
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: device webgpu: found no graphics card; it needs .*\n$/);
  });

  test('a driver that does not work: doctor says so, and what auto computes on', async () => {
    await writeTinyModel(join(scratch, 'doctor'));
    const { stdout, stderr } = command(
      { VK_ICD_FILENAMES: '/no/such/driver.json' },
      ...['doctor', '--model', 'doctor', '--json'],
    );
    expect(stderr).toBe('');
    const { devices, automaticDevice } = JSON.parse(stdout) as Diagnosis;
    expect(devices[0]).toEqual({
      error: expect.stringMatching(/^device webgpu: .*; it needs a graphics card/),
    });
    if (!hasAdapter('')) expect(automaticDevice).toBe('cpu');
  });
});

const values = (weights: ReturnType<typeof tinyWeights>): Map<string, Float32Array> =>
  new Map([...weights].map(([name, { data }]) => [name, data]));
