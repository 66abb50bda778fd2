/** Splits tokens into words (OpenAI's tokenizer.py). */
import { languageProfile } from '../language/profile.ts';
import type { Tokens } from '../whisper/tokens.ts';

export interface TokensOfWord {
  /** The word with the space before it. */
  readonly text: string;
  readonly tokens: readonly number[];
}

/** Python's `string.punctuation`. */
const PUNCTUATION = new Set('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~');
const INCOMPLETE = '\ufffd';

/** The last token, the end of text, is a word of its own. */
export function splitIntoWords(ids: readonly number[], tokens: Tokens, language: string): TokensOfWord[] {
  const pieces = splitAtCharacters(ids, tokens);
  // In scripts without spaces each complete character counts as a word.
  if (!languageProfile(language).spaces) return pieces;
  const words: { text: string; tokens: number[] }[] = [];
  for (const { text, tokens: piece } of pieces) {
    const last = words.at(-1);
    const special = piece[0]! >= tokens.endOfText;
    if (!last || special || text.startsWith(' ') || PUNCTUATION.has(text.trim())) {
      words.push({ text, tokens: [...piece] });
    } else {
      last.text += text;
      for (const token of piece) last.tokens.push(token);
    }
  }
  return words;
}

/** Groups tokens until their bytes are complete characters. */
function splitAtCharacters(ids: readonly number[], tokens: Tokens): TokensOfWord[] {
  const pieces: TokensOfWord[] = [];
  let pending: number[] = [];
  for (const id of ids) {
    if (id >= tokens.endOfText) {
      if (pending.length > 0) pieces.push({ text: tokens.decode(pending), tokens: pending });
      pieces.push({ text: '', tokens: [id] });
      pending = [];
      continue;
    }
    pending.push(id);
    const text = tokens.decode(pending);
    if (text.includes(INCOMPLETE)) continue;
    pieces.push({ text, tokens: pending });
    pending = [];
  }
  if (pending.length > 0) pieces.push({ text: tokens.decode(pending), tokens: pending });
  return pieces;
}
