/** Adds special tokens of a model to the tokenizer's files as they are written. */
import type { Json } from './directory.ts';

/** A special token as Hugging Face's files describe it, beside its id and content. */
const SPECIAL = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };

export interface AddedToken {
  readonly id: number;
  readonly content: string;
}

/** Number of ids of a tokenizer.json. */
export function tokenizerSize(tokenizer: Json): number {
  const { model, added_tokens } = tokenizer as {
    model?: { vocab?: Record<string, number> };
    added_tokens?: { id: number }[];
  };
  const words = Object.keys(model?.vocab ?? {}).length;
  return (added_tokens ?? []).reduce((size, { id }) => Math.max(size, id + 1), words);
}

/** Language tokens of a generation config beyond the tokenizer's, by rising id. */
export function tokensToAdd(tokenizer: Json, generationConfig: Json): AddedToken[] {
  const size = tokenizerSize(tokenizer);
  return Object.entries((generationConfig.lang_to_id ?? {}) as Record<string, number>)
    .filter(([, id]) => id >= size)
    .map(([content, id]) => ({ id, content }))
    .sort((a, b) => a.id - b.id);
}

/** The file of this name with the tokens added; files that list no tokens are unchanged. */
export function withAddedTokens(name: string, json: Json, tokens: readonly AddedToken[]): Json {
  const contents = tokens.map(({ content }) => content);
  switch (name) {
    case 'tokenizer.json':
      return {
        ...json,
        added_tokens: [
          ...((json.added_tokens ?? []) as Json[]),
          ...tokens.map((token) => ({ ...token, ...SPECIAL })),
        ],
      };
    case 'added_tokens.json':
      return { ...json, ...Object.fromEntries(tokens.map(({ id, content }) => [content, id])) };
    case 'special_tokens_map.json':
      return withSpecial(json, contents);
    case 'tokenizer_config.json':
      return withSpecial(
        json.added_tokens_decoder === undefined
          ? json
          : {
              ...json,
              added_tokens_decoder: {
                ...(json.added_tokens_decoder as Json),
                ...Object.fromEntries(tokens.map(({ id, content }) => [id, { content, ...SPECIAL }])),
              },
            },
        contents,
      );
    default:
      return json;
  }
}

/** Inserts before the last: transformers counts the timestamps from the last special token, which is <|notimestamps|>. */
function withSpecial(json: Json, contents: readonly string[]): Json {
  const listed = json.additional_special_tokens;
  if (!Array.isArray(listed)) return json;
  return { ...json, additional_special_tokens: [...listed.slice(0, -1), ...contents, ...listed.slice(-1)] };
}
