/**
 * One training step of Whisper base's decoder against PyTorch's: 16 clips × 125 encoder frames × 20 tokens, forward,
 * backward, clipping, AdamW. The peer is bench/peers/pytorch_train_step.py; both do identical work on random inputs.
 */
import { float32, int64 } from '../src/graph/runtime.ts';
import { sfc32, uniform } from '../src/random.ts';
import { causalBias } from '../src/whisper/causal-bias.ts';
import { TOKEN_EMBEDDING } from '../src/whisper/decoder.ts';
import { WhisperModel } from '../src/whisper/model.ts';
import { decoderWeights, trainingGraph } from '../src/whisper/training-graph.ts';
import type { BenchOptions } from './main.ts';
import { Peer } from './peer.ts';
import type { BenchResult } from './result.ts';
import { median, pairwise, seconds, showRatios } from './statistics.ts';

const BATCH = 16;
const FRAMES = 125;
const TOKENS = 20;
const WARM_UP_STEPS = 4;
const STEPS = 15;
const LARGEST_RATIO = 0.85;
const LARGEST_MEMORY_GB = 2.5;
const OPTIMIZER = {
  learningRate: 1e-5,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
  clipNorm: 1,
};

export async function trainStep(
  embedding: 'dense' | 'frozen',
  { model }: BenchOptions,
): Promise<BenchResult> {
  const { step, close } = await ourStep(embedding, model);
  for (let i = 0; i < WARM_UP_STEPS; i++) await step();
  const sizes = ['--batch', BATCH, '--frames', FRAMES, '--tokens', TOKENS].map(String);
  const peer = await Peer.start('pytorch_train_step.py', [
    '--model',
    model,
    ...sizes,
    '--embedding',
    embedding,
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
    title: `A training step, ${embedding} embedding: ${BATCH} clips × ${FRAMES} frames × ${TOKENS} tokens`,
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
        goal: `at most ${LARGEST_RATIO} of PyTorch's time`,
        found: ratio?.toFixed(2) ?? 'no peer',
        reached: ratio === undefined ? undefined : ratio <= LARGEST_RATIO,
      },
      {
        goal: `less than ${LARGEST_MEMORY_GB} GB of memory`,
        found: `${memory.toFixed(2)} GB`,
        reached: memory < LARGEST_MEMORY_GB,
      },
    ],
    notes: [
      typeof peer === 'string' ? peer : `peer: PyTorch ${peer.versions.torch}, AdamW "${peer.facts.adamw}"`,
    ],
    ...(typeof peer !== 'string' && { peerVersions: peer.versions }),
    raw: { ours, peer: theirs, memoryGB: memory, peerMemoryGB: peerMemory },
  };
}

interface StepSeconds {
  readonly total: number;
  readonly gradients: number;
  readonly update: number;
}

/** A step as `trainDecoder` makes it. */
async function ourStep(embedding: 'dense' | 'frozen', directory: string) {
  const model = await WhisperModel.load(directory);
  const { runtime, dimensions } = model;
  const trained = decoderWeights(dimensions).filter(
    (name) => embedding === 'dense' || name !== TOKEN_EMBEDDING,
  );
  await runtime.createAdamW(trained);
  const program = await runtime.load(trainingGraph(dimensions, trained), { builtIn: () => false });
  const random = sfc32(0);
  const next = () => uniform(random);
  const id = () => Math.floor(next() * 50_257);
  const count = BATCH * TOKENS;
  const frames = Float32Array.from({ length: BATCH * FRAMES * dimensions.width }, () => normal(next));
  const feeds = {
    frames: float32(frames, [BATCH, FRAMES, dimensions.width]),
    frameBias: float32(new Float32Array(BATCH * FRAMES), [BATCH, 1, 1, FRAMES]),
    tokens: int64(Array.from({ length: count }, id), [BATCH, TOKENS]),
    positions: int64(
      Array.from({ length: count }, (_, i) => i % TOKENS),
      [BATCH, TOKENS],
    ),
    textBias: causalBias(TOKENS),
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

/** Box–Muller. */
function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
