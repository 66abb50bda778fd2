/**
 * A target vocabulary: only the tokens that occur in text of the target language. The decoder then writes no others,
 * and its output matrix, the largest of its weights, shrinks to the rows in use.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../errors.ts';
import { exists, readJson, readText } from '../files/read.ts';
import { writeWhole } from '../files/write-whole.ts';
import type { OutputTokens } from './decoder.ts';
import type { WhisperModel } from './model.ts';
import type { Tokens } from './tokens.ts';

/** File in a model's directory. */
export const TARGET_VOCABULARY_FILE = 'target_vocabulary.json';

export interface TargetVocabulary {
  /** Name of the text file that it was built from. */
  readonly source: string;
  /** Ids of allowed words, in rising order, without special tokens (which are always allowed). */
  readonly words: readonly number[];
}

const schema = z.object({ source: z.string(), words: z.array(z.int().nonnegative()).min(1) });

/** The tokens of a text, a sentence a line; each line also with a space before it, as after another one. */
export function vocabularyOf(source: string, lines: readonly string[], tokens: Tokens): TargetVocabulary {
  const words = new Set<number>();
  for (const line of lines) {
    const text = line.trim();
    if (text === '') continue;
    for (const id of [...tokens.encode(text), ...tokens.encode(` ${text}`)]) {
      if (id < tokens.endOfText) words.add(id);
    }
  }
  if (words.size === 0) throw new UserError(`${source}: no text to make a target vocabulary of`);
  return { source, words: [...words].sort((a, b) => a - b) };
}

/** @returns undefined where the directory has none */
export async function readTargetVocabulary(
  directory: string,
  tokens: Tokens,
): Promise<TargetVocabulary | undefined> {
  const file = join(directory, TARGET_VOCABULARY_FILE);
  if (!(await exists(file))) return undefined;
  const { data, error } = schema.safeParse(await readJson(file, 'a target vocabulary (JSON)'));
  if (!data) {
    const { path, message } = error.issues[0]!;
    throw new UserError(`${file}: "${path.join('.')}": ${message}`);
  }
  const foreign = data.words.find((id, i) => id >= tokens.endOfText || (i > 0 && id <= data.words[i - 1]!));
  if (foreign !== undefined) {
    throw new UserError(
      `${file}: expected rising ids of words below ${tokens.endOfText}, found ${foreign} out of place`,
    );
  }
  return data;
}

export async function writeTargetVocabulary(directory: string, vocabulary: TargetVocabulary): Promise<void> {
  await writeWhole(join(directory, TARGET_VOCABULARY_FILE), `${JSON.stringify(vocabulary)}\n`);
}

/** Ids of the output tokens, in rising order: the words and all special tokens. */
export function outputIds({ words }: TargetVocabulary, tokens: Tokens, vocabularySize: number): Int32Array {
  const specials = Array.from({ length: vocabularySize - tokens.endOfText }, (_, i) => tokens.endOfText + i);
  return Int32Array.from([...words, ...specials]);
}

/** Output tokens of these ids, whose rows of the embedding are the weight `weight`. */
export function outputTokens(weight: string, ids: Int32Array, tokens: Tokens): OutputTokens {
  return {
    weight,
    count: ids.length,
    endOfText: ids.indexOf(tokens.endOfText),
    noSpeech: ids.indexOf(tokens.noSpeech),
    timestamps: ids.indexOf(tokens.firstTimestamp),
    added: ids.length - 1 - ids.indexOf(tokens.lastTimestamp),
  };
}

/** Vocabularies by source, kept while the model is loaded, as a decoder is compiled for each. */
const known = new WeakMap<WhisperModel, Map<string | true, TargetVocabulary>>();

/** @param source a text file, or true for the vocabulary saved with the model */
export async function targetVocabulary(
  model: WhisperModel,
  source: string | true,
): Promise<TargetVocabulary> {
  const ofModel = known.get(model) ?? new Map<string | true, TargetVocabulary>();
  known.set(model, ofModel);
  const vocabulary = ofModel.get(source) ?? (await namedVocabulary(model, source));
  ofModel.set(source, vocabulary);
  return vocabulary;
}

/** The vocabulary saved with a model, if there is one. */
export async function keptVocabulary(model: WhisperModel): Promise<TargetVocabulary | undefined> {
  const isKept = await exists(join(model.directory, TARGET_VOCABULARY_FILE));
  return isKept ? targetVocabulary(model, true) : undefined;
}

async function namedVocabulary(model: WhisperModel, source: string | true): Promise<TargetVocabulary> {
  if (source === true) {
    const kept = await readTargetVocabulary(model.directory, model.tokens);
    if (!kept) {
      throw new UserError(
        `${model.directory}: no target vocabulary is kept with this model; expected the text file to make one of`,
      );
    }
    return kept;
  }
  const text = await readText(source, 'a text file');
  return vocabularyOf(source, text.split(/\r?\n/), model.tokens);
}
