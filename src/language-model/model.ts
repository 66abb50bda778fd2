/** An n-gram language model with back-off, scored word by word as a beam search needs it. */
import type { NgramTable } from './ngram-table.ts';

/** The longest n-grams that are read and trained, as in KenLM. */
export const MAX_ORDER = 6;
export const SENTENCE_START = '<s>';
export const SENTENCE_END = '</s>';
export const UNKNOWN = '<unk>';
/** Number of {@link UNKNOWN}, and of every word that the model does not have. */
export const UNKNOWN_ID = 0;
/** The empty context: the next word is scored as a unigram. */
export const NO_CONTEXT = -1;

/**
 * State of the model after the words so far: the number of the longest n-gram that affects later scores, so equal states
 * have equal continuations. A plain number, valid for this model only.
 */
export type LanguageModelState = number;

/**
 * The n-grams as a tree with suffix links. Nodes are numbered: the words (unigrams) first, then longer n-grams by
 * order. Values are log10.
 */
export interface NgramNodes {
  readonly order: number;
  /** Number of each word; {@link UNKNOWN} is 0. */
  readonly words: ReadonlyMap<string, number>;
  /** (node of the context, word) to the number of the node, less the number of words. */
  readonly longer: NgramTable;
  /** By node. */
  readonly probability: Float32Array;
  /** By node of less than the highest order, as the next two. */
  readonly backoff: Float32Array;
  /** Back-off state where the word after this context was not found: a suffix of it. */
  readonly shorter: Int32Array;
  /** By node: the state after the n-gram. Itself, or the longest suffix that is a context or has a back-off. */
  readonly state: Int32Array;
}

/** Scores equal KenLM's on the same file; it adds in float32, this in float64. */
export class LanguageModel {
  readonly order: number;
  readonly #nodes: NgramNodes;
  readonly #wordCount: number;
  readonly #start: LanguageModelState;

  constructor(nodes: NgramNodes) {
    this.order = nodes.order;
    this.#nodes = nodes;
    this.#wordCount = nodes.words.size;
    // As in KenLM, a sentence begins after <s> even where nothing follows it.
    this.#start = nodes.order === 1 ? NO_CONTEXT : nodes.words.get(SENTENCE_START)!;
  }

  /** Words of the model, with `<s>`, `</s>` and `<unk>`. */
  get words(): Iterable<string> {
    return this.#nodes.words.keys();
  }

  has(word: string): boolean {
    return (this.#nodes.words.get(word) ?? UNKNOWN_ID) !== UNKNOWN_ID;
  }

  /** The state at the beginning of a sentence. */
  start(): LanguageModelState {
    return this.#start;
  }

  /** Natural logarithm of the probability of `word` (unknown ones count as `<unk>`), and the state after it. */
  score(state: LanguageModelState, word: string): { logProbability: number; state: LanguageModelState } {
    const { longer, probability, backoff, shorter, state: stateAfter, words } = this.#nodes;
    const id = words.get(word) ?? UNKNOWN_ID;
    let log10 = 0;
    let node = id;
    for (let context = state; context !== NO_CONTEXT; context = shorter[context]!) {
      const found = longer.find(context, id);
      if (found >= 0) {
        node = found + this.#wordCount;
        break;
      }
      log10 += backoff[context]!;
    }
    return { logProbability: (log10 + probability[node]!) * Math.LN10, state: stateAfter[node]! };
  }

  /** Natural logarithm of the probability that the sentence ends here. */
  end(state: LanguageModelState): number {
    return this.score(state, SENTENCE_END).logProbability;
  }

  /** log10 probabilities of the words of a sentence and, last, of its end; KenLM's `full_scores`. */
  sentence(words: readonly string[]): number[] {
    let state = this.#start;
    return [...words, SENTENCE_END].map((word) => {
      const scored = this.score(state, word);
      state = scored.state;
      return scored.logProbability / Math.LN10;
    });
  }
}
