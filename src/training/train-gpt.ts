/** Trains a small GPT on a text and saves it as ONNX with its tokenizer, as language-model/causal.ts reads it. */
import { join } from 'node:path';
import { abortable } from '../abort.ts';
import { float32, type HostTensor, int64, Runtime } from '../backend/runtime.ts';
import { UserError } from '../errors.ts';
import { largest } from '../extremes.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { readSentences } from '../files/read.ts';
import { checkWritable, writeFiles } from '../files/write-whole.ts';
import { writeOnnx } from '../graph/onnx.ts';
import { learnBytePairs } from '../language-model/byte-pairs.ts';
import { NORMALIZED_TEXT, newTokenizer } from '../language-model/causal.ts';
import {
  type GptDimensions,
  gptInferenceGraph,
  gptTrainingGraph,
  gptWeights,
  initialGptWeights,
} from '../language-model/gpt.ts';
import { textOfWords, wordsOfLines } from '../language-model/words.ts';
import { sfc32, shuffle } from '../random.ts';
import type { WorkOptions } from '../report/progress.ts';
import {
  checkpointSteps,
  type KeptRecord,
  prepareCheckpoints,
  removeCheckpoints,
  resumption,
  storeTrained,
  writeTrainingCheckpoint,
} from './checkpoints.ts';
import { type LoopBatch, scheduledRate, trainingLoop } from './loop.ts';

export interface TrainGptOptions extends Pick<WorkOptions, 'onProgress' | 'onNote' | 'signal'> {
  /** Path of the training text, one sentence per line. */
  readonly text: string;
  /** Language of the text, which determines how it is normalised. */
  readonly to: string;
  /** Folder of the model. */
  readonly output: string;
  /** How often the text is read. Default 8. */
  readonly epochs?: number | undefined;
  /** Default 1. */
  readonly seed?: number | undefined;
  /** Go on from the newest checkpoint in the folder. Default false. */
  readonly resume?: boolean | undefined;
  /** Size of the model, for tests. */
  readonly size?: Partial<GptDimensions> | undefined;
}

export interface TrainedGpt {
  readonly model: string;
  readonly language: string;
  readonly sentences: number;
  /** Tokens of the text, ends of sentences included. */
  readonly tokens: number;
  readonly weights: number;
  readonly vocabulary: number;
  readonly steps: number;
  /** Mean cross-entropy of a token over the last epoch, in nats. */
  readonly loss: number;
}

const SIZE: GptDimensions = { vocabulary: 2048, width: 128, layers: 4, heads: 4, positions: 256 };
const TOKENS_PER_STEP = 512;
/** Batches that are sorted by length together: texts of a batch are then about equally long. */
const BATCHES_PER_POOL = 32;
const LEARNING_RATE = 3e-3;
const WARMUP_SHARE = 0.05;
const WEIGHT_DECAY = 0.1;
const CHECKPOINT_EVERY = 50;

/** @throws UserError where the text has no words, or the folder holds another run's checkpoints */
export function trainGpt(options: TrainGptOptions): Promise<TrainedGpt> {
  return abortable(options.signal, () => train(options));
}

async function train(options: TrainGptOptions): Promise<TrainedGpt> {
  const { text, to: language, output, epochs = 8, seed = 1, resume = false, size } = options;
  const { onProgress, onNote, signal } = options;
  await checkWritable(join(output, 'model.onnx'));
  const folder = await prepareCheckpoints(output, resume);
  const lines = await readSentences(text);
  const texts = Array.from(wordsOfLines(lines, language, { stage: 'reading', onProgress }), (words) =>
    textOfWords(words, language),
  );
  if (texts.length === 0) throw new UserError(`${text}: found no words; expected a sentence a line`);
  const pairs = learnBytePairs(texts, language, size?.vocabulary ?? SIZE.vocabulary);
  const dimensions: GptDimensions = { ...SIZE, ...size, vocabulary: pairs.size };
  const tokenizer = newTokenizer('tokenizer.json', pairs.json);
  const end = pairs.size - 1;
  const sentences = texts.map((sentence) => [
    end,
    ...tokenizer.encode(sentence, { add_special_tokens: false }).ids.slice(0, dimensions.positions - 1),
  ]);
  const all = Array.from({ length: epochs }, (_, epoch) => epochBatches(sentences, seed, epoch)).flat();
  const steps = all.length;
  const runtime = new Runtime();
  try {
    const settings = {
      ...{ epochs, seed, language, threads: runtime.threads, text: fingerprint(texts.join('\n'), 16) },
      ...dimensions,
    };
    const from = await resumption<KeptRecord & { losses: number[] }>(folder, settings, {
      resume,
      note: (line) => onNote?.(line),
    });
    const shapes = gptWeights(dimensions);
    const trained = [...shapes.keys()];
    const initial = initialGptWeights(dimensions, seed);
    await runtime.store(
      trained.map((name) => [name, { shape: shapes.get(name)!, data: initial.get(name)! }]),
    );
    if (from) await storeTrained(runtime, from.state);
    const losses = from?.record.losses ?? [];
    await trainingLoop(runtime, {
      graph: gptTrainingGraph(dimensions),
      trained,
      steps,
      weightDecay: WEIGHT_DECAY,
      clipNorm: 1,
      from: from?.state,
      learningRate: (step) =>
        scheduledRate(step, {
          steps,
          learningRate: LEARNING_RATE,
          warmupSteps: Math.ceil(WARMUP_SHARE * steps),
        }),
      batch: async (step) =>
        batchOf(
          all[step - 1]!.map((i) => sentences[i]!),
          end,
        ),
      onStep: async ({ step, loss, gradientNorm }, { state }) => {
        losses.push(loss);
        const note = `loss ${loss.toFixed(3)}, gradient ${gradientNorm.toFixed(2)}`;
        onProgress?.({ stage: 'training', done: step, total: steps, note, resumed: from?.state.step ?? 0 });
        if (step % CHECKPOINT_EVERY === 0 && step < steps) {
          await writeTrainingCheckpoint(folder, await state(), { settings, losses });
        }
        signal?.throwIfAborted();
        return undefined;
      },
    });
    const values = await runtime.read(trained);
    const weights = new Map(trained.map((name, i) => [name, values[i]!.data as Float32Array]));
    await save(output, dimensions, weights, pairs.json, language);
    if ((await checkpointSteps(folder)).length > 0) await removeCheckpoints(folder);
    const last = losses.slice(-Math.ceil(steps / epochs));
    return {
      model: output,
      language,
      sentences: sentences.length,
      tokens: sentences.reduce((sum, { length }) => sum + length, 0),
      weights: [...weights.values()].reduce((sum, { length }) => sum + length, 0),
      vocabulary: dimensions.vocabulary,
      steps,
      loss: last.reduce((sum, loss) => sum + loss, 0) / last.length,
    };
  } finally {
    await runtime.close();
  }
}

/** The sentences in batches, by their numbers; another order in each epoch. */
function epochBatches(sentences: readonly (readonly number[])[], seed: number, epoch: number): number[][] {
  const random = sfc32(seed + epoch);
  const order = shuffle([...sentences.keys()], random);
  const lengths = order.map((i) => sentences[i]!.length);
  const average = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  const pool = Math.ceil((BATCHES_PER_POOL * TOKENS_PER_STEP) / average);
  const batches: number[][] = [];
  for (let start = 0; start < order.length; start += pool) {
    const sorted = order
      .slice(start, start + pool)
      .sort((a, b) => sentences[a]!.length - sentences[b]!.length);
    for (let first = 0; first < sorted.length; ) {
      let last = first + 1;
      while (
        last < sorted.length &&
        (last + 1 - first) * sentences[sorted[last]!]!.length <= TOKENS_PER_STEP
      ) {
        last++;
      }
      batches.push(sorted.slice(first, last));
      first = last;
    }
  }
  return shuffle(batches, random);
}

/** @param end fills shorter sentences up; it does not count there */
function batchOf(batch: readonly (readonly number[])[], end: number): LoopBatch {
  const width = largest(batch, ({ length }) => length);
  const count = batch.reduce((sum, { length }) => sum + length, 0);
  const tokens: number[] = [];
  const labels: number[] = [];
  const weights = new Float32Array(batch.length * width);
  for (const [row, ids] of batch.entries()) {
    for (let i = 0; i < width; i++) {
      tokens.push(ids[i] ?? end);
      labels.push(ids[i + 1] ?? end);
      if (i < ids.length) weights[row * width + i] = 1 / count;
    }
  }
  const feeds: Record<string, HostTensor> = {
    tokens: int64(tokens, [batch.length, width]),
    labels: int64(labels),
    weights: float32(weights, [weights.length]),
  };
  return { feeds, weight: count };
}

async function save(
  output: string,
  dimensions: GptDimensions,
  weights: ReadonlyMap<string, Float32Array>,
  tokenizer: object,
  language: string,
): Promise<void> {
  const end = dimensions.vocabulary - 1;
  const config = {
    model_type: 'whisper-transfer-gpt',
    language,
    vocab_size: dimensions.vocabulary,
    hidden_size: dimensions.width,
    num_hidden_layers: dimensions.layers,
    num_attention_heads: dimensions.heads,
    max_position_embeddings: dimensions.positions,
    bos_token_id: end,
    eos_token_id: end,
    [NORMALIZED_TEXT]: true,
  };
  await writeFiles(output, {
    'model.onnx': writeOnnx(gptInferenceGraph(dimensions), () => true, weights).bytes,
    'tokenizer.json': `${JSON.stringify(tokenizer)}\n`,
    'config.json': `${JSON.stringify(config, null, 2)}\n`,
  });
}
