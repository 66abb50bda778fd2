/**
 * What int8 outputs in the cache cost: R@1 of retrieval and the loss of a training run, with the same of float16, and the size
 * of both on disk. Recordings of samples/, the embedded model.
 */
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readManifest } from '../src/data/manifest.ts';
import { CACHE_DTYPES, type CacheDtype } from '../src/features/encoded-record.ts';
import { startProgress } from '../src/report/progress.ts';
import { retrieve } from '../src/retrieval/retrieve.ts';
import { train } from '../src/training/train-recipe.ts';
import type { BenchOptions } from './options.ts';
import { type BenchResult, inRepository } from './result.ts';
import { percent } from './statistics.ts';

const STEPS = 30;
/** Of all queries: more would be a loss of quality. */
const MAX_LOST = 0.01;
const MAX_LOSS_DIFFERENCE = 0.02;

interface Found {
  readonly r1: number;
  readonly queries: number;
  readonly loss: number;
  readonly devLoss: number;
  readonly bytes: number;
}

export async function cacheDtype({ model, clips: most }: BenchOptions): Promise<BenchResult> {
  const folder = inRepository('out/bench/cache-dtype');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const found = new Map<CacheDtype, Found>();
  for (const dtype of CACHE_DTYPES) found.set(dtype, await measure(dtype, model, join(folder, dtype), most));
  rmSync(folder, { recursive: true, force: true });
  const [exact, rounded] = CACHE_DTYPES.map((dtype) => found.get(dtype)!) as [Found, Found];
  const lost = exact.r1 - rounded.r1;
  const difference = Math.abs(rounded.devLoss - exact.devLoss);
  const row = (measure: string, value: (of: Found) => string) => ({
    measure,
    ours: `float16 ${value(exact)}, int8 ${value(rounded)}`,
  });
  return {
    title: 'Encoder outputs kept as float16 and as int8',
    rows: [
      row(`R@1 Catalan → English, ${exact.queries} queries`, ({ r1 }) => percent(r1)),
      row(`loss after ${STEPS} steps (mean of the last ten)`, ({ loss }) => loss.toFixed(4)),
      row('dev loss', ({ devLoss }) => devLoss.toFixed(4)),
      row('cache', ({ bytes }) => `${(bytes / 1e6).toFixed(1)} MB`),
    ],
    goals: [
      {
        goal: `R@1 falls by at most ${percent(MAX_LOST)}`,
        found: percent(lost),
        reached: lost <= MAX_LOST,
      },
      {
        goal: `dev loss within ${MAX_LOSS_DIFFERENCE}`,
        found: difference.toFixed(4),
        reached: difference <= MAX_LOSS_DIFFERENCE,
      },
    ],
    notes: [],
    raw: Object.fromEntries(found),
  };
}

async function measure(dtype: CacheDtype, model: string, folder: string, most: number): Promise<Found> {
  const manifest = inRepository('samples/manifest.tsv');
  const cache = join(folder, 'cache');
  const all = await readManifest(manifest);
  const chosen = ['ca', 'en'].flatMap((language) =>
    all.filter((clip) => clip.language === language && clip.set === 'intro').slice(0, most),
  );
  const { pairs } = await retrieve({
    ...{ clips: chosen, from: 'ca', to: 'en', methods: 'seqsim', model, cache, cacheDtype: dtype },
  });
  const { variants, keys } = pairs[0]!;
  const bytes = readdirSync(cache, { recursive: true, encoding: 'utf8' }).reduce(
    (sum, name) => sum + (name.endsWith('.shard') ? statSync(join(cache, name)).size : 0),
    0,
  );
  const progress = startProgress(`training on ${dtype} outputs`, STEPS);
  const { loss, evaluations } = await train(
    {
      ...{ model, output: join(folder, 'out'), target: 'zh' },
      data: { corpora: [{ manifest, set: 'train', language: 'en' }], cache, cacheDtype: dtype },
      optimizer: { steps: STEPS, batchSize: 8, warmup: 5, learningRate: 5e-5 },
      dev: { set: 'dev', every: STEPS, clips: 16 },
    },
    { onStep: ({ step }) => progress.update(step) },
  );
  progress.done();
  return { r1: variants[0]!.r1.value, queries: keys.length, loss, devLoss: evaluations.at(-1)!.loss, bytes };
}
