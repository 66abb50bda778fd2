/** Splits tokens into words (OpenAI's tokenizer.py). */
import type { Tokens } from '../whisper/tokens.ts';
import { textOfTokens } from './text-of-tokens.ts';

export interface TokensOfWord {
  /** The word with the space before it. */
  readonly text: string;
  readonly tokens: readonly number[];
}

/** Python's `string.punctuation`. */
const PUNCTUATION = new Set('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~');
const INCOMPLETE = '\ufffd';
/** Scripts without spaces between words: there each complete character counts as a word, as in OpenAI's program. */
const WITHOUT_SPACES =
  /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Tibt}]/u;
/** What belongs to the character before it: vowel signs and tone marks, variation selectors, joiners, skin tones. */
const CONTINUES_A_CHARACTER = /^(?:\p{M}|\u200d|\p{Emoji_Modifier})/u;
const JOINS_THE_NEXT = /\u200d$/;

/**
 * The last token, the end of text, is a word of its own. Words are those of the script that is written: a translation
 * has another one than the speech, and a Chinese text may have English names in it.
 */
export function splitIntoWords(ids: readonly number[], tokens: Tokens): TokensOfWord[] {
  const words: { text: string; tokens: number[] }[] = [];
  for (const { text, tokens: piece } of splitAtCharacters(ids, tokens)) {
    const last = words.at(-1);
    const begins =
      !last ||
      !tokens.isText(piece[0]!) ||
      text.startsWith(' ') ||
      PUNCTUATION.has(text.trim()) ||
      (!CONTINUES_A_CHARACTER.test(text) &&
        !JOINS_THE_NEXT.test(last.text) &&
        (WITHOUT_SPACES.test(text) || WITHOUT_SPACES.test(last.text)));
    if (begins) words.push({ text, tokens: [...piece] });
    else {
      last.text += text;
      for (const id of piece) last.tokens.push(id);
    }
  }
  return words;
}

/** Groups tokens until their bytes are complete characters, or such as are no UTF-8. */
function splitAtCharacters(ids: readonly number[], tokens: Tokens): TokensOfWord[] {
  const pieces: TokensOfWord[] = [];
  let pending: number[] = [];
  const whole = tokens.decode(ids);
  let at = 0;
  const add = (text: string): void => {
    pieces.push({ text, tokens: pending });
    at += text.length;
    pending = [];
  };
  for (const id of ids) {
    // Special tokens, and whole words that fine-tuning has added.
    if (id >= tokens.endOfText) {
      if (pending.length > 0) add(textOfTokens(tokens, pending));
      pending = [id];
      add(tokens.decode(pending));
      continue;
    }
    pending.push(id);
    const text = tokens.decode(pending);
    const incomplete = text.indexOf(INCOMPLETE);
    // In the whole text these bytes are no character, either.
    if (incomplete < 0 || (whole.startsWith(text, at) && text.length + at < whole.length)) add(text);
  }
  if (pending.length > 0) add(textOfTokens(tokens, pending));
  return pieces;
}
