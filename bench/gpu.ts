/**
 * Rates on a graphics card: training steps, encoder, greedy decoding, retrieval, with weights drawn at random in the shapes of
 * Whispers. bench/gpu.sh packs it for a machine without network, runs it there beside PyTorch (bench/peers/gpu.py), and
 * compares. Prints one JSON object.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { DeviceChoice } from '../src/backend/device.ts';
import { type DeviceBatch, float32, type HostTensor, int64, Runtime } from '../src/backend/runtime.ts';
import { whisperTensors } from '../src/checkpoint/checkpoint.ts';
import type { WhisperDimensions } from '../src/checkpoint/dimensions.ts';
import { decode } from '../src/decoding/decode.ts';
import { seqSimMatrix } from '../src/retrieval/seq-sim.ts';
import { tinyDimensions, writeTinyModel } from '../src/testing/tiny-model.ts';
import { tunedWeights, tuningGraph } from '../src/training/tuned-weights.ts';
import { causalBias } from '../src/whisper/causal-bias.ts';
import { type Compute, inForm, type PartForm, variantFor } from '../src/whisper/compute.ts';
import { encoderGraph } from '../src/whisper/encoder.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import { inRepository } from './result.ts';

const shape = (
  width: number,
  layers: number,
  changed: Partial<WhisperDimensions> = {},
): WhisperDimensions => ({
  ...tinyDimensions,
  width,
  encoderLayers: layers,
  decoderLayers: layers,
  encoderHeads: width / 64,
  decoderHeads: width / 64,
  encoderFfn: 4 * width,
  decoderFfn: 4 * width,
  ...changed,
});

const SHAPES: Readonly<Record<string, WhisperDimensions>> = {
  tiny: shape(64, 2, { vocabulary: 51_865 }),
  base: shape(512, 6),
  small: shape(768, 12),
  'large-v3': shape(1280, 32, { melBins: 128, vocabulary: 51_866 }),
};

interface Options {
  device: DeviceChoice;
  shapes: string;
  /** Seconds after which no other measurement begins. */
  seconds: string;
}

/** A step's clips, encoder frames of each, and tokens of each text. */
const STEP = { batch: 16, frames: 125, tokens: 20 };
const ADAMW = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, clipNorm: 1 };

const drawn = (() => {
  // One block of numbers, over and over: 1.5·10⁹ of them would take minutes to draw.
  const block = Float32Array.from({ length: 1 << 20 }, (_, i) => Math.sin(12.9898 * (i + 1) * (i + 1)));
  return (count: number, scale: number): Float32Array => {
    const values = new Float32Array(count);
    for (let at = 0; at < count; at += block.length) values.set(block.subarray(0, count - at), at);
    for (let i = 0; i < count; i++) values[i]! *= scale;
    return values;
  };
})();

async function storeDrawn(runtime: Runtime, dimensions: WhisperDimensions, part: RegExp): Promise<void> {
  for (const [name, sizes] of whisperTensors(dimensions)) {
    if (!part.test(name)) continue;
    const count = sizes.reduce((a, b) => a * b, 1);
    const data = drawn(count, sizes.length === 1 ? 0.1 : 1.2 / Math.sqrt(count / sizes[0]!));
    if (name.endsWith('norm.weight')) for (let i = 0; i < count; i++) data[i]! += 1;
    await runtime.store([[name, { shape: sizes, data }]]);
  }
}

async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; value: T }> {
  const started = performance.now();
  const value = await work();
  return { seconds: (performance.now() - started) / 1000, value };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

async function trainingSteps(dimensions: WhisperDimensions, device: DeviceChoice) {
  const runtime = await Runtime.open({ device });
  await storeDrawn(runtime, dimensions, /decoder/);
  const tuning = { part: 'decoder', embedding: 'trained' } as const;
  const { batch, frames, tokens } = STEP;
  const count = batch * tokens;
  const ids = Array.from({ length: count }, (_, i) => (7919 * i) % 50_257);
  const feeds: Record<string, HostTensor> = {
    frames: float32(drawn(batch * frames * dimensions.width, 1), [batch, frames, dimensions.width]),
    frameBias: float32(new Float32Array(batch * frames), [batch, 1, 1, frames]),
    tokens: int64(ids, [batch, tokens]),
    positions: int64(
      ids.map((_, i) => i % tokens),
      [batch, tokens],
    ),
    textBias: causalBias(tokens),
    rows: int64(ids.map((_, i) => i)),
    labels: int64([...ids].reverse()),
    weights: float32(new Float32Array(count).fill(1 / count), [count]),
  };
  /** Frames of its own, as every batch has: they are copied to the card. */
  const batches = (n: number): DeviceBatch[] =>
    Array.from({ length: n }, () => ({
      feeds: { ...feeds, frames: { ...feeds.frames!, data: feeds.frames!.data.slice() } },
      ...{ share: 1, first: true, last: true, learningRate: 1e-5, weightDecay: 0.01 },
    }));
  const steps = await runtime.deviceSteps(tuningGraph(dimensions, tuning), tunedWeights(dimensions, tuning), {
    ...ADAMW,
    accumulates: false,
  });
  const run = async (n: number) => {
    const given = batches(n);
    return (await timed(() => steps.run(given))).seconds;
  };
  const first = await run(1);
  const losses = (await steps.run(batches(2))).loss!;
  // As trainingLoop has it: twice as many while a run is short.
  const runs: { steps: number; seconds: number }[] = [];
  for (let n = 4; n <= 256; n *= 2) {
    runs.push({ steps: n, seconds: await run(n) });
    if (runs.at(-1)!.seconds > 4) break;
  }
  const [a, b] = [runs.at(-2) ?? { steps: 0, seconds: 0 }, runs.at(-1)!];
  const result = {
    /** Of the longest run, the way of the state there and back included. */
    secondsPerStep: b.seconds / b.steps,
    /** Of a further step in a run. */
    secondsPerFurtherStep: (b.seconds - a.seconds) / (b.steps - a.steps),
    firstSeconds: first,
    losses: [...losses],
    runs,
    device: runtime.device,
  };
  await steps.release();
  await runtime.close();
  return result;
}

/** Values by shape in float32, which float16's are compared with. */
const exact = new Map<string, ArrayLike<unknown>>();

/** Relative difference from float32's frames, on the same device. */
function difference(shape: string, form: PartForm, frames: Float32Array): number | undefined {
  if (form === 'float32') exact.set(shape, frames);
  const expected = exact.get(shape) as Float32Array | undefined;
  if (form === 'float32' || !expected) return undefined;
  let [squares, norm] = [0, 0];
  for (const [i, value] of expected.entries()) {
    squares += (value - frames[i]!) ** 2;
    norm += value ** 2;
  }
  return Math.sqrt(squares / norm);
}

async function encoder(
  dimensions: WhisperDimensions,
  { device, form }: { device: DeviceChoice; form: PartForm },
  clips: number,
  frames: number,
) {
  const runtime = await Runtime.open({ device });
  await storeDrawn(runtime, dimensions, /encoder\./);
  const graph = inForm(encoderGraph(dimensions, false, variantFor(form)), form);
  const program = await runtime.load(graph, { builtIn: () => true });
  const { melBins } = dimensions;
  const feeds = {
    mel: float32(drawn(clips * melBins * 2 * frames, 1), [clips, melBins, 2 * frames]),
    positions: int64(Array.from({ length: frames }, (_, i) => i)),
  };
  const times: number[] = [];
  let values = new Float32Array(0);
  for (let i = 0; i < 4; i++) {
    const { seconds, value } = await timed(() => runtime.run(program, feeds, { fetch: ['frames'] }));
    times.push(seconds);
    values = value.fetched.frames!.data as Float32Array<ArrayBuffer>;
  }
  await runtime.close();
  const seconds = median(times.slice(1));
  return {
    ...{ clips, frames, seconds, clipsPerSecond: clips / seconds, firstSeconds: times[0] },
    fromFloat32: difference(`${dimensions.width} ${clips} ${frames}`, form, values),
  };
}

/** Greedy, 40 tokens, of clips of 2.5 s in fitted windows. */
async function decoding(
  dimensions: WhisperDimensions,
  { device, form }: { device: DeviceChoice; form: Compute },
  clips: number,
) {
  const directory = mkdtempSync(join(tmpdir(), 'bench-gpu-'));
  await writeTinyModel(directory, dimensions, 1, inRepository('models/whisper-base-int8'));
  const model = await WhisperModel.load(directory, { device, compute: form });
  const sounds = Array.from({ length: clips }, (_, i) =>
    Float32Array.from({ length: 40_000 }, (_, t) => 0.1 * Math.sin(t / (5 + i))),
  );
  const work = async () => {
    const encoded = await model.encode(sounds, 'fit');
    const prompts = sounds.map(() => model.tokens.prompt('en', 'transcribe'));
    return decode(model, encoded, { prompts, maxTokens: 40 });
  };
  await work();
  const { seconds, value } = await timed(work);
  await model.close();
  rmSync(directory, { recursive: true });
  const texts = value.map(({ tokens }) => tokens.join(' '));
  const shape = `greedy ${dimensions.width}`;
  if (form === 'float32') exact.set(shape, texts);
  const expected = exact.get(shape);
  return {
    ...{ clips, seconds, tokens: value.reduce((sum, { tokens }) => sum + tokens.length, 0) },
    /** Weights drawn at random are unsure of every token: trained ones differ less. */
    textsOfFloat32: expected && texts.filter((text, i) => text === expected[i]).length,
  };
}

/** SeqSim of clips of 125 frames, all with all. */
async function retrieval(width: number, device: DeviceChoice, count: number) {
  const runtime = await Runtime.open({ device });
  const clips = Array.from({ length: count }, (_, i) => ({
    frames: drawn(125 * width, 1 + i / count),
    window: 125,
    length: 125,
    width,
  }));
  await seqSimMatrix(runtime, clips.slice(0, 16), clips.slice(0, 16));
  const { seconds } = await timed(() => seqSimMatrix(runtime, clips, clips));
  await runtime.close();
  return { clips: count, seconds, pairsPerSecond: count ** 2 / seconds };
}

async function measure({ device, shapes, seconds }: Options): Promise<void> {
  const results: Record<string, unknown> = {};
  const started = performance.now();
  const attempt = async (name: string, work: () => Promise<unknown>) => {
    const spent = (performance.now() - started) / 1000;
    const left = Number(seconds) - spent;
    results[name] =
      left > 0 ? await work().catch((error: Error) => ({ error: error.message })) : 'no time left';
    process.stderr.write(`${name}: ${JSON.stringify(results[name])?.slice(0, 300)}\n`);
  };
  const chosen = shapes.split(',');
  for (const name of chosen) {
    const dimensions = SHAPES[name];
    if (!dimensions) throw new Error(`no shape "${name}"; there are ${Object.keys(SHAPES).join(', ')}`);
    const small = name === 'tiny';
    await attempt(`step ${name}`, () => trainingSteps(dimensions, device));
    for (const form of ['float32', 'float16'] as const) {
      const numbers = form === 'float32' ? '' : ' float16';
      await attempt(`encoder ${name}${numbers}, full windows`, () =>
        encoder(dimensions, { device, form }, small ? 1 : 16, small ? 100 : 1500),
      );
      if (name === 'large-v3') continue;
      await attempt(`encoder ${name}${numbers}, windows of 175 frames`, () =>
        encoder(dimensions, { device, form }, small ? 2 : 64, 175),
      );
      await attempt(`greedy ${name}${numbers}`, () => decoding(dimensions, { device, form }, small ? 2 : 64));
    }
  }
  await attempt('retrieval', () =>
    retrieval(chosen.includes('tiny') ? 64 : 512, device, chosen.includes('tiny') ? 64 : 1000),
  );
  const memory = process.resourceUsage().maxRSS / 1e6;
  console.log(JSON.stringify({ device, ...results, hostMemoryGB: memory }));
}

await new Command('gpu')
  .option('--device <name>', 'cpu, webgpu, cuda or auto', 'auto')
  .option('--shapes <list>', `of ${Object.keys(SHAPES).join(', ')}`, 'base,small,large-v3')
  .option('--seconds <n>', 'time for all measurements', '300')
  .action((options: Options) => measure(options))
  .parseAsync();
