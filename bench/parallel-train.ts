/**
 * What a worker is worth to a training, and what it costs: LoRA of rank 16 with 8 batches of 16 clips a step, the coordinator
 * with one thread and a worker with one, and a Redis on this machine. Steps alone and shared take turns in one run. Needs
 * redis-server and two cores.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { TrainingCluster } from '../src/cluster/train.ts';
import { writeManifest } from '../src/data/manifest-write.ts';
import { UserError } from '../src/errors.ts';
import { command, hasRedis, TestRedis } from '../src/testing/cluster.ts';
import type { StepHere } from '../src/training/loop.ts';
import { readRecipe } from '../src/training/recipe-source.ts';
import type { ShareBatches } from '../src/training/train.ts';
import { train } from '../src/training/train-recipe.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { clipsOf } from './speech.ts';
import { median, pairwise, percent, seconds, showRatios } from './statistics.ts';

const CLIPS = 128;
const BATCHES = 8;
const PAIRS = 8;
/** Steps before the worker may be there. */
const MOST_BEFORE = 40;
const GOAL = 0.65;

interface Measured {
  readonly seconds: number;
  /** Processor time of this process. */
  readonly cpu: number;
  /** Batches that the worker computed. */
  readonly elsewhere: number;
}

export async function parallelTrain({ model }: BenchOptions): Promise<BenchResult> {
  if (!hasRedis) throw new UserError('redis-server is not here; expected it');
  // Of this process, as of the worker's.
  process.env.WHISPER_TRANSFER_THREADS = '1';
  const folder = inRepository('out/bench/parallel-train');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const manifest = join(folder, 'clips.tsv');
  await writeManifest(manifest, (await clipsOf('train', 'en')).slice(0, CLIPS));
  const [cache, output] = [join(folder, 'cache'), join(folder, 'model')];
  const encoded = await command(['encode', manifest, '--model', model, '--cache', cache]).ended;
  if (encoded.code !== 0) throw new UserError(encoded.errors);
  const recipe = await readRecipe({
    ...{ model, output, target: 'zh', data: { corpora: [{ manifest }], cache } },
    tune: { lora: { rank: 16 } },
    optimizer: { batchSize: 16, accumulate: BATCHES, steps: MOST_BEFORE + 2 * PAIRS },
  });
  const redis = new TestRedis(folder);
  await redis.start();
  const worker = command(['worker', '--redis', redis.url]);
  const cluster = await TrainingCluster.open(redis.url, recipe, {});
  const [alone, shared]: Measured[][] = [[], []];
  let bytes = 0;
  const isThere = () => sharing?.note() === '1 worker';
  let sharing: Awaited<ReturnType<typeof cluster.begin>> | undefined;
  let first: number | undefined;
  let elsewhere = 0;
  /** Counts what comes from the worker. */
  const counted = (share: ShareBatches): ShareBatches =>
    async function* (step, here) {
      for await (const batch of share(step, here)) {
        if ('record' in batch) {
          elsewhere++;
          bytes = batch.gradient.byteLength;
        }
        yield batch;
      }
    };
  const allHere = async function* (_: number, here: StepHere) {
    for (let place = 0; place < BATCHES; place++) yield here.compute(place);
  };
  let cpu = process.cpuUsage();
  try {
    await train(recipe, {
      sharing: async (training) => {
        const begun = await cluster.begin(training);
        sharing = begun;
        return {
          ...begun,
          share: (step, here) => {
            if (first === undefined && isThere()) first = step;
            const isShared = first === undefined || (step - first) % 2 === 1;
            elsewhere = 0;
            cpu = process.cpuUsage();
            return (isShared ? counted(begun.share) : allHere)(step, here);
          },
        };
      },
      onStep: (report) => {
        if (first === undefined || report.step < first) return undefined;
        const { user, system } = process.cpuUsage(cpu);
        const measured = { seconds: report.seconds, cpu: (user + system) / 1e6, elsewhere };
        ((report.step - first) % 2 === 1 ? shared : alone)!.push(measured);
        return shared!.length === PAIRS ? 'stop' : undefined;
      },
    });
  } finally {
    await cluster.close();
    worker.process.kill('SIGTERM');
    await worker.ended;
    redis.kill();
  }
  rmSync(folder, { recursive: true, force: true });
  const of = (steps: readonly Measured[] | undefined, key: keyof Measured) => steps!.map((one) => one[key]);
  if (shared!.length < PAIRS) throw new UserError('the worker did not come in time');
  const ratios = pairwise(of(shared, 'seconds'), of(alone, 'seconds'));
  const theirs = of(shared, 'elsewhere').reduce((sum, count) => sum + count, 0) / (PAIRS * BATCHES);
  const perBatch = median(of(alone, 'cpu')) / BATCHES;
  return {
    title: `LoRA of rank 16, ${BATCHES} batches of 16 clips a step, one thread alone and with a worker of one thread`,
    rows: [
      { measure: 'step alone', ours: seconds(median(of(alone, 'seconds'))) },
      {
        measure: 'step with a worker',
        ours: seconds(median(of(shared, 'seconds'))),
        ratio: showRatios(ratios),
      },
      { measure: 'processor time of a batch', ours: seconds(perBatch) },
      { measure: 'batches of the worker', ours: percent(theirs) },
      {
        measure: 'through Redis a step',
        ours: `${((bytes * (1 + theirs * BATCHES)) / 1e6).toFixed(1)} MB to it, as much from it`,
      },
    ],
    goals: [
      {
        goal: `a step in ${GOAL} of the time, where both cores are free`,
        found: ratios.median.toFixed(2),
        reached: ratios.median <= GOAL,
      },
    ],
    notes: [],
    raw: { alone, shared, bytes },
  };
}
