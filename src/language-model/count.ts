/** Counts of n-grams, adjusted as Kneser–Ney smoothing needs them. */
import { UserError } from '../errors.ts';
import { MAX_ORDER, SENTENCE_END, SENTENCE_START, UNKNOWN } from './model.ts';
import { NgramTable } from './ngram-table.ts';

/** Ids of the sentence marks; 0 is `UNKNOWN_ID` of model.ts. */
export const START_ID = 1;
export const END_ID = 2;

/** Growable array of int32 values. */
export class Int32List {
  #values = new Int32Array(1024);
  length = 0;

  push(value: number): void {
    if (this.length === this.#values.length) {
      const larger = new Int32Array(this.length * 2);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.length++] = value;
  }

  increase(at: number): void {
    this.#values[at]!++;
  }

  get values(): Int32Array {
    return this.#values.subarray(0, this.length);
  }
}

/** N-grams of one order, numbered; of order 1 the number is the word's. */
export interface OrderCounts {
  /** Number of the n-gram of the order below that this one extends by `word`; of order 1 always 0. */
  readonly context: Int32List;
  readonly word: Int32List;
  /** Number of the n-gram of the order below that is its suffix. */
  readonly suffix: Int32List;
  /** Adjusted count: see {@link NgramCounter}. */
  readonly count: Int32List;
}

/**
 * Counts sentences. The adjusted count of an n-gram is how often it occurs if it has the highest order or begins with
 * `<s>`, else the number of different words that precede it (Chen and Goodman 1998; Heafield et al. 2013 for `<s>`).
 * `<unk>` and `<s>` have the count 0.
 */
export class NgramCounter {
  readonly words: string[] = [];
  readonly orders: OrderCounts[];
  sentences = 0;
  /** Number of tokens, `</s>` included. */
  tokens = 0;
  readonly #ids = new Map<string, number>();
  /** Tables by order less one; none for order 1. */
  readonly #tables: NgramTable[];

  constructor(order: number) {
    if (!(Number.isInteger(order) && order >= 1 && order <= MAX_ORDER))
      throw new UserError(`found the order ${order}; expected 1 to ${MAX_ORDER}`);
    this.orders = Array.from({ length: order }, () => ({
      context: new Int32List(),
      word: new Int32List(),
      suffix: new Int32List(),
      count: new Int32List(),
    }));
    this.#tables = this.orders.map(() => new NgramTable());
    for (const word of [UNKNOWN, SENTENCE_START, SENTENCE_END]) this.#addWord(word);
  }

  /** @throws UserError for words that an ARPA file cannot hold */
  add(sentence: readonly string[]): void {
    // The n-grams that end before the word, by length less one: one context each.
    let before: number[] = [START_ID];
    for (let i = 0; i <= sentence.length; i++) {
      const word = i === sentence.length ? END_ID : this.#id(sentence[i]!);
      const ending = [word];
      if (this.orders.length === 1) this.#increase(0, word);
      for (let n = 1; n < this.orders.length && n <= before.length; n++) {
        const table = this.#tables[n]!;
        const size = table.size;
        const ngram = table.add(before[n - 1]!, word);
        const fromStart = n === i + 1;
        if (ngram === size) {
          const { context, word: last, suffix, count } = this.orders[n]!;
          context.push(before[n - 1]!);
          last.push(word);
          suffix.push(ending[n - 1]!);
          count.push(0);
          // A new word before the shorter n-gram.
          this.#increase(n - 1, ending[n - 1]!);
        }
        if (fromStart || n === this.orders.length - 1) this.#increase(n, ngram);
        ending.push(ngram);
      }
      before = ending;
    }
    this.sentences++;
    this.tokens += sentence.length + 1;
  }

  #increase(orderLessOne: number, ngram: number): void {
    this.orders[orderLessOne]!.count.increase(ngram);
  }

  #id(word: string): number {
    return this.#ids.get(word) ?? this.#addTextWord(word);
  }

  #addTextWord(word: string): number {
    if (word === '' || /[\t\n\r ]/.test(word))
      throw new UserError(`found the word ${JSON.stringify(word)}; expected no white space in a word`);
    if ([UNKNOWN, SENTENCE_START, SENTENCE_END].includes(word))
      throw new UserError(`found the word "${word}"; expected text, as models mark sentences so themselves`);
    return this.#addWord(word);
  }

  #addWord(word: string): number {
    const id = this.words.length;
    this.words.push(word);
    if (id > END_ID) this.#ids.set(word, id);
    const { context, word: last, suffix, count } = this.orders[0]!;
    context.push(0);
    last.push(id);
    suffix.push(0);
    count.push(0);
    return id;
  }
}
