/** Tokens with their bytes and log probabilities, as OpenAI's `logprobs`. */
import { readTokenizer } from '../checkpoint/tokenizer-files.ts';
import type { Segment } from '../decoding/transcript.ts';
import { BYTE_SYMBOLS } from '../language-model/byte-pairs.ts';

export interface TokenProbability {
  /** A character that several tokens make is U+FFFD in each; `bytes` has its parts. */
  readonly token: string;
  readonly bytes: readonly number[];
  readonly logprob: number;
}

const byteOf = new Map(BYTE_SYMBOLS.map((symbol, byte) => [symbol, byte]));

/** Bytes of each text token, by model directory. */
const vocabularies = new Map<string, Promise<ReadonlyMap<number, readonly number[]>>>();

/** Of the text's tokens: those of times are left out. */
export async function logProbabilities(
  directory: string,
  segments: readonly Segment[],
): Promise<TokenProbability[]> {
  const vocabulary = vocabularies.get(directory) ?? textBytes(directory);
  vocabularies.set(directory, vocabulary);
  const bytesOf = await vocabulary;
  return segments.flatMap(({ tokens, logProbabilities }) =>
    tokens.flatMap((id, i) => {
      const bytes = bytesOf.get(id);
      return bytes ? [{ token: Buffer.from(bytes).toString(), bytes, logprob: logProbabilities[i]! }] : [];
    }),
  );
}

async function textBytes(directory: string): Promise<ReadonlyMap<number, readonly number[]>> {
  const { tokenizer } = await readTokenizer(directory);
  const { model, added_tokens: added = [] } = tokenizer as {
    readonly model: { readonly vocab: Readonly<Record<string, number>> };
    readonly added_tokens?: readonly { readonly id: number; readonly content: string }[];
  };
  const bytes = new Map<number, readonly number[]>();
  for (const [symbols, id] of Object.entries(model.vocab))
    bytes.set(
      id,
      Array.from(symbols, (symbol) => byteOf.get(symbol) ?? 0x3f),
    );
  // Words that a fine-tuning has added are written as they are.
  for (const { id, content } of added)
    if (/^<\|.*\|>$/.test(content)) bytes.delete(id);
    else bytes.set(id, [...Buffer.from(content)]);
  return bytes;
}
