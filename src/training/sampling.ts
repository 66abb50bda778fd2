/** Sampler of batches: mixes corpora in given shares and groups examples of similar length. */
import { smallest } from '../extremes.ts';
import { sfc32, shuffle } from '../random.ts';
import { type Example, tokenCount } from './batches.ts';

export interface SamplingOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** Largest number of frames of a batch: batches of long clips have fewer clips. Default: no bound. */
  readonly maxFrames?: number | undefined;
  /**
   * Largest share of padding among the frames, or among the tokens, of a batch, which otherwise has fewer clips.
   * Default 1: no bound.
   */
  readonly maxPadding?: number | undefined;
  /** Sampling weights of the examples' corpora. Default: their sizes. */
  readonly mixture?: Mixture | undefined;
}

export interface Mixture {
  /** Weight of each corpus, by `Example.corpus`; above 0. */
  readonly weights: readonly number[];
  /** T: the share of corpus c is as weight(c) · examples(c)^(1/T). 1: natural; large: only the weights count. */
  readonly temperature: number;
}

/** Batches are cut from a shuffled pool of this many batches, sorted by length: little padding, much randomness. */
const POOL_BATCHES = 16;

/** Each corpus's share of what is drawn; they sum to 1. A corpus without examples has none. */
export function corpusShares(counts: readonly number[], { weights, temperature }: Mixture): number[] {
  const parts = counts.map((count, c) => (count === 0 ? 0 : weights[c]! * count ** (1 / temperature)));
  const sum = parts.reduce((total, part) => total + part, 0);
  return parts.map((part) => part / sum);
}

/**
 * Endless batches of indices. Each corpus is drawn epoch by epoch, every example once in each; at any time the number of
 * draws from a corpus is that of its share to within the number of corpora.
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
  const once = smallest(
    corpora.flatMap(({ length }, c) => (length > 0 ? [length / shares[c]!] : [])),
    Number,
  );
  const poolSize = batchSize * Math.max(1, Math.min(POOL_BATCHES, Math.floor(once / batchSize)));
  const size = (i: number): number => examples[i]!.clip.window + 4 * tokenCount(examples[i]!);
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
  { batchSize, maxFrames = Number.POSITIVE_INFINITY, maxPadding = 1 }: SamplingOptions,
): number[][] {
  const batches: number[][] = [];
  let frames: Extent = EMPTY;
  let tokens: Extent = EMPTY;
  const hasRoom = (count: number, ...extents: Extent[]): boolean =>
    count <= batchSize &&
    count * extents[0]!.most <= maxFrames &&
    extents.every(({ sum, most }) => sum >= (1 - maxPadding) * count * most);
  for (const i of pool) {
    const window = examples[i]!.clip.window;
    const length = tokenCount(examples[i]!) - 1;
    const last = batches.at(-1);
    const longer = [extended(frames, window), extended(tokens, length)] as const;
    if (last && hasRoom(last.length + 1, ...longer)) {
      last.push(i);
      [frames, tokens] = longer;
    } else {
      batches.push([i]);
      [frames, tokens] = [extended(EMPTY, window), extended(EMPTY, length)];
    }
  }
  return batches;
}

interface Extent {
  readonly sum: number;
  readonly most: number;
}

const EMPTY: Extent = { sum: 0, most: 0 };

function extended({ sum, most }: Extent, size: number): Extent {
  return { sum: sum + size, most: Math.max(most, size) };
}
