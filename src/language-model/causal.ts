/**
 * A causal language model as an ONNX file with its Hugging Face tokenizer, as `optimum-cli export onnx` and transformers.js
 * lay it out: `input_ids` to `logits`, with or without keys and values of earlier tokens.
 */
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import {
  type DeclaredTensor,
  float32,
  type HostTensor,
  int64,
  type Program,
  Runtime,
} from '../backend/runtime.ts';
import { type Json, readJsonIfPresent } from '../checkpoint/directory.ts';
import { readTokenizer } from '../checkpoint/tokenizer-files.ts';
import { UserError } from '../errors.ts';
import { largest } from '../extremes.ts';
import { exists, listFolder } from '../files/read.ts';
import { Graph, product } from '../graph/graph.ts';
import { cast, gatherElement, logSoftmax, reshape } from '../graph/ops.ts';
import type { SentenceScore } from './scorer.ts';

/** What is used of `@huggingface/tokenizers`, whose own types do not compile under `moduleResolution` node16. */
export interface TextTokenizer {
  encode(text: string, options: { readonly add_special_tokens: boolean }): { readonly ids: number[] };
  decode(ids: number[]): string;
  token_to_id(token: string): number | undefined;
}

const EXPECTED = 'a folder with an ONNX causal language model and its tokenizer.json, or an ARPA file';
/** Where exporters write the model, the first that is there. */
const MODEL_FILES = ['model.onnx', 'decoder_model_merged.onnx', 'model_quantized.onnx'].flatMap((name) => [
  name,
  join('onnx', name),
]);
/** Key of config.json: true where the text that the model was trained on was normalised. */
export const NORMALIZED_TEXT = 'normalized_text';
/** Texts of one run; more take memory and gain no speed. */
const TEXTS_PER_RUN = 64;
/** Texts whose scores are remembered. */
const REMEMBERED_TEXTS = 50_000;
/** Size of remembered keys and values, beyond which they are forgotten, and computed again where they are needed. */
const REMEMBERED_BYTES = 256e6;

/** Keys and values of a sequence's tokens, in the order of the model's inputs, each [heads, length, head width]. */
interface Past {
  readonly length: number;
  readonly values: readonly Float32Array[];
  /** Natural logarithm of the probability of the first n tokens after the beginning, for each n. */
  readonly begun: readonly number[];
}

interface PastInput {
  readonly name: string;
  /** Output that continues it. */
  readonly present: string;
  readonly heads: number;
  readonly headWidth: number;
}

/** A sequence of which the first `known` tokens are in `past`. */
interface Sequence {
  readonly index: number;
  readonly ids: readonly number[];
  readonly known: number;
  readonly past: Past | undefined;
}

interface Layout {
  readonly past: readonly PastInput[];
  /** Tokens before the text and after it. */
  readonly begin: number;
  readonly end: number;
  /** Longest sequence, beginning and end included. */
  readonly context: number;
}

/** The two programs of a model: itself, and log probabilities of chosen tokens from its logits. */
interface Programs {
  readonly model: Program;
  readonly scores: Program;
}

export class CausalLanguageModel {
  readonly #remembered = new Map<string, SentenceScore>();
  /** By the tokens of every beginning of a sequence. */
  readonly #pasts = new Map<string, Past>();
  #pastBytes = 0;

  private constructor(
    readonly folder: string,
    private readonly runtime: Runtime,
    private readonly programs: Programs,
    private readonly layout: Layout,
    private readonly tokenizer: TextTokenizer,
    /** Whether its text was normalised, as `languageModelWords` does; otherwise it reads texts as they are written. */
    readonly readsNormalized: boolean,
  ) {}

  /**
   * @param runtime whose thread it computes in. Default: its own
   * @throws UserError where the folder lacks a part, or the model is of another kind
   */
  static async load(folder: string, runtime = new Runtime()): Promise<CausalLanguageModel> {
    const names = await listFolder(folder, EXPECTED);
    const file = await modelFile(folder, names);
    const { file: tokenizerFile, tokenizer: json } = await readTokenizer(folder);
    const tokenizer = newTokenizer(tokenizerFile, json);
    const config = {
      ...(await readJsonIfPresent(join(folder, 'config.json'))),
      ...(await readJsonIfPresent(join(folder, 'generation_config.json'))),
    };
    const { program, inputs, outputs } = await runtime.loadFile(file).catch((error: Error) => {
      throw new UserError(`${file}: onnxruntime cannot load it: ${error.message.split('\n')[0]}`);
    });
    const logits = outputs.find(({ name }) => name === 'logits');
    if (!logits) {
      throw new UserError(
        `${file}: no output "logits" but ${listed(outputs)}; expected a causal language model`,
      );
    }
    const vocabulary = logits.shape.at(-1) ?? 'vocabulary';
    const scores = await runtime.load(scoresGraph(logits, vocabulary), { builtIn: () => false });
    const layout = {
      past: pastInputs(file, inputs, outputs),
      ...sentenceTokens(folder, config, tokenizer),
      context: contextOf(config),
    };
    const programs = { model: program, scores };
    const readsNormalized = config[NORMALIZED_TEXT] === true;
    return new CausalLanguageModel(folder, runtime, programs, layout, tokenizer, readsNormalized);
  }

  close(): Promise<void> {
    return this.runtime.close();
  }

  /** Ids of a text, without the tokens before and after it. */
  encode(text: string): number[] {
    return this.tokenizer.encode(text, { add_special_tokens: false }).ids;
  }

  /**
   * Log probabilities of texts as beginnings of a sentence and as whole ones. What is asked again, or goes on from
   * an earlier text, is not computed again.
   */
  async score(texts: readonly string[]): Promise<readonly SentenceScore[]> {
    const missing = [...new Set(texts)].filter((text) => !this.#remembered.has(text));
    const found = new Map<string, SentenceScore>();
    if (missing.length > 0) {
      const scored = await this.#scored(missing.map((text) => this.encode(text)));
      missing.forEach((text, i) => found.set(text, scored[i]!));
    }
    const results = texts.map((text) => found.get(text) ?? this.#remembered.get(text)!);
    if (this.#remembered.size > REMEMBERED_TEXTS) this.#remembered.clear();
    for (const [text, score] of found) this.#remembered.set(text, score);
    return results;
  }

  /** Texts longer than the context are read in windows that overlap by half. */
  async #scored(texts: readonly (readonly number[])[]): Promise<SentenceScore[]> {
    const { begin, context } = this.layout;
    const step = Math.max(1, context >> 1);
    const windows = texts.flatMap((ids, text) => {
      const all = [begin, ...ids];
      const count = all.length <= context ? 1 : 1 + Math.ceil((all.length - context) / step);
      return Array.from({ length: count }, (_, i) => ({
        text,
        ids: all.slice(i * step, i * step + context),
        /** The first of its tokens whose score no window before it has. */
        first: i === 0 ? 0 : context - step,
      }));
    });
    const scored = await this.#tokenScores(windows.map(({ ids }) => ids));
    const totals = texts.map(() => ({ begun: 0, ended: 0 }));
    windows.forEach(({ text, first }, i) => {
      const { begun, last } = scored[i]!;
      const total = totals[text]!;
      // A window's last token is followed by the end only in the last window, which comes last.
      total.begun += begun.at(-1)! - (begun[Math.max(0, first - 1)] ?? 0);
      total.ended = total.begun + last;
    });
    return totals;
  }

  /**
   * For each sequence the sums of its tokens' log probabilities after each token, the first being given, and the log
   * probability of the end after the last one.
   */
  async #tokenScores(
    sequences: readonly (readonly number[])[],
  ): Promise<{ readonly begun: readonly number[]; readonly last: number }[]> {
    const results: { begun: readonly number[]; last: number }[] = new Array(sequences.length);
    // Texts of a search begin alike: those that do go on from the first of them.
    const { first, others } = withSharedBeginnings(sequences);
    for (const indices of this.layout.past.length > 0 ? [first, others] : [[...sequences.keys()]]) {
      await this.#runAll(sequences, indices, results);
    }
    return results;
  }

  async #runAll(
    sequences: readonly (readonly number[])[],
    indices: readonly number[],
    results: { begun: readonly number[]; last: number }[],
  ): Promise<void> {
    const prepared = indices.map((index): Sequence => {
      const ids = sequences[index]!;
      return { index, ids, ...this.#known(ids) };
    });
    // Texts of one run have equally many known tokens: some models number positions from there.
    prepared.sort((a, b) => a.known - b.known || a.ids.length - b.ids.length);
    for (let start = 0; start < prepared.length; ) {
      let end = start + 1;
      while (
        end < prepared.length &&
        end - start < TEXTS_PER_RUN &&
        prepared[end]!.known === prepared[start]!.known
      ) {
        end++;
      }
      const batch = prepared.slice(start, end);
      (await this.#run(batch)).forEach((result, i) => {
        results[batch[i]!.index] = result;
      });
      start = end;
    }
  }

  /** The longest beginning that is remembered, less its last token, which is asked for what follows it. */
  #known(ids: readonly number[]): { known: number; past: Past | undefined } {
    if (this.layout.past.length > 0) {
      for (let length = ids.length; length > 1; length--) {
        const past = this.#pasts.get(keyOf(ids, length));
        if (past) return { known: length - 1, past };
      }
    }
    return { known: 0, past: undefined };
  }

  async #run(batch: readonly Sequence[]): Promise<{ begun: readonly number[]; last: number }[]> {
    const { known } = batch[0]!;
    const { runtime, layout } = this;
    const fresh = batch.map(({ ids }) => ids.slice(known));
    // Padding stands after the tokens, none of which sees what follows it.
    const width = largest(fresh, (ids) => ids.length);
    const padded = (list: readonly number[], value: number): number[] => [
      ...list,
      ...new Array<number>(width - list.length).fill(value),
    ];
    const labels = fresh.flatMap((ids) => padded([...ids.slice(1), layout.end], layout.end));
    const feeds: Record<string, HostTensor> = {};
    for (const name of this.programs.model.inputs) {
      if (name === 'input_ids') {
        feeds[name] = int64(
          fresh.flatMap((ids) => padded(ids, layout.end)),
          [batch.length, width],
        );
      } else if (name === 'attention_mask') {
        const seen = fresh.flatMap((ids) => [
          ...new Array<number>(known).fill(1),
          ...padded(new Array<number>(ids.length).fill(1), 0),
        ]);
        feeds[name] = int64(seen, [batch.length, known + width]);
      } else if (name === 'position_ids') {
        const positions = batch.flatMap(() => Array.from({ length: width }, (_, i) => known + i));
        feeds[name] = int64(positions, [batch.length, width]);
      } else if (name === 'use_cache_branch') {
        feeds[name] = { dtype: 'bool', shape: [1], data: Uint8Array.of(Number(known > 0)) };
      }
    }
    layout.past.forEach(({ name, heads, headWidth }, i) => {
      const data = new Float32Array(batch.length * heads * known * headWidth);
      const stretch = known * headWidth;
      batch.forEach(({ past }, text) => {
        for (let head = 0; past && head < heads; head++) {
          const from = head * past.length * headWidth;
          data.set(past.values[i]!.subarray(from, from + stretch), (text * heads + head) * stretch);
        }
      });
      feeds[name] = float32(data, [batch.length, heads, known, headWidth]);
    });
    const presents = layout.past.map(({ present }) => present);
    const { fetched, kept } = await runtime.run(this.programs.model, feeds, {
      fetch: presents,
      keep: ['logits'],
    });
    const { logits } = kept;
    const { fetched: found } = await runtime.run(
      this.programs.scores,
      { logits: logits!, labels: int64(labels) },
      { fetch: ['scores'], free: [logits!] },
    );
    const scores = found.scores!.data as Float32Array;
    const results = batch.map(({ past }, text) => {
      const begun = past ? past.begun.slice(0, known + 1) : [0];
      const count = fresh[text]!.length;
      for (let i = 0; i + 1 < count; i++) begun.push(begun.at(-1)! + scores[text * width + i]!);
      return { begun, last: scores[text * width + count - 1]! };
    });
    if (presents.length > 0) {
      const values = presents.map((name) => fetched[name]!.data as Float32Array);
      batch.forEach(({ ids }, text) => {
        this.#remember(ids, results[text]!.begun, values, text, known + width);
      });
    }
    return results;
  }

  /** @param presents of a run's texts, each [texts, heads, length, head width] */
  #remember(
    ids: readonly number[],
    begun: readonly number[],
    presents: readonly Float32Array[],
    text: number,
    length: number,
  ): void {
    const values = this.layout.past.map(({ heads, headWidth }, i) => {
      const own = new Float32Array(heads * ids.length * headWidth);
      for (let head = 0; head < heads; head++) {
        const from = (text * heads + head) * length * headWidth;
        own.set(presents[i]!.subarray(from, from + ids.length * headWidth), head * ids.length * headWidth);
      }
      return own;
    });
    this.#pastBytes += values.reduce((sum, { byteLength }) => sum + byteLength, 0);
    if (this.#pastBytes > REMEMBERED_BYTES) {
      this.#pasts.clear();
      this.#pastBytes = 0;
    }
    const past = { length: ids.length, values, begun };
    for (let count = 2; count <= ids.length; count++) this.#pasts.set(keyOf(ids, count), past);
  }
}

/** Indices of sequences, and of others that have at least half of their tokens from the beginning of one of those. */
function withSharedBeginnings(sequences: readonly (readonly number[])[]): {
  first: number[];
  others: number[];
} {
  const keys = sequences.map((ids) => keyOf(ids, ids.length));
  const order = [...sequences.keys()].sort((a, b) => (keys[a]! < keys[b]! ? -1 : 1));
  const first: number[] = [];
  const others: number[] = [];
  let before: readonly number[] = [];
  for (const index of order) {
    const ids = sequences[index]!;
    const differs = ids.findIndex((id, i) => id !== before[i]);
    if (differs >= 0 && differs < ids.length / 2) {
      first.push(index);
      before = ids;
    } else others.push(index);
  }
  return { first, others };
}

const keyOf = (ids: readonly number[], length: number): string => ids.slice(0, length).join();

async function modelFile(folder: string, names: readonly string[]): Promise<string> {
  for (const name of MODEL_FILES) {
    if (await exists(join(folder, name))) return join(folder, name);
  }
  const others = names.filter((name) => name.endsWith('.onnx'));
  if (others.length === 1) return join(folder, others[0]!);
  throw new UserError(
    `${folder}: found ${others.length === 0 ? 'no .onnx file' : others.join(', ')}; expected ${EXPECTED}`,
  );
}

export function newTokenizer(file: string, json: object): TextTokenizer {
  try {
    return new Tokenizer(json, {});
  } catch (error) {
    throw new UserError(`${file}: not a tokenizer of the Hugging Face kind (${(error as Error).message})`);
  }
}

const listed = (tensors: readonly DeclaredTensor[]): string => tensors.map(({ name }) => name).join(', ');

/** Log probability of a label at each position. Inputs `logits` and `labels` [texts · tokens]; output `scores`. */
function scoresGraph({ dtype }: DeclaredTensor, vocabulary: number | string): Graph {
  const graph = new Graph();
  const type = dtype === 'float16' ? 'float16' : 'float32';
  const given = graph.input('logits', ['texts', 'tokens', vocabulary], type);
  const logits = type === 'float16' ? cast(given, 'float32') : given;
  const count = product(['texts', 'tokens']);
  const labels = graph.input('labels', [count], 'int64');
  graph.output('scores', gatherElement(logSoftmax(reshape(logits, [count, vocabulary])), labels));
  return graph;
}

const OTHER_INPUTS = ['input_ids', 'attention_mask', 'position_ids', 'use_cache_branch'];

function pastInputs(
  file: string,
  inputs: readonly DeclaredTensor[],
  outputs: readonly DeclaredTensor[],
): PastInput[] {
  if (!inputs.some(({ name }) => name === 'input_ids')) {
    throw new UserError(
      `${file}: no input "input_ids" but ${listed(inputs)}; expected a causal language model`,
    );
  }
  return inputs.flatMap((input) => {
    const { name, dtype, shape } = input;
    if (OTHER_INPUTS.includes(name)) return [];
    const present = name.replace('past_key_values', 'present');
    const [, heads, , headWidth] = shape;
    if (
      present === name ||
      !outputs.some((output) => output.name === present) ||
      dtype !== 'float32' ||
      typeof heads !== 'number' ||
      typeof headWidth !== 'number'
    ) {
      throw new UserError(
        `${file}: found an input "${name}" of ${dtype} [${shape.join(', ')}]; expected ${OTHER_INPUTS.join(', ')}, or ` +
          'past_key_values of float32 [texts, heads, tokens, width] with an output "present" for each',
      );
    }
    return [{ name, present, heads, headWidth }];
  });
}

/** Ids of the tokens before and after a text; a model with one for both begins with that. */
function sentenceTokens(
  folder: string,
  { bos_token_id: begin, eos_token_id: ends }: Json,
  tokenizer: TextTokenizer,
): { begin: number; end: number } {
  const [stated] = [ends].flat();
  const named = ['<|endoftext|>', '</s>', '<eos>']
    .map((token) => tokenizer.token_to_id(token))
    .find((id) => id !== undefined);
  const end = Number.isInteger(stated) ? (stated as number) : named;
  if (end === undefined) {
    throw new UserError(`${folder}: no end of text; expected eos_token_id in config.json`);
  }
  return { begin: Number.isInteger(begin) ? (begin as number) : end, end };
}

/** Longest sequence; models without a limit of their own are given short ones. */
function contextOf({ max_position_embeddings: positions, n_positions: older }: Json): number {
  const stated = positions ?? older;
  return Number.isInteger(stated) && (stated as number) > 1 ? Math.min(stated as number, 1024) : 1024;
}
