/**
 * Shallow fusion with a language model (de Zuazo et al. 2025, "Whisper-LM"): texts are compared by
 * log P_speech + α · log P_lm(words) + β · words, from the fourth token on. Only complete words are scored: the last one
 * when the next begins, or the text ends.
 */
import type { SentenceScorer } from '../language-model/scorer.ts';
import { wordsAreCharacters } from '../language-model/words.ts';
import type { Tokens } from '../whisper/tokens.ts';
import type { CandidateFilter, Candidates, Hypothesis } from './search.ts';

export interface FusionOptions {
  /** Weight of the language model. */
  readonly alpha: number;
  /** Score added per word, as the language model prefers short texts. */
  readonly beta: number;
  /** Whisper's code, such as "en". */
  readonly language: string;
}

/** Number of initial tokens without the language model. */
const FIRST_TOKENS = 4;
/** Number of further candidates that it can move up, for each text. */
const MOVED_UP = 10;
/** Number of texts whose scores are cached. */
const REMEMBERED = 20_000;

interface Scores {
  /** Score of the complete words: all but the last. */
  readonly open: number;
  /** Score with the last word. */
  readonly closed: number;
  /** Score with the end of the sentence. */
  readonly ended: number;
}

export class LanguageModelFusion implements CandidateFilter {
  readonly #scores = new Map<string, Scores>();
  readonly #beginsWord = new Map<number, boolean>();

  constructor(
    private readonly scorer: SentenceScorer,
    private readonly tokens: Tokens,
    private readonly options: FusionOptions,
  ) {}

  extra(): number {
    return MOVED_UP;
  }

  /** Scores the texts, and each without its last token, which `apply` takes the difference to. */
  async prepare(texts: readonly Hypothesis[]): Promise<void> {
    if (this.#scores.size >= REMEMBERED) this.#scores.clear();
    const missing = new Map<string, readonly string[]>();
    for (const { tokens } of texts) {
      for (const ids of [tokens, tokens.slice(0, -1)]) {
        const key = ids.join();
        if (this.#scores.has(key) || missing.has(key)) continue;
        missing.set(key, this.scorer.words(this.tokens.decode(ids)));
      }
    }
    if (missing.size === 0) return;
    const sentences = [...missing.values()];
    const found = await this.scorer.score([...sentences, ...sentences.map((words) => words.slice(0, -1))]);
    const { alpha, beta } = this.options;
    [...missing.keys()].forEach((key, i) => {
      const count = sentences[i]!.length;
      const [whole, open] = [found[i]!, found[i + sentences.length]!];
      this.#scores.set(key, {
        open: alpha * open.begun + beta * Math.max(0, count - 1),
        closed: alpha * whole.begun + beta * count,
        ended: alpha * whole.ended + beta * count,
      });
    });
  }

  apply(text: Hypothesis, candidates: Candidates): Candidates {
    const before = this.#given(text.tokens);
    const order = candidates.tokens.map((token, i) => {
      const bonus = this.#after(text.tokens, token) - before;
      return { token, logProbability: candidates.logProbabilities[i]!, bonus };
    });
    order.sort((a, b) => b.logProbability + b.bonus - a.logProbability - a.bonus);
    return {
      tokens: order.map(({ token }) => token),
      logProbabilities: order.map(({ logProbability }) => logProbability),
      bonuses: order.map(({ bonus }) => bonus),
      allowedLogMass: candidates.allowedLogMass,
    };
  }

  /** Score of a text so far. */
  #given(tokens: readonly number[]): number {
    return tokens.length === 0 ? 0 : this.#after(tokens.slice(0, -1), tokens.at(-1)!);
  }

  /** Score of a text when `next` follows `tokens`. */
  #after(tokens: readonly number[], next: number): number {
    if (next !== this.tokens.endOfText && tokens.length + 1 < FIRST_TOKENS) return 0;
    const scores = this.#scoresOf(tokens);
    if (next === this.tokens.endOfText) return scores.ended;
    return this.#isBoundary(next) ? scores.closed : scores.open;
  }

  /** Whether a token begins a word: by a space before it, because it is a timestamp, or as any character does. */
  #isBoundary(token: number): boolean {
    const known = this.#beginsWord.get(token);
    if (known !== undefined) return known;
    const begins =
      wordsAreCharacters(this.options.language) ||
      !this.tokens.isText(token) ||
      this.tokens.decode([token]).startsWith(' ');
    this.#beginsWord.set(token, begins);
    return begins;
  }

  #scoresOf(tokens: readonly number[]): Scores {
    const scores = this.#scores.get(tokens.join());
    if (!scores) throw new Error('internal: fusion was asked for a text that it was not prepared for');
    return scores;
  }
}
