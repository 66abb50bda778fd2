/**
 * Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019), learned from a text and written as Hugging Face's
 * tokenizer.json. No pair joins two words, so the tokens of a text are those of its words, one after the other.
 */
import { wordsAreCharacters } from './words.ts';

export const END_OF_TEXT = '<|endoftext|>';

/** A stretch that tokens do not cross: a word with the space before it; in a language without spaces a character with its marks. */
const stretchPattern = (language: string): string =>
  wordsAreCharacters(language) ? '\\P{M}\\p{M}*' : ' ?[^ ]+';

export interface BytePairs {
  /** Content of the tokenizer.json. */
  readonly json: object;
  /** Number of tokens, the end of text included, which is the last. */
  readonly size: number;
}

/**
 * @param texts normalised, with single spaces
 * @param size largest number of tokens, more than 257; a pair that occurs once is not joined
 */
export function learnBytePairs(texts: Iterable<string>, language: string, size: number): BytePairs {
  const spaces = !wordsAreCharacters(language);
  const pattern = stretchPattern(language);
  const stretches = new Map<string, number>();
  for (const text of texts) {
    for (const stretch of (spaces ? ` ${text}` : text).match(new RegExp(pattern, 'gu')) ?? []) {
      stretches.set(stretch, (stretches.get(stretch) ?? 0) + 1);
    }
  }
  const merges = learnMerges(stretches, size - BYTE_SYMBOLS.length - 1);
  // Two pairs may make the same token.
  const tokens = [...new Set([...BYTE_SYMBOLS, ...merges.map((pair) => pair.join('')), END_OF_TEXT])];
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      {
        ...{ id: tokens.length - 1, content: END_OF_TEXT, single_word: false, lstrip: false, rstrip: false },
        ...{ normalized: false, special: true },
      },
    ],
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: spaces, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
  return { json, size: tokens.length };
}

/** A printable character for each byte: itself, or one from U+0100 on, as in GPT-2. */
export const BYTE_SYMBOLS: readonly string[] = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(isPrintable ? byte : next++);
  });
})();

/** The pairs in the order in which they are joined: the most frequent first, of equals the one that sorts first. */
function learnMerges(stretches: ReadonlyMap<string, number>, most: number): [string, string][] {
  const words = [...stretches].map(([text, count]) => ({
    symbols: [...Buffer.from(text)].map((byte) => BYTE_SYMBOLS[byte]!),
    count,
  }));
  const counts = new Map<string, number>();
  /** Words that have had the pair. */
  const places = new Map<string, Set<number>>();
  const count = (word: number, sign: 1 | -1): void => {
    const { symbols, count } = words[word]!;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const pair = `${symbols[i]} ${symbols[i + 1]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + sign * count);
      if (sign < 0) continue;
      const found = places.get(pair) ?? new Set<number>();
      places.set(pair, found.add(word));
    }
  };
  for (const word of words.keys()) count(word, 1);
  const merges: [string, string][] = [];
  while (merges.length < most) {
    let best = '';
    let most = 1;
    for (const [pair, found] of counts) {
      if (found > most || (found === most && best !== '' && pair < best)) [best, most] = [pair, found];
    }
    if (best === '') break;
    const [left, right] = best.split(' ') as [string, string];
    merges.push([left, right]);
    for (const word of places.get(best)!) {
      count(word, -1);
      words[word]!.symbols = joined(words[word]!.symbols, left, right);
      count(word, 1);
    }
    counts.delete(best);
    places.delete(best);
  }
  return merges;
}

function joined(symbols: readonly string[], left: string, right: string): string[] {
  const result: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const isPair = symbols[i] === left && symbols[i + 1] === right;
    result.push(isPair ? left + right : symbols[i]!);
    if (isPair) i++;
  }
  return result;
}
