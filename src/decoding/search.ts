/**
 * Search for the text of a clip: greedy, beam search, or sampling. A search gets the candidates of each of its live texts
 * and chooses the continuations.
 */

/** A partial text. */
export interface Hypothesis {
  /** Tokens without the end of text. */
  readonly tokens: readonly number[];
  /** Log probability of each token, and of the end of text, among the allowed tokens. */
  readonly logProbabilities: readonly number[];
  /** Score: sum of log probabilities among all tokens, and of those of a language model. */
  readonly total: number;
  /** Whether it has an end of text. */
  readonly finished: boolean;
}

/** Continuations of a live text, likeliest first. */
export interface Candidates {
  readonly tokens: readonly number[];
  /** Log probabilities among all tokens. */
  readonly logProbabilities: readonly number[];
  /** A language model's part of the score of each. */
  readonly bonuses?: readonly number[];
  /** Log probability of all allowed tokens together. */
  readonly allowedLogMass: number;
}

/** Reranks the continuations of a text, such as with a language model. */
export interface CandidateFilter {
  /** Number of further candidates that it needs beyond those of the search, for a text of so many tokens. */
  extra(tokens: number): number;
  /** Called before each step with all texts that `apply` will be called for: what takes time is computed for all at once. */
  prepare?(texts: readonly Hypothesis[]): Promise<void>;
  apply(text: Hypothesis, candidates: Candidates): Candidates;
}

/** Continues the live text `parent` with `token`. */
export interface Move {
  readonly parent: number;
  readonly token: number;
}

export interface Search {
  /** Number of live texts after the first step, constant. */
  readonly width: number;
  /** Number of candidates needed for each live text. */
  readonly candidates: number;
  /** The live texts; a single empty one at first. */
  readonly live: readonly Hypothesis[];
  readonly done: boolean;
  /** One step with the candidates of each live text. @returns `width` moves, or none when done */
  advance(candidates: readonly Candidates[]): readonly Move[];
  /** All resulting texts, best first, each with its score. */
  results(): readonly { readonly hypothesis: Hypothesis; readonly score: number }[];
}

export interface SearchLimits {
  readonly endOfText: number;
  /** A further token that ends a text. */
  readonly separator?: number | undefined;
  /** Largest number of tokens. */
  readonly maxTokens: number;
}

const ends = (token: number, { endOfText, separator }: SearchLimits): boolean =>
  token === endOfText || token === separator;

export const emptyText: Hypothesis = { tokens: [], logProbabilities: [], total: 0, finished: false };

function grown(from: Hypothesis, token: number, candidate: Candidates, i: number, end: boolean): Hypothesis {
  const logProbability = candidate.logProbabilities[i]!;
  return {
    tokens: end ? from.tokens : [...from.tokens, token],
    logProbabilities: [...from.logProbabilities, logProbability - candidate.allowedLogMass],
    total: from.total + logProbability + (candidate.bonuses?.[i] ?? 0),
    finished: end,
  };
}

/** Mean log probability of the tokens, the end of text included. */
export function averageLogProbability({ logProbabilities }: Pick<Hypothesis, 'logProbabilities'>): number {
  return logProbabilities.reduce((sum, value) => sum + value, 0) / Math.max(1, logProbabilities.length);
}

/** A loop is a sequence of up to this length, repeated so often. */
const LOOP_REPEATS = 5;
const LOOP_LENGTH = 8;

function endsInLoop(tokens: readonly number[]): boolean {
  for (let period = 1; period <= LOOP_LENGTH; period++) {
    const start = tokens.length - LOOP_REPEATS * period;
    if (start < 0) return false;
    let repeats = true;
    for (let i = start + period; i < tokens.length && repeats; i++)
      repeats = tokens[i] === tokens[i - period];
    if (repeats) return true;
  }
  return false;
}

/** Greedy search: the most probable token at each step. */
export class GreedySearch implements Search {
  readonly width = 1;
  readonly candidates = 1;
  #text = emptyText;
  #looping = false;

  /** @param stopLoops end a text that repeats itself over and over, as an untuned decoder does until `maxTokens` */
  constructor(
    private readonly limits: SearchLimits,
    private readonly stopLoops: boolean,
  ) {}

  get live(): readonly Hypothesis[] {
    return [this.#text];
  }

  get done(): boolean {
    return this.#text.finished || this.#looping || this.#text.tokens.length >= this.limits.maxTokens;
  }

  advance([candidate]: readonly Candidates[]): readonly Move[] {
    const token = candidate!.tokens[0]!;
    this.#text = grown(this.#text, token, candidate!, 0, ends(token, this.limits));
    this.#looping = this.stopLoops && endsInLoop(this.#text.tokens);
    return this.done ? [] : [{ parent: 0, token }];
  }

  results() {
    return [{ hypothesis: this.#text, score: averageLogProbability(this.#text) }];
  }
}

export interface BeamOptions {
  readonly beams: number;
  /** The search continues until beams × patience texts have ended (Kasai et al. 2022). */
  readonly patience: number;
  /** Texts are compared by total / length ** lengthPenalty. */
  readonly lengthPenalty: number;
  /** Stop as soon as beams × patience texts have ended, and not only when no live text is better. */
  readonly earlyStopping: boolean;
}

/**
 * Beam search as Hugging Face transformers does it: of the 2 × beams likeliest continuations of all live texts, those
 * that end among the first `beams` are kept as ended, and the best `beams` others stay live. It stops when no live text is
 * better, at its present length, than the worst of the ended ones (or earlier, see `earlyStopping`).
 */
export class BeamSearch implements Search {
  readonly width: number;
  readonly candidates: number;
  readonly #kept: number;
  #live: readonly Hypothesis[] = [emptyText];
  #ended: { readonly hypothesis: Hypothesis; readonly score: number }[] = [];
  #done = false;

  constructor(
    private readonly limits: SearchLimits,
    private readonly options: BeamOptions,
  ) {
    this.width = options.beams;
    this.candidates = 2 * options.beams;
    this.#kept = Math.max(1, Math.round(options.beams * options.patience));
  }

  get live(): readonly Hypothesis[] {
    return this.#live;
  }

  get done(): boolean {
    return this.#done;
  }

  #score(total: number, length: number): number {
    return total / length ** this.options.lengthPenalty;
  }

  advance(candidates: readonly Candidates[]): readonly Move[] {
    const { beams } = this.options;
    const length = this.#live[0]!.tokens.length + 1;
    const last = length >= this.limits.maxTokens;
    const all = candidates.flatMap((candidate, parent) =>
      candidate.tokens.map((token, i) => ({
        parent,
        token,
        i,
        total: this.#live[parent]!.total + candidate.logProbabilities[i]! + (candidate.bonuses?.[i] ?? 0),
      })),
    );
    const best = all.sort((a, b) => b.total - a.total).slice(0, 2 * beams);
    const going: { readonly move: Move; readonly hypothesis: Hypothesis }[] = [];
    best.forEach(({ parent, token, i, total }, rank) => {
      const isEnd = ends(token, this.limits);
      const hypothesis = grown(this.#live[parent]!, token, candidates[parent]!, i, isEnd);
      if ((isEnd || last) && rank < beams)
        this.#ended.push({ hypothesis, score: this.#score(total, length) });
      else if (!isEnd && going.length < beams) going.push({ move: { parent, token }, hypothesis });
    });
    this.#ended = this.#ended.sort((a, b) => b.score - a.score).slice(0, this.#kept);
    this.#live = going.map(({ hypothesis }) => hypothesis);
    const full = this.#ended.length === this.#kept;
    const worst = full ? this.#ended.at(-1)!.score : Number.NEGATIVE_INFINITY;
    const promising = going.length === beams && this.#score(this.#live[0]!.total, length) > worst;
    this.#done = last || !promising || (full && this.options.earlyStopping);
    return this.#done ? [] : going.map(({ move }) => move);
  }

  results() {
    if (this.#ended.length > 0) return this.#ended;
    return this.#live.map((hypothesis) => ({
      hypothesis,
      score: this.#score(hypothesis.total, Math.max(1, hypothesis.tokens.length)),
    }));
  }
}

/** Top-k of sampling: together these tokens have more than 99.9 % of the probability. */
const DRAWN_FROM = 1000;

/** Samples tokens by probability ** (1 / temperature), several texts at once; the likeliest text is the result. */
export class SamplingSearch implements Search {
  // One entry for each sampled text.
  readonly candidates = DRAWN_FROM;
  #live: readonly Hypothesis[] = [emptyText];

  /**
   * @param width number of texts to sample
   * @param next uniform numbers in [0, 1)
   */
  constructor(
    private readonly limits: SearchLimits,
    readonly width: number,
    private readonly temperature: number,
    private readonly next: () => number,
  ) {}

  get live(): readonly Hypothesis[] {
    return this.#live;
  }

  get done(): boolean {
    return this.#live.every(({ finished, tokens }) => finished || tokens.length >= this.limits.maxTokens);
  }

  advance(candidates: readonly Candidates[]): readonly Move[] {
    const parents = Array.from({ length: this.width }, (_, i) => (this.#live.length === 1 ? 0 : i));
    const { endOfText, maxTokens } = this.limits;
    const moves: Move[] = [];
    this.#live = parents.map((parent) => {
      const text = this.#live[parent]!;
      const over = text.finished || text.tokens.length >= maxTokens;
      const candidate = candidates[parent]!;
      const i = over ? 0 : this.#draw(candidate);
      const token = over ? endOfText : candidate.tokens[i]!;
      moves.push({ parent, token });
      return over ? text : grown(text, token, candidate, i, ends(token, this.limits));
    });
    return this.done ? [] : moves;
  }

  #draw({ logProbabilities }: Candidates): number {
    const weights = logProbabilities.map((value) =>
      Math.exp((value - logProbabilities[0]!) / this.temperature),
    );
    let left = this.next() * weights.reduce((sum, weight) => sum + weight, 0);
    const drawn = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return Math.max(0, drawn);
  }

  results() {
    return this.#live
      .map((hypothesis) => ({ hypothesis, score: averageLogProbability(hypothesis) }))
      .sort((a, b) => b.score - a.score);
  }
}
