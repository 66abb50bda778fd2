/** What a run costs: estimated before, counted as it goes, and held below a limit. */
import type { TranslationEngine, Usage } from './engine.ts';
import type { Sentence } from './sentence.ts';

/** Tokens of a translation for one of its sentence: a guess; the note after the first request tells what it was. */
const OUTPUT_RATIO = 1.5;
/** Of an answer's JSON around each text. */
const ENVELOPE_TOKENS = 12;
/** What a chat's template adds to a request. */
const TEMPLATE_TOKENS = 16;

export interface Prices {
  /** Money for a million tokens that go in (or characters, where the service counts these); 0: free, or not told. */
  readonly priceIn: number;
  /** Likewise of tokens that come out. */
  readonly priceOut: number;
}

export const costOf = ({ input, output }: Usage, { priceIn, priceOut }: Prices): number =>
  (input * priceIn + output * priceOut) / 1e6;

/** The estimate of one request. @param countTokens of a text, by a tokenizer that need not be the model's */
export function requestUsage(
  engine: TranslationEngine,
  sentences: readonly Sentence[],
  countTokens: (text: string) => number,
  fault?: string,
): Usage {
  if (!engine.textOf) return { input: sentences.reduce((sum, { text }) => sum + text.length, 0), output: 0 };
  const own = sentences.reduce((sum, { text }) => sum + countTokens(text), 0);
  return {
    input: countTokens(engine.textOf(sentences, fault)) + TEMPLATE_TOKENS,
    output: Math.ceil(own * OUTPUT_RATIO) + ENVELOPE_TOKENS * sentences.length,
  };
}

export interface BudgetOptions extends Prices {
  readonly maxCost?: number | undefined;
  readonly maxTokens?: number | undefined;
}

/**
 * Counts what was used, and what the requests under way may use: a request is set aside before it goes. Estimates are guesses,
 * so with a limit the first request goes alone, and the others are set aside with the largest factor that an answer showed.
 */
export class Budget {
  #used: Usage = { input: 0, output: 0 };
  #reserved: Usage = { input: 0, output: 0 };
  /** What was used for one that was estimated; at least one. Undefined: nothing was answered yet. */
  #factor: Usage | undefined;
  #firstUnderWay = false;
  readonly #waiting: (() => void)[] = [];

  constructor(private readonly options: BudgetOptions) {}

  get used(): Usage {
    return this.#used;
  }

  /** Sets aside what a request may use. @returns what it is; undefined where the limit does not leave so much */
  async reserve(estimate: Usage): Promise<Usage | undefined> {
    const { maxCost = Number.POSITIVE_INFINITY, maxTokens = Number.POSITIVE_INFINITY } = this.options;
    if (Number.isFinite(maxCost) || Number.isFinite(maxTokens)) {
      while (this.#firstUnderWay) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      this.#firstUnderWay = this.#factor === undefined;
    }
    const { input, output } = this.#factor ?? { input: 1, output: 1 };
    const reserved = {
      input: Math.ceil(estimate.input * input),
      output: Math.ceil(estimate.output * output),
    };
    const after = sum(sum(this.#used, this.#reserved), reserved);
    if (costOf(after, this.options) > maxCost || after.input + after.output > maxTokens) {
      this.#goOn();
      return undefined;
    }
    this.#reserved = sum(this.#reserved, reserved);
    return reserved;
  }

  /** Books what a request used in place of what was set aside; undefined: it failed. */
  settle(reserved: Usage, used: Usage | undefined): void {
    this.#reserved = sum(this.#reserved, { input: -reserved.input, output: -reserved.output });
    if (used) this.#used = sum(this.#used, used);
    this.#goOn();
  }

  /** Learns what an answered request used for its estimate. */
  learn(estimate: Usage, used: Usage): void {
    const { input, output } = this.#factor ?? { input: 1, output: 1 };
    this.#factor = {
      input: Math.max(input, used.input / Math.max(1, estimate.input)),
      output: Math.max(output, used.output / Math.max(1, estimate.output)),
    };
  }

  #goOn(): void {
    this.#firstUnderWay = false;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

const sum = (a: Usage, b: Usage): Usage => ({ input: a.input + b.input, output: a.output + b.output });

/** Sentences that an estimate of all reads. */
const SAMPLE = 1000;

/** The estimate of many sentences, from a sample of them. */
export function totalUsage(
  engine: TranslationEngine,
  sentences: readonly Sentence[],
  batchSize: number,
  countTokens: (text: string) => number,
): Usage {
  if (sentences.length === 0) return { input: 0, output: 0 };
  const step = Math.max(1, Math.floor(sentences.length / SAMPLE));
  const sample = sentences.filter((_, i) => i % step === 0);
  let usage: Usage = { input: 0, output: 0 };
  for (let i = 0; i < sample.length; i += batchSize)
    usage = sum(usage, requestUsage(engine, sample.slice(i, i + batchSize), countTokens));
  const factor = sentences.length / sample.length;
  return { input: Math.round(usage.input * factor), output: Math.round(usage.output * factor) };
}
