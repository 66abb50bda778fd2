/** The text of decoded tokens, without a character that was cut off. */
import type { Tokens } from '../whisper/tokens.ts';

/**
 * Text of ids, without special tokens. A text may end within the bytes of a character: at the largest number of tokens, at a
 * timestamp, or where the model ended it. The unfinished character is left out; bytes elsewhere that are no UTF-8 are U+FFFD.
 */
export function textOfTokens(tokens: Tokens, ids: readonly number[]): string {
  let text = '';
  for (let begin = 0; begin < ids.length; ) {
    let end = begin;
    while (end < ids.length && tokens.isText(ids[end]!)) end++;
    text += tokens.decode(ids.slice(begin, end)).replace(/\ufffd$/, '');
    begin = end + 1;
  }
  return text;
}
