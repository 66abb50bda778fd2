/**
 * The whole experiment: retrieval shows that languages share one space in Whisper's encoder; the decoder is then
 * fine-tuned on English speech with texts in one language only, Chinese at first; and speech in other languages is
 * translated before and after.
 */
import { join } from 'node:path';
import { abortable } from '../abort.ts';
import { type Clip, referenceIn } from '../data/clip.ts';
import { decode } from '../decoding/decode.ts';
import { encodeFiles } from '../features/encoded-clips.ts';
import { lockFolder } from '../files/lock.ts';
import { readBytes } from '../files/read.ts';
import { writeJson, writeWhole } from '../files/write-whole.ts';
import { languageProfile } from '../language/profile.ts';
import { chrfFromStatistics, chrfStatistics } from '../metrics/chrf.ts';
import type { Statistics } from '../metrics/corpus.ts';
import { bootstrap } from '../metrics/significance.ts';
import { type TranslationScores, translationScores } from '../metrics/translation-scores.ts';
import { machine } from '../report/machine.ts';
import { packageVersion } from '../report/package-version.ts';
import { stageProgress, type WorkOptions } from '../report/progress.ts';
import { meanPoolMatrix } from '../retrieval/mean-pool.ts';
import { recall, transposed } from '../retrieval/recall.ts';
import { seqSimMatrix } from '../retrieval/seq-sim.ts';
import { defaultTraining } from '../training/choices.ts';
import { translationExamples } from '../training/examples.ts';
import { saveModel } from '../training/save.ts';
import { trainDecoder } from '../training/train.ts';
import type { EncodedClip } from '../whisper/encoded-clip.ts';
import { WhisperModel } from '../whisper/model.ts';
import { promptOf } from '../whisper/prompts.ts';
import { demoData, type TestSet } from './data.ts';
import { demoReport } from './page.ts';
import type { DemoResults, DemoScores, TranslationExample } from './results.ts';

export interface DemoOptions extends Pick<WorkOptions, 'onProgress' | 'signal'> {
  readonly model: string;
  readonly manifest: string;
  /** Language to translate into. */
  readonly target: string;
  readonly output: string;
  readonly steps: number;
  readonly trainingClips: number;
  readonly testClips: number;
  readonly seed: number;
}

const RETRIEVAL_PAIRS = [
  ['ca', 'en'],
  ['fr', 'en'],
  ['fr', 'ca'],
] as const;
const HEAT_MAP_SIZE = 40;
const EXAMPLES_PER_SET = 3;
/** Frames of a training batch: 16 clips of 5 s, or fewer longer ones. Keeps the demo below 3 GB. */
const MAX_FRAMES = 5_000;
/** Longer than any reference; an untuned decoder that loops is cut off there. */
const MAX_TOKENS = 56;

export function runDemo(options: DemoOptions): Promise<DemoResults> {
  return abortable(options.signal, () => lockFolder(options.output, () => run(options)));
}

async function run(options: DemoOptions): Promise<DemoResults> {
  const seconds: Record<string, number> = {};
  let stageStart = performance.now();
  const endStage = (name: string): void => {
    const now = performance.now();
    seconds[name] = (now - stageStart) / 1000;
    stageStart = now;
  };

  const { target } = options;
  const data = await demoData(options.manifest, target, options);
  const model = await WhisperModel.load(options.model);
  try {
    const prompt = promptOf(model.tokens, 'target-transcribe', target, 'en');
    endStage('load model');

    const encoded = new Map<Clip, EncodedClip>();
    const encode = async (label: string, clips: readonly Clip[]): Promise<void> => {
      const missing = [...new Set(clips)].filter((clip) => !encoded.has(clip));
      const files = missing.map(({ audio }) => audio);
      const outputs = await encodeFiles(model, files, {
        window: 'fit',
        cache: undefined, // the demo shows what a first run costs
        onProgress: stageProgress(options, label, missing.length),
      });
      for (const [i, clip] of missing.entries()) encoded.set(clip, outputs[i]!);
    };
    const at = (clips: readonly Clip[]): EncodedClip[] => clips.map((clip) => encoded.get(clip)!);

    await encode('encoding parallel speech', [...data.parallel.values()].flat());
    endStage('encode parallel speech');
    const { retrieval, similarity } = await retrieveAll(model, data.parallel, at);
    // Frees the clips that only retrieval needed.
    const needed = new Set([...data.tests.flatMap((set) => set.clips), ...data.training]);
    for (const clip of encoded.keys()) if (!needed.has(clip)) encoded.delete(clip);
    endStage('retrieval');

    await encode(
      'encoding test speech',
      data.tests.flatMap(({ clips }) => clips),
    );
    await encode('encoding training speech', data.training);
    await model.releaseEncoder();
    endStage('encode test and training speech');

    const translate = async (label: string): Promise<Map<TestSet, string[]>> => {
      const clips = data.tests.flatMap((set) => set.clips);
      const texts = await decode(model, at(clips), {
        prompts: clips.map(() => prompt),
        maxTokens: MAX_TOKENS,
        stopLoops: true,
        onProgress: stageProgress(options, label, clips.length),
      });
      let next = 0;
      return new Map(data.tests.map((set) => [set, set.clips.map(() => texts[next++]!.text)]));
    };
    const before = await translate('translating, before training');
    endStage('translate before');

    const training = {
      ...defaultTraining,
      steps: options.steps,
      seed: options.seed,
      maxFrames: MAX_FRAMES,
    };
    const examples = translationExamples(
      model,
      data.training.map((clip) => ({ clip, encoded: encoded.get(clip)! })),
      { target, promptOf: () => prompt },
    );
    const progress = stageProgress(options, 'training the decoder on English only', options.steps);
    const loss = await trainDecoder(model, examples, {
      ...training,
      onStep: ({ step, loss, tokens, seconds }) => {
        progress(step, `loss ${loss.toFixed(2)}  ${(tokens / seconds).toFixed(0)} tokens/s`);
        return undefined;
      },
    });
    endStage('train');

    const after = await translate('translating, after training');
    endStage('translate after');
    await saveModel(model, join(options.output, 'model'), {
      prompt: { target, kind: 'target-transcribe' },
      dtype: 'float16',
    });
    endStage('save model');

    const scored = await Promise.all(
      data.tests.map((set) => score(set, target, before.get(set)!, after.get(set)!)),
    );
    const results: DemoResults = {
      version: packageVersion,
      machine: await machine(),
      model: 'Whisper base (multilingual), int8 weights',
      settings: {
        steps: loss.length,
        batch: training.batchSize,
        learningRate: training.learningRate,
        seed: training.seed,
        trainClips: examples.length,
        target,
        prompt: `<|${languageProfile(target).base}|><|transcribe|>`,
        warmupSteps: training.warmupSteps,
        embedding: training.embedding,
        window: 'fit',
      },
      seconds,
      peakMemoryMb: process.resourceUsage().maxRSS / 1000,
      retrieval,
      similarity,
      transfer: scored.map(({ result }) => result),
      examples: (
        await Promise.all(data.tests.map((set) => examplesOf(set, target, before.get(set)!, after.get(set)!)))
      ).flat(),
      loss: loss.map(({ step, loss, learningRate, tokens, seconds }) => ({
        step,
        loss,
        learningRate,
        tokensPerSecond: tokens / seconds,
      })),
      signatures: scored[0]!.signatures,
    };
    await writeJson(join(options.output, 'results.json'), results, 1);
    await writeWhole(join(options.output, 'report.html'), demoReport(results));
    return results;
  } finally {
    await model.close();
  }
}

type Retrieved = Pick<DemoResults, 'retrieval' | 'similarity'>;

/** Retrieval of each utterance's translation among those of the other language, in both directions. */
async function retrieveAll(
  model: WhisperModel,
  parallel: ReadonlyMap<string, readonly Clip[]>,
  at: (clips: readonly Clip[]) => EncodedClip[],
): Promise<Retrieved> {
  const retrieved: Retrieved = { retrieval: [], similarity: [] };
  for (const [from, to] of RETRIEVAL_PAIRS) {
    const targetsByKey = new Map(parallel.get(to)!.map((clip) => [clip.key, clip]));
    const sources = parallel.get(from)!.filter(({ key }) => targetsByKey.has(key));
    const targets = sources.map(({ key }) => targetsByKey.get(key)!);
    const n = sources.length;
    const seqSim = await seqSimMatrix(model.runtime, at(sources), at(targets));
    const meanPool = await meanPoolMatrix(model.runtime, at(sources), at(targets));
    const answers = sources.map((_, i) => i);
    const add = (source: string, target: string, similarity: Float32Array, pooled: Float32Array): void => {
      const { r1, r5, chance } = recall(similarity, n, n, answers);
      const { r1: meanPoolR1 } = recall(pooled, n, n, answers);
      retrieved.retrieval.push({ from: source, to: target, n, r1, r5, chance, meanPoolR1 });
    };
    add(from, to, seqSim, meanPool);
    add(to, from, transposed(seqSim, n, n), transposed(meanPool, n, n));
    const shown = answers.slice(0, HEAT_MAP_SIZE);
    retrieved.similarity.push({
      from,
      to,
      keys: shown.map((i) => sources[i]!.key),
      matrix: shown.map((i) => shown.map((j) => Number(seqSim[i * n + j]!.toFixed(4)))),
    });
  }
  return retrieved;
}

async function score(set: TestSet, target: string, before: string[], after: string[]) {
  const references = set.clips.map((clip) => referenceIn(clip, target));
  const first = await translationScores(before, references, target);
  const second = await translationScores(after, references, target);
  const plain = ({ bleu, chrf, offTarget = Number.NaN }: TranslationScores): DemoScores => ({
    bleu,
    chrf,
    offTarget,
  });
  const form = languageProfile(target).reference;
  const statistics = (texts: string[]) => chrfStatistics(texts.map(form), [references.map(form)]);
  const { group, language, name, voice } = set;
  return {
    result: {
      group,
      language,
      name,
      voice,
      n: set.clips.length,
      before: plain(first),
      after: plain(second),
      chrfGain: chrfGain(statistics(before), statistics(after)),
    },
    signatures: second.signatures,
  };
}

/** 95 % interval of the difference, resampling sentences of both systems together. */
function chrfGain(
  before: readonly Statistics[],
  after: readonly Statistics[],
): { low: number; high: number } {
  const both = before.map((row, i) => [...row, ...after[i]!]);
  const width = before[0]!.length;
  const chrf = (total: Statistics): number => chrfFromStatistics(total).score;
  const { low, high } = bootstrap(both, (total) => chrf(total.slice(width)) - chrf(total.slice(0, width)));
  return { low, high };
}

/** Examples taken evenly over the test set, without regard to their scores. */
async function examplesOf(
  set: TestSet,
  target: string,
  before: string[],
  after: string[],
): Promise<TranslationExample[]> {
  const picked = Array.from({ length: EXAMPLES_PER_SET }, (_, i) =>
    Math.floor(((i + 0.5) * set.clips.length) / EXAMPLES_PER_SET),
  );
  return Promise.all(
    picked.map(async (i) => {
      const clip = set.clips[i]!;
      const audio = `data:audio/ogg;base64,${(await readBytes(clip.audio, 'a recording')).toString('base64')}`;
      return {
        group: set.group,
        language: set.name,
        voice: set.voice,
        audio,
        english: referenceIn(clip, 'en'),
        source: clip.text,
        reference: referenceIn(clip, target),
        before: before[i]!,
        after: after[i]!,
      };
    }),
  );
}
