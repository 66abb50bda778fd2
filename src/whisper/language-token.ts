/**
 * Tokens for languages that Whisper lacks: that of another language, or a new one after all others. Either is an entry of
 * the generation config's `lang_to_id`, where Hugging Face transformers looks languages up.
 *
 * A new token is never generated (it is among `suppress_tokens`, as the ids above it would count as timestamps), so only
 * its row of the embedding as an input matters. That row is trained also where the embedding, which is the output matrix
 * too, is frozen: the graph adds a weight of its own to it, which is merged afterwards, like adapters.
 */
import { tokenizerSize } from '../checkpoint/added-tokens.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import { UserError } from '../errors.ts';
import { LANGUAGE_ROW, TOKEN_EMBEDDING } from './decoder.ts';
import type { WhisperModel } from './model.ts';

export interface LanguageToken {
  /** Language of the token: a code of two or three letters, such as "ga". */
  readonly language: string;
  /** Language whose token is shared. */
  readonly as?: string | undefined;
  /** Languages whose mean row of the token embedding initialises a new token. */
  readonly mean?: readonly string[] | undefined;
}

/** @throws UserError where the language has a token already, or one that is named has none */
export async function withLanguageToken(
  checkpoint: Checkpoint,
  { language, as, mean }: LanguageToken,
): Promise<Checkpoint> {
  const { directory, generationConfig } = checkpoint;
  const ids = generationConfig.lang_to_id as Readonly<Record<string, number>>;
  const token = `<|${language}|>`;
  if (!/^[a-z]{2,3}$/.test(language)) {
    throw new UserError(`language "${language}": expected a code of two or three letters, such as "ga"`);
  }
  if (ids[token] !== undefined) {
    throw new UserError(`${directory}: has a token for "${language}"; expected no other to be asked for`);
  }
  const idOf = (code: string): number => {
    const id = ids[`<|${code}|>`];
    if (id === undefined)
      throw new UserError(`${directory}: has no token for "${code}" to make that of "${language}" of`);
    return id;
  };
  return as === undefined
    ? withNewToken(checkpoint, token, mean!.map(idOf))
    : { ...checkpoint, generationConfig: { ...generationConfig, lang_to_id: { ...ids, [token]: idOf(as) } } };
}

async function withNewToken(
  checkpoint: Checkpoint,
  token: string,
  rows: readonly number[],
): Promise<Checkpoint> {
  const { config, dimensions, generationConfig, tokenizerFile, tokenizer, weights } = checkpoint;
  const { vocabulary: id, width } = dimensions;
  const size = tokenizerSize(tokenizer);
  if (size !== id) {
    throw new UserError(
      `${tokenizerFile}: has ${size} tokens, and the model ${id}; expected as many, for a new one to come after them`,
    );
  }
  const embedding = weights.get(TOKEN_EMBEDDING)!.data;
  const data = new Float32Array((id + 1) * width);
  data.set(embedding);
  for (let i = 0; i < width; i++) {
    data[id * width + i] = rows.reduce((sum, row) => sum + embedding[row * width + i]!, 0) / rows.length;
  }
  const suppressed = (generationConfig.suppress_tokens ?? []) as number[];
  return {
    ...checkpoint,
    dimensions: { ...dimensions, vocabulary: id + 1 },
    config: { ...config, vocab_size: id + 1 },
    generationConfig: {
      ...generationConfig,
      lang_to_id: { ...(generationConfig.lang_to_id as object), [token]: id },
      suppress_tokens: [...suppressed, id],
    },
    // The order is the model's own.
    weights: new Map(
      [...weights].map(([name, weight]) => [
        name,
        name === TOKEN_EMBEDDING ? { shape: [id + 1, width], data } : weight,
      ]),
    ),
  };
}

/** Stores the trained offset beside the model's weights, zero at first. */
export function createLanguageRow({ runtime, dimensions: { width } }: WhisperModel): Promise<void> {
  return runtime.store(new Map([[LANGUAGE_ROW, { shape: [1, width], data: new Float32Array(width) }]]));
}

/**
 * Adds the trained offset into the embedding's last row, so that the model decodes and is saved like any other.
 * @returns a function that undoes it, for more training
 */
export async function mergeLanguageRow(model: WhisperModel): Promise<() => Promise<void>> {
  const { runtime, dimensions } = model;
  const put = async (data: Float32Array) => {
    await runtime.store(
      new Map([[TOKEN_EMBEDDING, { shape: [dimensions.vocabulary, dimensions.width], data }]]),
    );
    await model.decoderChanged();
  };
  const [embedding, row] = (await runtime.read([TOKEN_EMBEDDING, LANGUAGE_ROW])).map(
    ({ data }) => data as Float32Array,
  );
  const before = embedding!.slice();
  const first = embedding!.length - row!.length;
  for (const [i, value] of row!.entries()) embedding![first + i]! += value;
  await put(embedding!);
  return () => put(before);
}
