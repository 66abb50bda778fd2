/** Which examples make a batch: corpora mixed in given shares, like lengths together. */
import { sfc32, shuffle } from '../random.ts';
import type { Example } from './batches.ts';

export interface SamplingOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** Batches of long clips are made of fewer, so that all their frames are at most so many. Default: no bound. */
  readonly mostFrames?: number | undefined;
  /**
   * Batches are made of fewer clips where more than this share of their frames, or of their tokens, would be padding.
   * Default 1: no bound.
   */
  readonly mostPadding?: number | undefined;
  /** Batches do not mix languages (`source.language`). */
  readonly oneLanguage?: boolean | undefined;
  /** Shares of the examples' corpora. Default: as many as there are. */
  readonly mixture?: Mixture | undefined;
}

export interface Mixture {
  /** Of each corpus, by `Example.corpus`; above 0. */
  readonly weights: readonly number[];
  /** T: the share of corpus c is as weight(c) · examples(c)^(1/T). 1: natural; large: only the weights count. */
  readonly temperature: number;
}

/** Batches are cut from a shuffled pool of this many batches, sorted by length: little padding, much chance. Where batches do
 * not mix languages, of so many for each. */
const POOL_BATCHES = 16;

/** Each corpus's share of what is drawn; they sum to 1. A corpus without examples has none. */
export function corpusShares(counts: readonly number[], { weights, temperature }: Mixture): number[] {
  const parts = counts.map((count, c) => (count === 0 ? 0 : weights[c]! * count ** (1 / temperature)));
  const sum = parts.reduce((total, part) => total + part, 0);
  return parts.map((part) => part / sum);
}

/**
 * Endless batches of indices. Each corpus is gone through an epoch after the other, every example once in each; at any
 * time a corpus has had its share of what was drawn to within the number of corpora.
 */
export function* sampleBatches(
  examples: readonly Example[],
  options: SamplingOptions,
): Generator<number[], never> {
  const { batchSize, seed, mixture = { weights: [1], temperature: 1 } } = options;
  const random = sfc32(seed);
  const corpora: number[][] = mixture.weights.map(() => []);
  examples.forEach(({ corpus = 0 }, i) => corpora[mixture.weights.length === 1 ? 0 : corpus]!.push(i));
  const shares = corpusShares(
    corpora.map(({ length }) => length),
    mixture,
  );
  const streams = corpora.map((members) => epochs(members, random));
  const drawn = shares.map(() => 0);
  let total = 0;
  const draw = (): number => {
    total++;
    let furthest = 0;
    for (let c = 1; c < shares.length; c++) {
      if (shares[c]! * total - drawn[c]! > shares[furthest]! * total - drawn[furthest]!) furthest = c;
    }
    drawn[furthest]!++;
    return streams[furthest]!.next().value;
  };
  // In a pool that held an example twice, sorting would bring it into one batch twice.
  const once = Math.min(...corpora.flatMap(({ length }, c) => (length > 0 ? [length / shares[c]!] : [])));
  const languages = options.oneLanguage ? new Set(examples.map(({ source }) => source?.language)).size : 1;
  const poolSize = batchSize * Math.max(1, Math.min(POOL_BATCHES * languages, Math.floor(once / batchSize)));
  const size = (i: number): number => examples[i]!.clip.window + 4 * examples[i]!.tokens.length;
  for (;;) {
    const pool = Array.from({ length: poolSize }, draw).sort((a, b) => size(a) - size(b));
    yield* shuffle(cutBatches(pool, examples, options), random);
  }
}

/** The members in one shuffled order after the other. */
function* epochs(members: readonly number[], random: () => number): Generator<number, never> {
  for (;;) yield* shuffle([...members], random);
}

/** @param pool indices in order of length */
function cutBatches(
  pool: readonly number[],
  examples: readonly Example[],
  { batchSize, mostFrames = Number.POSITIVE_INFINITY, mostPadding = 1, oneLanguage }: SamplingOptions,
): number[][] {
  const batches: number[][] = [];
  const open = new Map<string | undefined, { batch: number[]; frames: Extent; tokens: Extent }>();
  for (const i of pool) {
    const { clip, tokens, source } = examples[i]!;
    const language = oneLanguage ? source?.language : undefined;
    const last = open.get(language);
    const count = (last?.batch.length ?? 0) + 1;
    const longer = {
      frames: extended(last?.frames, clip.window),
      tokens: extended(last?.tokens, tokens.length - 1),
    };
    if (
      last &&
      count <= batchSize &&
      count * longer.frames.most <= mostFrames &&
      [longer.frames, longer.tokens].every(({ sum, most }) => sum >= (1 - mostPadding) * count * most)
    ) {
      last.batch.push(i);
      Object.assign(last, longer);
    } else {
      const batch = [i];
      batches.push(batch);
      open.set(language, {
        batch,
        frames: extended(undefined, clip.window),
        tokens: extended(undefined, tokens.length - 1),
      });
    }
  }
  return batches;
}

interface Extent {
  readonly sum: number;
  readonly most: number;
}

function extended(extent: Extent | undefined, size: number): Extent {
  return { sum: (extent?.sum ?? 0) + size, most: Math.max(extent?.most ?? 0, size) };
}
