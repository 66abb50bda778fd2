/** A text that only grows: its committed tokens, and what would follow them, as it looks now. */
import { textOfTokens } from '../decoding/text-of-tokens.ts';
import { splitIntoWords, type TokensOfWord } from '../decoding/word-tokens.ts';
import type { Tokens } from '../whisper/tokens.ts';
import type { LiveText } from './events.ts';

export class GrowingText {
  readonly #committed: number[] = [];
  /** Tokens that would follow the committed ones. */
  #rest: readonly number[] = [];
  /** Characters of the committed text that were told. */
  #told = 0;

  constructor(private readonly tokens: Tokens) {}

  get committed(): readonly number[] {
    return this.#committed;
  }

  get rest(): readonly number[] {
    return this.#rest;
  }

  /** All tokens, the tentative ones too. */
  get all(): readonly number[] {
    return [...this.#committed, ...this.#rest];
  }

  /** Commits the first of the tokens that follow; the others are tentative. */
  update(rest: readonly number[], stable: number): void {
    for (const id of rest.slice(0, stable)) this.#committed.push(id);
    this.#rest = rest.slice(stable);
  }

  /** The committed text, without the space before it. */
  get text(): string {
    return textOfTokens(this.tokens, this.#committed).trimStart();
  }

  /**
   * Text committed since the last call, and the tentative one.
   * @param before what parts the text from that before it: a space, or nothing
   */
  tell(before: string): LiveText {
    const { text } = this;
    const whole = textOfTokens(this.tokens, this.all).trimStart();
    const opening = this.#told === 0 && text !== '' ? before : '';
    const committed = opening + text.slice(this.#told);
    const tentative = whole.startsWith(text) ? whole.slice(text.length) : '';
    this.#told = text.length;
    return { committed, tentative: (text === '' && tentative !== '' ? before : '') + tentative };
  }
}

const MARKS_ONLY = /^[\p{P}\s]*$/u;
const MARKS_OR_CUT = /^[\p{P}\s\ufffd]*$/u;

/**
 * Words of a hypothesis, characters in scripts without spaces, less those at its end that may be only its end: marks, with
 * which Whisper ends whatever it hears, and characters that are cut off.
 */
export function steadyWords(ids: readonly number[], tokens: Tokens): readonly TokensOfWord[] {
  let end = ids.length;
  while (end > 0 && MARKS_ONLY.test(tokens.decode(ids.slice(end - 1, end)))) end--;
  const words = splitIntoWords(ids.slice(0, end), tokens);
  let count = words.length;
  while (count > 0 && MARKS_OR_CUT.test(words[count - 1]!.text)) count--;
  return words.slice(0, count);
}
