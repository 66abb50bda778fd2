/**
 * One training step of Whisper base against PyTorch's: 16 clips × 125 encoder frames × 20 tokens, forward, backward,
 * clipping, AdamW; of the decoder, of adapters, or of all weights (then from log-mel). The peer is bench/peers/pytorch_train_step.py; both do identical work on random inputs.
 */
import { float32, type HostTensor, int64 } from '../src/backend/runtime.ts';
import type { WhisperDimensions } from '../src/checkpoint/dimensions.ts';
import { sfc32, uniform } from '../src/random.ts';
import { createLora } from '../src/training/lora.ts';
import {
  type Tuning,
  tunedWeights,
  tunesEncoder,
  tuningAdapters,
  tuningGraph,
} from '../src/training/tuned-weights.ts';
import { causalBias } from '../src/whisper/causal-bias.ts';
import { noSilenceFeeds } from '../src/whisper/mel-batch.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import type { BenchOptions } from './options.ts';
import { Peer } from './peer.ts';
import type { BenchResult } from './result.ts';
import { median, pairwise, seconds, showRatios } from './statistics.ts';

const BATCH = 16;
const FRAMES = 125;
const TOKENS = 20;
const WARM_UP_STEPS = 4;
const STEPS = 15;
const MAX_MEMORY_GB = 2.5;
const OPTIMIZER = {
  learningRate: 1e-5,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  clipNorm: 1,
};

export async function trainStep(
  tuning: Tuning,
  largestRatio: number,
  { model }: BenchOptions,
): Promise<BenchResult> {
  const { part, embedding, lora } = tuning;
  const { step, close } = await ourStep(tuning, model, { batch: BATCH, frames: FRAMES, tokens: TOKENS });
  for (let i = 0; i < WARM_UP_STEPS; i++) await step();
  const sizes = ['--batch', BATCH, '--frames', FRAMES, '--tokens', TOKENS].map(String);
  const peer = await Peer.start('pytorch_train_step.py', [
    '--model',
    model,
    ...sizes,
    '--embedding',
    embedding,
    '--tune',
    part,
    '--lora',
    String(lora?.rank ?? 0),
  ]);
  const ours: StepSeconds[] = [];
  const theirs: StepSeconds[] = [];
  for (let i = 0; i < STEPS; i++) {
    ours.push(await step());
    if (typeof peer === 'string') continue;
    const reply = await peer.step();
    theirs.push({
      total: reply.seconds,
      gradients: reply.forward_backward_seconds as number,
      update: reply.update_seconds as number,
    });
  }
  // In kilobytes, on every platform.
  const memory = process.resourceUsage().maxRSS / 1e6;
  const peerMemory = typeof peer === 'string' ? undefined : ((await peer.stop()) * 2 ** 20) / 1e9;
  await close();
  const row = (measure: string, part: keyof StepSeconds) => ({
    measure,
    ours: seconds(median(ours.map((s) => s[part]))),
    ...(theirs.length > 0 && {
      peer: seconds(median(theirs.map((s) => s[part]))),
      ratio: showRatios(
        pairwise(
          ours.map((s) => s[part]),
          theirs.map((s) => s[part]),
        ),
      ),
    }),
  });
  const ratio =
    theirs.length > 0
      ? pairwise(
          ours.map((s) => s.total),
          theirs.map((s) => s.total),
        ).median
      : undefined;
  return {
    title: `A training step, ${part}${lora ? `, LoRA of rank ${lora.rank}` : `, ${embedding} embedding`}: ${BATCH} clips × ${FRAMES} frames × ${TOKENS} tokens`,
    rows: [
      row('step', 'total'),
      row('forward and backward', 'gradients'),
      row('clipping and AdamW', 'update'),
      {
        measure: 'peak memory',
        ours: `${memory.toFixed(2)} GB`,
        ...(peerMemory && { peer: `${peerMemory.toFixed(2)} GB`, ratio: (memory / peerMemory).toFixed(2) }),
      },
    ],
    goals: [
      {
        goal: `at most ${largestRatio} of PyTorch's time`,
        found: ratio?.toFixed(2) ?? 'no peer',
        reached: ratio === undefined ? undefined : ratio <= largestRatio,
      },
      {
        goal: `less than ${MAX_MEMORY_GB} GB of memory`,
        found: `${memory.toFixed(2)} GB`,
        reached: memory < MAX_MEMORY_GB,
      },
    ],
    notes: [
      typeof peer === 'string' ? peer : `peer: PyTorch ${peer.versions.torch}, AdamW "${peer.facts.adamw}"`,
    ],
    ...(typeof peer !== 'string' && { peerVersions: peer.versions }),
    raw: { ours, peer: theirs, memoryGB: memory, peerMemoryGB: peerMemory },
  };
}

export interface StepSeconds {
  readonly total: number;
  readonly gradients: number;
  readonly update: number;
}

export interface StepSize {
  readonly batch: number;
  /** Encoder frames of each clip. */
  readonly frames: number;
  /** Tokens of each text. */
  readonly tokens: number;
}

/** A step as `trainDecoder` makes it, on random inputs. */
export async function ourStep(tuning: Tuning, directory: string, size: StepSize) {
  const model = await WhisperModel.load(directory);
  const { runtime, dimensions } = model;
  const trained = tunedWeights(dimensions, tuning);
  const adapters = tuningAdapters(dimensions, tuning);
  if (adapters) await createLora(model, adapters, 1);
  await runtime.createAdamW(trained);
  const program = await runtime.load(tuningGraph(dimensions, tuning), { builtIn: () => false });
  const random = sfc32(0);
  const next = () => uniform(random);
  const id = () => Math.floor(next() * 50_257);
  const { batch, frames, tokens } = size;
  const count = batch * tokens;
  const feeds: Record<string, HostTensor> = {
    ...(tunesEncoder(tuning) ? randomMel(dimensions, size, next) : randomFrames(dimensions, size, next)),
    frameBias: float32(new Float32Array(batch * frames), [batch, 1, 1, frames]),
    tokens: int64(Array.from({ length: count }, id), [batch, tokens]),
    positions: int64(
      Array.from({ length: count }, (_, i) => i % tokens),
      [batch, tokens],
    ),
    textBias: causalBias(tokens),
    rows: int64(Array.from({ length: count }, (_, i) => i)),
    labels: int64(Array.from({ length: count }, id)),
    weights: float32(new Float32Array(count).fill(1 / count), [count]),
  };
  return {
    step: async (): Promise<StepSeconds> => {
      const started = performance.now();
      await runtime.run(program, feeds, { fetch: ['loss'] });
      const middle = performance.now();
      await runtime.stepAdamW(OPTIMIZER);
      const end = performance.now();
      return {
        total: (end - started) / 1000,
        gradients: (middle - started) / 1000,
        update: (end - middle) / 1000,
      };
    },
    close: () => model.close(),
  };
}

function randomFrames({ width }: WhisperDimensions, { batch, frames }: StepSize, next: () => number) {
  const values = Float32Array.from({ length: batch * frames * width }, () => normal(next));
  return { frames: float32(values, [batch, frames, width]) };
}

/** Random log-mel, without silence beside or after the clips: the peer has none. */
function randomMel(
  dimensions: WhisperDimensions,
  { batch, frames }: StepSize,
  next: () => number,
): Record<string, HostTensor> {
  const { melBins, width } = dimensions;
  const mel = Float32Array.from({ length: batch * melBins * 2 * frames }, () => normal(next));
  return {
    mel: float32(mel, [batch, melBins, 2 * frames]),
    audioPositions: int64(Array.from({ length: frames }, (_, i) => i)),
    tail: float32(new Float32Array(0), [batch, 0, width]),
    ...noSilenceFeeds(dimensions, batch, frames),
  };
}

/** Box–Muller. */
function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
