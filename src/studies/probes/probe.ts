/** Probes: small classifiers trained on an encoder's frozen layers. */
import type { Program, Runtime } from '../../backend/runtime.ts';
import { float32 } from '../../backend/runtime.ts';
import type { Weight } from '../../checkpoint/checkpoint.ts';
import { sfc32, shuffle } from '../../random.ts';
import { scheduledRate, trainingLoop } from '../../training/loop.ts';
import type { LoadFeatures } from './feature-files.ts';
import {
  type HeadKind,
  type HeadShape,
  headFeeds,
  headGraph,
  headTrainingGraph,
  headWeights,
  initialHead,
} from './head.ts';
import type { LayerFeatures } from './layer-features.ts';

export interface ProbeExample {
  readonly features: LoadFeatures;
  /** Index of the class. */
  readonly label: number;
}

export interface ProbeOptions {
  readonly head: HeadKind;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly seed: number;
}

export const defaultProbe: ProbeOptions = {
  head: 'linear',
  steps: 300,
  batchSize: 32,
  learningRate: 1e-3,
  weightDecay: 0.01,
  seed: 1,
};

/** A trained head. */
export interface Head {
  readonly shape: HeadShape;
  readonly weights: ReadonlyMap<string, Weight>;
}

/**
 * Trains a head on the features of labelled clips.
 * @param layer probes this layer only, in place of a sum of all
 * @param onStep called with steps done and loss
 */
export async function trainProbe(
  runtime: Runtime,
  examples: readonly ProbeExample[],
  classes: number,
  options: ProbeOptions,
  layer?: number,
  onStep?: (step: number, loss: number) => void,
): Promise<{ head: Head; losses: number[] }> {
  const { layers, width } = await examples[0]!.features();
  const shape: HeadShape = { kind: options.head, layers: layer === undefined ? layers : 1, width, classes };
  await runtime.store(initialHead(shape, options.seed));
  const names = [...headWeights(shape).keys()];
  const batches = shuffledBatches(examples.length, options.batchSize, options.seed);
  const losses: number[] = [];
  const { steps, learningRate, weightDecay } = options;
  await trainingLoop(runtime, {
    ...{ graph: headTrainingGraph(shape), trained: names, steps, weightDecay },
    learningRate: (step) => scheduledRate(step, { steps, learningRate, warmupSteps: 0 }),
    batch: async () => {
      const batch = batches.next().value.map((i) => examples[i]!);
      const targets = new Float32Array(batch.length * classes);
      batch.forEach(({ label }, i) => {
        targets[i * classes + label] = 1 / batch.length;
      });
      const features = await Promise.all(batch.map((example) => example.features()));
      const feeds = { ...headFeeds(features, layer), targets: float32(targets, [batch.length, classes]) };
      return { feeds, weight: 1 };
    },
    onStep: ({ step, loss }) => {
      losses.push(loss);
      onStep?.(step, loss);
      return undefined;
    },
  });
  const values = await runtime.read(names);
  const weights = new Map(
    names.map((name, i) => [name, { shape: values[i]!.shape, data: values[i]!.data as Float32Array }]),
  );
  return { head: { shape, weights }, losses };
}

/** Batches of indices below `count`, each index once before any comes again; smaller than `size` only where `count` is. */
function* shuffledBatches(count: number, size: number, seed: number): Generator<number[], never> {
  const random = sfc32(seed);
  let pool: number[] = [];
  while (true) {
    const batch: number[] = [];
    while (batch.length < Math.min(size, count)) {
      if (pool.length === 0) pool = shuffle([...Array(count).keys()], random);
      batch.push(pool.pop()!);
    }
    yield batch;
  }
}

/** Clips classified at once. */
const BATCH = 32;

/** A compiled head. */
export class Classifier {
  private constructor(
    private readonly runtime: Runtime,
    private readonly program: Program,
    private readonly layer: number | undefined,
  ) {}

  static async create(runtime: Runtime, { shape, weights }: Head, layer?: number): Promise<Classifier> {
    // Copies: the runtime takes ownership of its inputs.
    const own = [...weights].map(
      ([name, { shape: dims, data }]) => [name, { shape: dims, data: data.slice() }] as const,
    );
    await runtime.store(own);
    return new Classifier(runtime, await runtime.load(headGraph(shape), { builtIn: () => true }), layer);
  }

  close(): Promise<void> {
    return this.runtime.unload(this.program);
  }

  /** The likeliest class of each clip. */
  async classify(clips: readonly LoadFeatures[]): Promise<number[]> {
    const answers: number[] = [];
    for (let start = 0; start < clips.length; start += BATCH) {
      const batch: LayerFeatures[] = await Promise.all(
        clips.slice(start, start + BATCH).map((load) => load()),
      );
      const { fetched } = await this.runtime.run(this.program, headFeeds(batch, this.layer), {
        fetch: ['logits'],
      });
      const { data, shape } = fetched.logits!;
      const classes = shape[1]!;
      batch.forEach((_, i) => {
        const row = (data as Float32Array).subarray(i * classes, (i + 1) * classes);
        answers.push(row.indexOf(row.reduce((a, b) => Math.max(a, b))));
      });
    }
    return answers;
  }
}
