/** A model's tokenizer, from `tokenizer.json` or from the files that older tools write in its place. */
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { fingerprint } from '../files/fingerprint.ts';
import { exists, readBytes, readText } from '../files/read.ts';
import { tokenizerSize } from './added-tokens.ts';
import { type Json, readJsonIfPresent } from './directory.ts';

/** Vocabulary and merges are 1 MB; anything a hundred times as long is another kind of file. */
const MAX_TEXT_BYTES = 64_000_000;

export interface TokenizerFiles {
  /** The file that it was read from, for messages. */
  readonly file: string;
  /** As in `tokenizer.json`. */
  readonly tokenizer: Json;
}

/**
 * Reads `tokenizer.json` or, without it, what transformers' `WhisperTokenizer` is saved as: `vocab.json` and
 * `merges.txt`, with the added tokens of `tokenizer_config.json` or of `added_tokens.json`.
 *
 * @throws UserError where the directory has neither
 */
export async function readTokenizer(directory: string): Promise<TokenizerFiles> {
  const file = join(directory, 'tokenizer.json');
  const tokenizer = await readTokenizerJson(file);
  if (tokenizer !== undefined) return { file, tokenizer };
  const vocabFile = join(directory, 'vocab.json');
  const mergesFile = join(directory, 'merges.txt');
  const vocab = await readJsonIfPresent(vocabFile);
  if (vocab === undefined || !(await exists(mergesFile))) {
    throw new UserError(
      `${directory}: lacks tokenizer.json (or vocab.json and merges.txt): copy it from the model that this one came from`,
    );
  }
  const ids = tokenIds(vocabFile, vocab);
  // `#version: 0.2` stands in the first line.
  const lines = (await readText(mergesFile, 'the merges of a tokenizer', MAX_TEXT_BYTES)).split(/\r?\n/);
  const merges = lines
    .filter((line, i) => line !== '' && !(i === 0 && line.startsWith('#version')))
    .map((line) => line.split(' '));
  const broken = merges.find((pair) => pair.length !== 2);
  if (broken !== undefined) {
    throw new UserError(
      `${mergesFile}: found ${JSON.stringify(broken.join(' ').slice(0, 80))}; expected two tokens a line`,
    );
  }
  return {
    file: vocabFile,
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: await addedTokens(directory, ids),
      normalizer: null,
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      post_processor: null,
      decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
      model: { type: 'BPE', vocab: ids, merges },
    },
  };
}

/** The tokenizer that was read last: models that a program compares mostly have the same. */
let last: { readonly content: string; readonly tokenizer: WeakRef<Json> } | undefined;

async function readTokenizerJson(file: string): Promise<Json | undefined> {
  if (!(await exists(file))) return undefined;
  const content = fingerprint(await readBytes(file, 'a tokenizer (JSON)', MAX_TEXT_BYTES));
  const known = last?.content === content ? last.tokenizer.deref() : undefined;
  if (known) return known;
  const tokenizer = await readJsonIfPresent(file);
  last = tokenizer && { content, tokenizer: new WeakRef(tokenizer) };
  return tokenizer;
}

function tokenIds(file: string, vocab: Json): Record<string, number> {
  const bad = Object.entries(vocab).find(([, id]) => !Number.isSafeInteger(id) || (id as number) < 0);
  if (bad !== undefined) {
    throw new UserError(`${file}: token ${JSON.stringify(bad[0])}: expected an id from 0, a whole number`);
  }
  return vocab as Record<string, number>;
}

async function addedTokens(directory: string, vocab: Readonly<Record<string, number>>): Promise<Json[]> {
  const configuration = await readJsonIfPresent(join(directory, 'tokenizer_config.json'));
  const specials = specialTokens(
    (await readJsonIfPresent(join(directory, 'special_tokens_map.json'))) ?? configuration,
  );
  const byId = new Map<number, Json>();
  const add = (content: string, id: number, flags: Json = {}): void => {
    const special = specials.size > 0 ? specials.has(content) : isSpecialName(content);
    byId.set(id, {
      id,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special,
      ...flags,
      content,
    });
  };
  // Special tokens may be in the vocabulary itself, as <|endoftext|> is in OpenAI's.
  for (const [content, id] of Object.entries(vocab)) if (isSpecialName(content)) add(content, id);
  const listed = await readJsonIfPresent(join(directory, 'added_tokens.json'));
  for (const [content, id] of Object.entries(listed ?? {})) {
    if (Number.isSafeInteger(id)) add(content, id as number);
  }
  const decoder = configuration?.added_tokens_decoder;
  for (const [id, token] of Object.entries((decoder ?? {}) as Record<string, Json>)) {
    if (typeof token?.content === 'string' && /^\d+$/.test(id)) add(token.content, Number(id), token);
  }
  return [...byId.values()].sort((a, b) => (a.id as number) - (b.id as number));
}

/** `<|en|>`, but not the timestamps, which are no special tokens in Hugging Face's files. */
const isSpecialName = (content: string): boolean =>
  /^<\|[^|]*\|>$/.test(content) && !/^<\|\d+\.\d+\|>$/.test(content);

/** The tokens that `special_tokens_map.json` or `tokenizer_config.json` names, by themselves or as objects. */
function specialTokens(map: Json | undefined): Set<string> {
  const keys = Object.keys(map ?? {}).filter((key) => /_token$|^additional_special_tokens$/.test(key));
  const values = keys.flatMap((key) => map![key] as unknown);
  return new Set(
    values.flatMap((value) => {
      const content = typeof value === 'string' ? value : (value as Json | null)?.content;
      return typeof content === 'string' ? [content] : [];
    }),
  );
}

/** Ids of Whisper's timestamps: <|0.00|> to <|30.00|> in steps of 0.02 s. */
export const TIMESTAMPS = 1501;
/** Embeddings are padded to a multiple of this, or of a multiple of it (`pad_to_multiple_of`). */
const PADDED_TO = 8;
const MAX_PADDING = 1024;

/**
 * Checks that the ids of the tokenizer are those of the weights: another one gives fluent nonsense. An embedding may be
 * padded, and an old tokenizer may leave out the timestamps' names.
 *
 * @param vocabulary rows of the token embedding
 */
export function checkTokenizer(
  directory: string,
  { file, tokenizer }: TokenizerFiles,
  vocabulary: number,
  generationConfig: Json,
): void {
  const contents = new Map<unknown, number>();
  const names = new Map<number, string>();
  for (const { content, id } of (tokenizer.added_tokens ?? []) as { content: string; id: number }[]) {
    contents.set(content, id);
    names.set(id, content);
  }
  const noTimestamps = contents.get('<|notimestamps|>');
  if (noTimestamps === undefined) return; // reported by the tokenizer itself
  const size = Math.max(tokenizerSize(tokenizer), noTimestamps + 1);
  const complete = contents.has('<|30.00|>') ? size : Math.max(size, noTimestamps + 1 + TIMESTAMPS);
  const padding = vocabulary - complete;
  const isPadded = padding > 0 && padding < MAX_PADDING && vocabulary % PADDED_TO === 0;
  if (padding !== 0 && !isPadded) {
    throw new UserError(
      `${file}: a tokenizer of ${size} tokens, but the model's embedding has ${vocabulary}: it belongs to another model; ` +
        `copy the tokenizer that ${directory} was trained with`,
    );
  }
  const stamp = names.get(noTimestamps + 1);
  if (stamp !== undefined && stamp !== '<|0.00|>') {
    throw new UserError(
      `${file}: token ${JSON.stringify(stamp)} has the id ${noTimestamps + 1} of the timestamp <|0.00|>: ` +
        'it was added to a tokenizer without timestamps; expected added tokens after <|30.00|>',
    );
  }
  const expected = [
    ['<|notimestamps|>', generationConfig.no_timestamps_token_id],
    ['<|startoftranscript|>', generationConfig.decoder_start_token_id],
    ...Object.entries((generationConfig.lang_to_id ?? {}) as object),
  ] as [string, unknown][];
  const moved = expected.find(
    ([name, id]) => Number.isInteger(id) && contents.has(name) && contents.get(name) !== id,
  );
  if (moved !== undefined) {
    throw new UserError(
      `${file}: ${moved[0]} has the id ${contents.get(moved[0])}, but ${moved[1]} in generation_config.json: ` +
        `it belongs to another model; copy the tokenizer that ${directory} was trained with`,
    );
  }
}
