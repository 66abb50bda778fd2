/**
 * LocalAgreement-2 (Liu et al. 2020; Macháček et al. 2023, arXiv 2307.14743): what two consecutive hypotheses begin with is
 * committed. Compared are words of the text that is written, or its characters in scripts without spaces.
 */
import type { Tokens } from '../whisper/tokens.ts';
import { steadyWords } from './growing-text.ts';

/** Number of tokens of `next` in the words that it begins with as `previous` does. */
export function agreedTokens(previous: readonly number[], next: readonly number[], tokens: Tokens): number {
  const before = steadyWords(previous, tokens);
  let agreed = 0;
  for (const [i, word] of steadyWords(next, tokens).entries()) {
    if (word.text !== before[i]?.text) break;
    agreed += word.tokens.length;
  }
  return agreed;
}
