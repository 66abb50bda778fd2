/** Loss, terms and every gradient of the objectives against PyTorch's (scripts/golden/objectives.py), and what must hold. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type HostTensor, Runtime, reportOutput } from '../backend/runtime.ts';
import { cosine, fetchGradients } from '../testing/golden-batch.ts';
import { pseudo, tinyDimensions, tinyWeights, unit } from '../testing/tiny-model.ts';
import { audioBatch } from '../whisper/audio-batch.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { decoderWeights, trainingGraph } from '../whisper/training-graph.ts';
import { type Example, type ReadyExample, trainingBatch } from './batches.ts';
import { type Distillation, distillation } from './distillation.ts';
import { staticMatching } from './hidden-distillation.ts';
import { smoothedCrossEntropy } from './label-smoothing.ts';
import { languageWeighted } from './language-weights.ts';
import { auxiliaryWeights, crossEntropy, type Objective } from './objective.ts';
import { TEACHER_PREFIX, type Teacher } from './teacher.ts';

const golden = JSON.parse(readFileSync(new URL('./golden/objectives.json', import.meta.url), 'utf8'));

const student = { ...tinyDimensions, vocabulary: 96, decoderLayers: 2 };
const sizes = { ...tinyDimensions, vocabulary: 96, decoderLayers: 5, width: 24 };
const PROJECTION = 'distillation.projection.weight';
const END = 95;

let runtime: Runtime;
beforeAll(async () => {
  runtime = new Runtime({ threads: 1 });
  await runtime.store(tinyWeights(student, 1000));
  const beside = (prefix: string, dims: typeof sizes, seed: number) =>
    runtime.store([...tinyWeights(dims, seed)].map(([name, weight]) => [prefix + name, weight]));
  await beside(TEACHER_PREFIX, sizes, 2100);
  await runtime.store([[PROJECTION, { shape: [16, 24], data: pseudo(16 * 24, 3003, 0.8) }]]);
});
afterAll(() => runtime?.close());

const clips = ([count, window, width]: readonly [number, number, number], seed: number): EncodedClip[] => {
  const all = pseudo(count * window * width, seed, 3.4);
  return Array.from({ length: count }, (_, i) => ({
    frames: all.slice(i * window * width, (i + 1) * window * width),
    window,
    length: window,
    width,
  }));
};
const examples: ReadyExample[] = clips(golden.studentFrames, 31).map((clip, i) => ({
  clip,
  tokens: golden.texts[i],
  promptLength: golden.promptLength,
  source: { language: ['en', 'fr', 'de'][i] } as Example['source'] & {},
}));
const heard = clips(golden.teacherFrames, 32);
const teacher: Teacher = {
  dimensions: sizes,
  bytes: 0,
  encoderFeeds: async (batch) => {
    const { frames, frameBias } = audioBatch(
      batch.map((one) => heard[examples.findIndex(({ source }) => source === one.source)]!),
      undefined,
    );
    return { [`${TEACHER_PREFIX}frames`]: frames, [`${TEACHER_PREFIX}frameBias`]: frameBias };
  },
};

/** One step's loss, terms and gradients. */
async function stepOf(
  objective: Objective,
  { step = 1, steps = 1, outputIds = undefined as Int32Array | undefined, recompute = false } = {},
) {
  const names = [...decoderWeights(student), ...auxiliaryWeights(objective)];
  const graph = trainingGraph(student, names, {
    loss: objective.loss,
    withOutputIds: outputIds !== undefined,
    recompute,
  });
  fetchGradients(graph, names);
  const program = await runtime.load(graph, { builtIn: () => false });
  const { feeds } = trainingBatch(examples, undefined, END, outputIds);
  const others = await objective.feeds?.({ examples, feeds, step, steps });
  const { fetched } = await runtime.run(program, { ...feeds, ...others }, { fetch: program.outputs });
  await runtime.unload(program);
  const values = ({ data }: HostTensor): number[] => [...(data as Float32Array)];
  const number = (name: string) => values(fetched[name]!)[0]!;
  return {
    loss: number('loss'),
    terms: Object.fromEntries(
      program.outputs
        .filter((name) => name.startsWith(reportOutput('')))
        .map((name) => [name.slice(reportOutput('').length), number(name)]),
    ),
    gradients: new Map(names.map((name) => [name, values(fetched[`d:${name}`]!)])),
  };
}

const norm = (x: readonly number[]) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
/** The second text's language counts twice, as in the golden file. */
const weighted = (objective: Objective) => languageWeighted(objective, { fr: { from: 2, to: 2 } });
const distilled = (options: Partial<Distillation> = {}, from = teacher): Objective =>
  distillation(from, student.width, {
    divergence: 'kl',
    temperature: 1,
    shares: { labels: 0.1, teacher: 0.9 },
    ...options,
  });

describe('as PyTorch has it', () => {
  test.each(Object.keys(golden.cases))('%s', async (name) => {
    const { options, ...want } = golden.cases[name];
    const { smoothing, alpha, divergence, temperature, hidden, distance } = options;
    const objective =
      alpha === 0
        ? smoothedCrossEntropy(smoothing)
        : distilled({
            divergence,
            temperature,
            shares: { labels: 1 - alpha, teacher: alpha },
            labelSmoothing: smoothing,
            hidden: hidden && { matching: hidden, distance },
          });
    const { loss, terms, gradients } = await stepOf(weighted(objective));
    expect(Math.abs(loss / want.loss - 1)).toBeLessThan(1e-5);
    expect(Object.keys(terms)).toEqual(Object.keys(want.terms));
    for (const [term, value] of Object.entries(want.terms as Record<string, number>)) {
      expect(Math.abs(terms[term]! / value - 1), term).toBeLessThan(1e-5);
    }
    expect([...gradients.keys()].sort()).toEqual(Object.keys(want.gradients).sort());
    for (const [weight, [expectedNorm, samples]] of Object.entries(
      want.gradients as Record<string, [number, number[]]>,
    )) {
      const gradient = gradients.get(weight)!;
      expect(norm(gradient) / expectedNorm, `norm of ${weight}`).toBeCloseTo(1, 4);
      const found = samples.map((_, k) => gradient[Math.floor(unit(k, 101) * gradient.length)]!);
      // Positions beyond these texts have no gradient.
      if (samples.some((value) => value !== 0))
        expect(cosine(found, samples), weight).toBeGreaterThan(0.9999);
    }
  });
});

describe('what must hold', () => {
  const same = (a: Awaited<ReturnType<typeof stepOf>>, b: Awaited<ReturnType<typeof stepOf>>) => {
    expect(a.loss).toBeCloseTo(b.loss, 5);
    for (const [name, gradient] of b.gradients) {
      const difference = gradient.map((v, i) => v - a.gradients.get(name)![i]!);
      expect(norm(difference) / norm(gradient), name).toBeLessThan(1e-5);
    }
  };
  const own: Teacher = { dimensions: student, bytes: 0 };
  /** The student itself as its teacher, hearing what it hears. */
  const asTeacher = () =>
    runtime.store([...tinyWeights(student, 1000)].map(([name, weight]) => [TEACHER_PREFIX + name, weight]));
  const backAgain = () =>
    runtime.store([...tinyWeights(sizes, 2100)].map(([name, weight]) => [TEACHER_PREFIX + name, weight]));

  test('no smoothing, no share of the teacher, or weights of 1 leave cross-entropy', async () => {
    const plain = await stepOf(crossEntropy);
    same(await stepOf(smoothedCrossEntropy(0)), plain);
    same(await stepOf(distilled({ temperature: 2, shares: { labels: 1, teacher: 0 } })), plain);
    same(
      await stepOf(languageWeighted(crossEntropy, { fr: { from: 1, to: 1 }, xx: { from: 5, to: 5 } })),
      plain,
    );
  });

  test('gradients are the same where activations are computed again', async () => {
    const objective = distilled({ temperature: 2, hidden: { matching: 'dynamic', distance: 'mse' } });
    same(await stepOf(objective, { recompute: true }), await stepOf(objective));
  });

  test('a teacher that is the student is at distance 0, and gives no gradient but the labels’', async () => {
    const half = { labels: 0.5, teacher: 0.5 };
    await asTeacher();
    try {
      const plain = await stepOf(crossEntropy);
      for (const divergence of ['kl', 'js'] as const) {
        const found = await stepOf(distilled({ divergence, temperature: 2, shares: half }, own));
        expect(Math.abs(found.terms.distillation!)).toBeLessThan(1e-6);
        expect(found.loss).toBeCloseTo(0.5 * plain.loss, 5);
        for (const [name, gradient] of found.gradients) {
          expect(cosine(gradient, plain.gradients.get(name)!), name).toBeGreaterThan(0.999999);
          expect(norm(gradient) / norm(plain.gradients.get(name)!)).toBeCloseTo(0.5, 5);
        }
      }
    } finally {
      await backAgain();
    }
  });

  test('with a target vocabulary, teacher and student choose among its tokens only', async () => {
    const ids = Int32Array.from([...new Set([...golden.texts.flat(), 1, 2, 5])].sort((a, b) => a - b));
    await asTeacher();
    try {
      const found = await stepOf(distilled({ divergence: 'js' }, own), { outputIds: ids });
      expect(Math.abs(found.terms.distillation!)).toBeLessThan(1e-6);
      const few = await stepOf(crossEntropy, { outputIds: ids });
      expect(found.terms.crossEntropy).toBeCloseTo(few.loss, 5);
      expect(few.loss).toBeLessThan((await stepOf(crossEntropy)).loss);
    } finally {
      await backAgain();
    }
  });

  test('a language’s weight goes linearly from the first step to the last', async () => {
    const { feeds } = trainingBatch(examples, undefined, END);
    const objective = languageWeighted(crossEntropy, { fr: { from: 1, to: 3 } });
    const at = async (step: number) => {
      const { weights } = await objective.feeds!({ examples, feeds, step, steps: 5 });
      const rows = [...feeds.rows!.data].map((row) => Math.floor(Number(row) / feeds.tokens!.shape[1]!));
      return [0, 1, 2].map((i) => Number(weights!.data[rows.indexOf(i)]) * rows.length);
    };
    const steps = await Promise.all([1, 2, 3, 5].map(at));
    expect(steps.map((weights) => weights.map((w) => Math.round(w * 1e5) / 1e5))).toEqual([
      [1, 1, 1],
      [1, 1.5, 1],
      [1, 2, 1],
      [1, 3, 1],
    ]);
  });

  test('static matching is 2i + 1 at half the depth, and ends with the last layer at any', () => {
    expect(staticMatching(6, 12)).toEqual([1, 3, 5, 7, 9, 11]);
    expect(staticMatching(2, 6)).toEqual([2, 5]);
    expect(staticMatching(4, 4)).toEqual([0, 1, 2, 3]);
    expect(staticMatching(4, 2)).toEqual([0, 0, 1, 1]);
  });
});
